/** Called with the index of a needle and where it begins. */
export type Hit = (needle: number, start: number) => void

const HASH_BITS = 17
const HASH_MASK = (1 << HASH_BITS) - 1
const BLOCK = 3
/** Wider windows fill the shift table faster than they lengthen the steps. */
const WIDEST = 24

/** Bytes with `A` to `F` as `a` to `f`: blocks are compared so, which costs nothing and finds hex in any case. */
const FOLD: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x46 ? byte + 0x20 : byte,
)

/**
 * Finds many byte strings in one walk, after Wu and Manber: a table says for every block of three bytes
 * how far the walk may jump because no needle can end before. Only where it says 0 are bytes compared.
 *
 * Every needle is represented by a window from its middle, as long as the shortest needle: the beginnings
 * of secrets are alike (`sk_live_`, `postgres://`, `-----BEGIN`), their middles are not.
 */
export class NeedleFilter {
  readonly #needles: readonly Uint8Array[]
  /** Where a needle's window ends, inside the needle. */
  readonly #windowEnd: Int32Array
  readonly #shift: Uint8Array = new Uint8Array(HASH_MASK + 1)
  /** The needles whose window ends with a block: a chain through `#next`, -1 at its end. */
  readonly #first: Int32Array = new Int32Array(HASH_MASK + 1).fill(-1)
  readonly #next: Int32Array
  readonly #width: number
  readonly #inAnyCase: ReadonlySet<number>

  /**
   * @param needles at least three bytes each; eight or more for speed.
   * @param inAnyCase which of them are hexadecimal, in small letters, and found in capitals and mixed as well.
   */
  constructor(needles: readonly Uint8Array[], inAnyCase: ReadonlySet<number> = new Set()) {
    this.#needles = needles
    this.#inAnyCase = inAnyCase
    this.#width = needles.reduce((width, needle) => Math.min(width, needle.length), WIDEST)
    this.#windowEnd = new Int32Array(needles.length)
    this.#next = new Int32Array(needles.length).fill(-1)
    this.#shift.fill(this.#width - BLOCK + 1)
    this.#fillTables()
  }

  /** One loop without calls: a build makes one filter, and all of this runs uncompiled. */
  #fillTables(): void {
    const shift = this.#shift
    const width = this.#width
    for (let index = 0; index < this.#needles.length; index++) {
      const needle = this.#needles[index]!
      const start = (needle.length - width) >> 1
      const end = start + width
      let first = FOLD[needle[start]!]!
      let second = FOLD[needle[start + 1]!]!
      let hash = 0
      for (let at = start + 2, left = width - BLOCK; left >= 0; at++, left--) {
        const third = FOLD[needle[at]!]!
        hash = ((first << 10) ^ (second << 5) ^ third) & HASH_MASK
        if (shift[hash]! > left) shift[hash] = left
        first = second
        second = third
      }
      this.#next[index] = this.#first[hash]!
      this.#first[hash] = index
      this.#windowEnd[index] = end
    }
  }

  /** Reports every occurrence of every needle in the first `length` bytes, overlapping ones too. */
  search(bytes: Uint8Array, length: number, hit: Hit): void {
    if (this.#needles.length === 0) return
    const shift = this.#shift
    const fold = FOLD
    let at = this.#width - 1
    while (at < length) {
      // Written out here and in `#fillTables`: see there.
      const hash =
        ((fold[bytes[at - 2]!]! << 10) ^ (fold[bytes[at - 1]!]! << 5) ^ fold[bytes[at]!]!) & HASH_MASK
      const step = shift[hash]!
      if (step !== 0) {
        at += step
        continue
      }
      for (let index = this.#first[hash]!; index !== -1; index = this.#next[index]!) {
        const start = at + 1 - this.#windowEnd[index]!
        if (start >= 0 && this.#equals(index, bytes, start, length)) hit(index, start)
      }
      at++
    }
  }

  #equals(index: number, bytes: Uint8Array, start: number, length: number): boolean {
    const needle = this.#needles[index]!
    if (start + needle.length > length) return false
    // Backwards from the window's end, where the block is known to agree and a difference shows soonest.
    const middle = this.#windowEnd[index]!
    if (this.#inAnyCase.has(index)) {
      for (let at = 0; at < needle.length; at++) if (needle[at] !== FOLD[bytes[start + at]!]) return false
      return true
    }
    for (let at = middle - 1; at >= 0; at--) if (needle[at] !== bytes[start + at]) return false
    for (let at = middle; at < needle.length; at++) if (needle[at] !== bytes[start + at]) return false
    return true
  }
}
