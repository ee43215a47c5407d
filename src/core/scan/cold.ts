/** Bytes. */
const FEW = 4 << 20

let searched = 0

/**
 * A text, a character for each byte, as long as this process has searched little: V8 makes machine code of a pattern
 * before its first long text, and of a loop over bytes after that loop has run for a while, when most builds are over.
 * Later the loops are faster.
 *
 * @returns `undefined` once the loops are compiled
 */
export function coldText(bytes: Uint8Array, length: number): string | undefined {
  if (searched >= FEW) return undefined
  searched += length
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
