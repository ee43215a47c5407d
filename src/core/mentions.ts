/**
 * Which of some names stand in a text as words of their own. As much as can be told without parsing: a name
 * in a comment counts too.
 */
export function mentionsOf(names: readonly string[]): (text: string) => string[] {
  const patterns = names.map((name) => [name, new RegExp(wordPattern(name))] as const)
  return (text) =>
    patterns.flatMap(([name, pattern]) => (text.includes(name) && pattern.test(text) ? name : []))
}

/** A pattern for a name that is no part of a longer one. */
export function wordPattern(name: string): string {
  return `${/^\w/.test(name) ? '\\b' : ''}${namePattern(name)}${/\w$/.test(name) ? '\\b' : ''}`
}

/** A pattern for a name, wherever it stands. */
export function namePattern(name: string): string {
  return name.replace(/[$.]/g, '\\$&')
}
