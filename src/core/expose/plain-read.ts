import { CLIENT_ID } from './ids.ts'
import type { EnvReadsOptions } from './rewrite.ts'

/** What can be told of a read by its text alone. Apart from the lexer, so that who needs no more loads no more. */

/** `.env.NAME` right behind `import.meta`, with nothing that only a parser can judge. */
export const READ = /\.env\.([A-Za-z_$][\w$]*)(?![\w$\\]|[^\0-\x7f])/y
/** Another property of `import.meta`: `url`, `hot`, `glob`, … */
const OTHER = /\.(?!env\b)[A-Za-z]/y
/** What follows a target of an assignment, or may hide it. */
const WRITTEN = /\s*(?:\/[/*]|\+\+|--|(?:\*\*|<<|>>>?|&&|\|\||\?\?|[-+*/%&|^])?=(?!=)|(?:of|in)\b)/y
/** An operator that writes, a comment, or a parenthesis that is no call's. */
const PREFIXED = /(?:(?:\bdelete|\+\+|--|[*/])[\s(]*|(?:^|[^\w$)\]\s])\s*\(\s*)$/
/** What TypeScript may put between a target and its assignment. */
const TYPED = /\s*(?:!(?!=)|(?:as|satisfies)\b)/y
const IN_PATTERN = /\s*[\]},]/y
const PATTERN = /[\]}]\s*\)?\s*(?:=(?![=>])|(?:of|in)\b)/

/** The key that is read; empty for another property of `import.meta`; `undefined` where only a parser can tell. */
export function plainRead(code: string, start: number, end: number): string | undefined {
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

/**
 * Whether a module surely does nothing but read `import.meta.env.NAME` of names it may have: the most that
 * can be told of a language that the lexer does not know. What stands in strings and comments counts as code.
 */
export function readsOnlyPlainly(code: string, options: EnvReadsOptions): boolean {
  if (options.processEnv || /\(\s*import\s*\.\s*meta\b/.test(code)) return false
  const importsClient = code.includes(CLIENT_ID)
  for (const name of options.names)
    if ((!options.allows(name) || (importsClient && !options.exported(name))) && code.includes(name))
      return false
  for (const { index, 0: text } of code.matchAll(/\bimport\s*\.\s*meta\b/g)) {
    const name = plainRead(code, index, index + text.length)
    TYPED.lastIndex = READ.lastIndex
    if (name === undefined || (name !== '' && TYPED.test(code))) return false
  }
  return true
}
