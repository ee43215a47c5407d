import type { Snapshot } from './snapshot.ts'

/** How often what was lent is looked at in its life: its provider has another one ready before it ends. */
const LOOKS = 8
/** ms */
const SOONEST = 250

/**
 * How often a snapshot is to be watched, in ms: as it is asked for, and often enough that what was lent is never
 * used after its end. `undefined`: not asked for, and nothing was lent.
 */
export function lentInterval(snapshot: Snapshot | undefined, asked: number | undefined): number | undefined {
  const ends = (snapshot?.names() ?? []).flatMap((name) => snapshot?.meta(name)?.expiresAt ?? [])
  if (ends.length === 0) return asked
  const life = Math.min(...ends) - Date.now()
  return Math.min(asked ?? Infinity, Math.max(life / LOOKS, SOONEST))
}
