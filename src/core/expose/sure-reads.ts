import { CLIENT_ID } from './ids.ts'
import { freePrefix, importOf, namesOthers } from './locals.ts'
import { plainRead, READ } from './plain-read.ts'
import type { EnvReadsOptions, EnvReadsResult } from './rewrite.ts'

/** Every `import.meta`, and what may be one with a comment inside. */
const IMPORT_META = /\bimport\s*(?:\.\s*meta\b|\.?\s*\/)/g
/** What may stand on several lines: a template, a comment, a string that goes on. */
const MANY_LINES = /`|\/\*|\\\r?\n/
/** What may begin a string, a comment or a regular expression. */
const UNSURE = /['"/\\]|^#!/
/** What makes `import` a part of another name, or of a member; or a comment that such a point stands before. */
const JOINED = /(?:[$.]|[^\0-\x7f]|\/\/.*)$/

const NOTHING: EnvReadsResult = { output: undefined, problems: [] }

/**
 * The way for most modules of a build without maps: everything that reads `import.meta.env.NAME` stands on a line
 * before which no string, comment or template can have begun. That needs neither lexer nor parser, whose loading
 * and first call cost a short build more than all modules together.
 *
 * @param options.plain whether it is JavaScript without JSX
 * @returns `undefined` where it cannot be told so, or something is wrong: then `rewriteReads` has the answer
 */
export function rewriteSureReads(
  code: string,
  options: EnvReadsOptions & { plain: boolean },
): EnvReadsResult | undefined {
  if (!options.plain || options.processEnv || options.commonJs || options.map !== false) return undefined
  if (code.includes(CLIENT_ID) && namesOthers(code, options)) return undefined
  const locals = new Map<string, string>()
  let prefix = ''
  let rewritten = ''
  /** Up to where the code is rewritten. */
  let done = 0
  for (const { index, 0: text } of code.matchAll(IMPORT_META)) {
    if (text.endsWith('/') || !isCode(code, index)) return undefined
    const name = plainRead(code, index, index + text.length)
    if (name === undefined) return undefined
    if (name === '' || !options.names.has(name)) continue
    if (!options.allows(name)) return undefined
    prefix ||= freePrefix(code)
    const local = locals.get(name) ?? `${prefix}${locals.size}`
    locals.set(name, local)
    rewritten += code.slice(done, index) + local
    done = READ.lastIndex
  }
  if (locals.size === 0) return NOTHING
  return {
    output: { code: rewritten + code.slice(done) + importOf(locals, options.from), map: null },
    problems: [],
  }
}

/** Whether what stands at an offset is surely code, and a name of its own. */
function isCode(code: string, at: number): boolean {
  const before = code.slice(0, at)
  if (JOINED.test(before.trimEnd()) || MANY_LINES.test(before)) return false
  return !UNSURE.test(before.slice(before.lastIndexOf('\n') + 1))
}
