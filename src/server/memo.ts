import type { Column, Row } from './database.ts'

/** How much is remembered, in UTF-16 units; the answers that are made of it take as much again. Then all is read anew. */
const MOST = 8 * 1024 * 1024
/** A longer row is not worth its place. */
const LONGEST = 256 * 1024
/** What a row takes beside its texts. */
const OVERHEAD = 512

/**
 * Rows that one statement has read, by the values it was given. Whoever asks says which state of the database it
 * sees: another one has other rows.
 */
export class Memo {
  readonly #rows = new Map<string, readonly Row[]>()
  #state: object | undefined
  #size = 0

  /** @param read what is asked where nothing is remembered */
  rows(state: object, values: readonly Column[], read: () => readonly Row[]): readonly Row[] {
    if (state !== this.#state || this.#size > MOST) {
      this.#rows.clear()
      this.#size = 0
      this.#state = state
    }
    const key = keyOf(values)
    let rows = this.#rows.get(key)
    if (rows) return rows
    rows = read()
    const size = key.length + OVERHEAD + sizeOf(rows)
    if (size > LONGEST) return rows
    this.#rows.set(key, rows)
    this.#size += size
    return rows
  }
}

/** Every list has one of its own: texts come with their length. */
function keyOf(values: readonly Column[]): string {
  let key = ''
  for (const value of values) key += typeof value === 'string' ? `${value.length}:${value}` : `${value};`
  return key
}

function sizeOf(rows: readonly Row[]): number {
  let size = 0
  for (const row of rows)
    for (const value of Object.values(row)) if (typeof value === 'string') size += value.length
  return size
}
