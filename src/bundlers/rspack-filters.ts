import { CLIENT_ID } from '../core/expose/ids.ts'
import { namePattern } from '../core/mentions.ts'

/**
 * What Rspack looks for in each module, of which only those that have it come to JavaScript. Each alternative begins with a
 * word that can be searched for, and what is before it is asked about behind it: a `\b` at the beginning costs a
 * quarter of a build. More may be let through than reads, for the loader looks again; never less.
 */

/** Behind the `meta` of `import.meta`, also where comments stand in it. */
const OF_IMPORT = String.raw`(?<=(?:\bimport\s*|\*\/\s*|\/\/[^\n\r]*[\n\r]\s*)\.?\s*meta)`

/** @param names whose reads are looked for; without them, those of any name */
function readsOf(object: string, names?: readonly string[]): string {
  const other =
    names && String.raw`|env\s*\??\.\s*(?!(?:${names.map(namePattern).join('|')})(?![\w$]))[A-Za-z_$]`
  return String.raw`${object}(?![\w$])(?!\s*\??\.\s*(?:(?!env\b)[A-Za-z_$]${other ?? ''}))`
}

const META = `meta${OF_IMPORT}`

/** For all builds of a watching compiler, in which the names may become others. */
export const WATCH_FILTER = new RegExp([readsOf(META), readsOf('process'), namePattern(CLIENT_ID)].join('|'))

/**
 * For one build.
 * @param names all that are managed
 * @param others those that the client module has not
 * @returns nothing where there is nothing to read
 */
export function codeFilter(
  names: readonly string[],
  others: readonly string[],
  processEnv: boolean,
): RegExp | undefined {
  if (names.length === 0) return undefined
  const patterns = [readsOf(META, names)]
  if (processEnv) patterns.push(readsOf('process', names))
  if (others.length > 0) patterns.push(asksForOthers(others))
  return new RegExp(patterns.join('|'))
}

/** Who only imports what the client module has reads nothing in another way. */
function asksForOthers(names: readonly string[]): string {
  const others = `(?:${names.map(namePattern).join('|')})`
  return String.raw`${namePattern(CLIENT_ID)}(?:(?<=${others}[\s\S]*)|(?=[\s\S]*${others}))`
}
