import type { Exposure } from '../core/expose/exposure.ts'
import { serverValues } from '../core/expose/exposure.ts'
import { leaves } from '../core/extract.ts'
import type { Snapshot } from '../core/snapshot.ts'

/** So many of each name: a provider takes the one before back some time after a rotation, and nobody says when. */
const KEPT = 2

/** Server values that were rotated away while a dev server runs; browsers may not have them either. */
export class RetiredValues {
  readonly #byName = new Map<string, readonly string[]>()

  /** Remembers a moment that is over. */
  add(snapshot: Snapshot, { policy }: Exposure): void {
    for (const { name, text } of serverValues(snapshot, policy)) {
      const others = (this.#byName.get(name) ?? []).filter((known) => known !== text)
      // What has not changed is among them.
      this.#byName.set(name, [...others, text].slice(-KEPT - 1))
    }
  }

  /** All that must not get out: the server values of this moment, and those before that no browser may have by now. */
  with(snapshot: Snapshot, { client, policy }: Exposure): { name: string; text: string }[] {
    const current = serverValues(snapshot, policy)
    const known = new Set(current.map(({ text }) => text))
    const shown = [...client.values].flatMap(([name, value]) => leaves(name, value ?? null))
    const isOver = (text: string): boolean =>
      !known.has(text) && !shown.some(([, part]) => String(part).includes(text))
    const retired = [...this.#byName].flatMap(([name, texts]) =>
      policy.allows(name) ? [] : texts.filter(isOver).map((text) => ({ name, text })),
    )
    return [...current, ...retired]
  }
}
