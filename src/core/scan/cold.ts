/** Bytes. */
const FEW = 4 << 20

let searched = 0

/**
 * Whether this process has searched little, with what comes now: V8 makes machine code of a pattern before its first
 * long text, and of a loop over bytes after that loop has run for a while, when most builds are over. Later the loops
 * are faster, and in a long text soon.
 * @param length of what is to be searched now
 */
export function isCold(length: number): boolean {
  searched += length
  return searched <= FEW
}

/** Bytes as a text, a character for each. */
export function textOf(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
}

/** Offsets in order. */
export class Offsets {
  readonly #all: number[] = []
  #at = 0

  add(offset: number): void {
    this.#all.push(offset)
  }

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  /** @returns the first from `from` on, or `none`; never to be asked backwards. */
  next(from: number, none: number): number {
    while (this.#at < this.#all.length && this.#all[this.#at]! < from) this.#at++
    return this.#all[this.#at] ?? none
  }
}

/** What patterns have found in a text. */
export interface Places {
  /** Where escapes may begin. */
  readonly escapes: Offsets
  /** Plus signs between quotes. */
  readonly pluses: Offsets
  /** What opens a template with a quote behind it. */
  readonly opens: Offsets
}
