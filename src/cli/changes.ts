/** What became of a name. */
export interface Change {
  readonly name: string
  readonly kind: 'added' | 'removed' | 'changed'
}

/** What is different in `after`, by name. */
export function changesBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Change[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.flatMap((name): Change[] => {
    if (!after.has(name)) return [{ name, kind: 'removed' }]
    if (!before.has(name)) return [{ name, kind: 'added' }]
    return before.get(name) === after.get(name) ? [] : [{ name, kind: 'changed' }]
  })
}
