import { type ImportSpecifier, initSync, parse } from 'es-module-lexer'
import { CLIENT_ID } from './ids.ts'
import { type EnvReadsOptions, type EnvReadsResult, Rewrite } from './rewrite.ts'

/** What the lexer gives for the place of an `import.meta`. */
const IMPORT_META = -2
/** `.env.NAME` right behind `import.meta`, with nothing that only a parser can judge. */
const READ = /\.env\.([A-Za-z_$][\w$]*)(?![\w$\\]|[^\0-\x7f])/y
/** Another property of `import.meta`: `url`, `hot`, `glob`, … */
const OTHER = /\.(?!env\b)[A-Za-z]/y
/** What follows a target of an assignment, or may hide it. */
const WRITTEN = /\s*(?:\/[/*]|\+\+|--|(?:\*\*|<<|>>>?|&&|\|\||\?\?|[-+*/%&|^])?=(?!=)|(?:of|in)\b)/y
/** An operator that writes, a comment, or a parenthesis that is no call's. */
const PREFIXED = /(?:(?:\bdelete|\+\+|--|[*/])[\s(]*|(?:^|[^\w$)\]\s])\s*\(\s*)$/
const IN_PATTERN = /\s*[\]},]/y
const PATTERN = /[\]}]\s*\)?\s*(?:=(?![=>])|(?:of|in)\b)/

/**
 * The way for almost every module: all that it does with `import.meta` is to read `import.meta.env.NAME`,
 * which a lexer can tell for sure (it skips strings, comments and regular expressions). A parser costs
 * several times as much.
 *
 * @returns `undefined` where anything else stands, for `rewriteEnvReads` to judge
 */
export function rewritePlainReads(code: string, options: EnvReadsOptions): EnvReadsResult | undefined {
  if (options.processEnv) return undefined
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

/** The key that is read; empty for another property of `import.meta`; `undefined` where only a parser can tell. */
function plainRead(code: string, start: number, end: number): string | undefined {
  OTHER.lastIndex = end
  if (OTHER.test(code)) return ''
  READ.lastIndex = end
  const name = READ.exec(code)?.[1]
  if (name === undefined) return undefined
  const behind = READ.lastIndex
  WRITTEN.lastIndex = behind
  IN_PATTERN.lastIndex = behind
  if (WRITTEN.test(code) || PREFIXED.test(code.slice(Math.max(0, start - 24), start))) return undefined
  if (IN_PATTERN.test(code) && PATTERN.test(code)) return undefined
  return name
}

/** Whether an import or re-export of the client module may name a secret that it does not have. */
export function namesOthers(statement: string, options: EnvReadsOptions): boolean {
  return [...options.names].some((name) => !options.exported(name) && statement.includes(name))
}
