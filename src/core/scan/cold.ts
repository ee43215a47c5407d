import type { Places } from './doubt.ts'

/** Bytes. */
const FEW = 4 << 20

let searched = 0

/** A text, a character for each byte, and where to look in it. */
export interface Cold {
  readonly text: string
  readonly places: Places
}

/**
 * Whether this process has searched little so far: V8 makes machine code of a pattern
 * before its first long text, and of a loop over bytes after that loop has run for a while, when most builds are over.
 * Later the loops are faster.
 *
 * @param length of what is to be searched now
 */
export function isCold(length: number): boolean {
  if (searched >= FEW) return false
  searched += length
  return true
}

/** Bytes as a text, a character for each. */
export function textOf(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
}

/**
 * @param pattern a global one that matches a single character
 * @returns where it does, at or after `at`; the text's length when nowhere
 */
export function findIn(text: string, pattern: RegExp, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex - 1 : text.length
}
