import { type ImportSpecifier, initSync, parse } from 'es-module-lexer'
import { CLIENT_ID } from './ids.ts'
import { namesOthers } from './locals.ts'
import { plainRead, READ } from './plain-read.ts'
import { type EnvReadsOptions, type EnvReadsResult, Rewrite } from './rewrite.ts'

/** What the lexer gives for the place of an `import.meta`. */
const IMPORT_META = -2
/**
 * A regular expression that begins a line: where the line before ends without a semicolon (`let x\n/a/`), the lexer
 * takes it for a division, and what it holds for code, or for the start of a comment or a template.
 */
const LINE_OF_REGEXP = /(?:^|\*\/)[^\S\r\n\u2028\u2029]*\/(?![/*])/m

/**
 * The way for almost every module: all that it does with `import.meta` is to read `import.meta.env.NAME`,
 * which a lexer can tell for sure (it skips strings, comments and regular expressions). A parser costs
 * several times as much.
 *
 * @returns `undefined` where anything else stands, for `rewriteEnvReads` to judge
 */
export function rewritePlainReads(code: string, options: EnvReadsOptions): EnvReadsResult | undefined {
  if (options.processEnv || LINE_OF_REGEXP.test(code)) return undefined
  let imports: readonly ImportSpecifier[]
  try {
    // 13 kB of WebAssembly, compiled at the first call only.
    initSync()
    ;[imports] = parse(code)
  } catch {
    // Whoever parses has the better message.
    return undefined
  }
  const rewrite = new Rewrite(code, options)
  for (const { d, s, e, n, ss, se } of imports) {
    if (n === CLIENT_ID && namesOthers(code.slice(ss, se), options)) return undefined
    if (d !== IMPORT_META) continue
    const name = plainRead(code, s, e)
    if (name === undefined) return undefined
    if (name === '' || !options.names.has(name)) continue
    const local = rewrite.take(name, s)
    if (local !== undefined) rewrite.magic.overwrite(s, READ.lastIndex, local)
  }
  return rewrite.finish()
}
