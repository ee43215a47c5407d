import type { Snapshot } from '../core/snapshot.ts'

/** The values as texts, to be compared, handed on or shown where a flag asks for it. */
export function textsOf(
  snapshot: Snapshot,
  names: readonly string[] = snapshot.names(),
): Map<string, string> {
  const texts = new Map<string, string>()
  for (const name of names) {
    // An optional one may have no value.
    const text = snapshot.get(name)?.reveal()
    if (text !== undefined) texts.set(name, text)
  }
  return texts
}
