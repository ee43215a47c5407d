import type { Finding, Scanner } from './types.ts'

/** Fewer bytes than this at the end of a piece begin some value by chance. */
const SHORTEST = 4
/** A value longer than this is found by its lines, or within one piece. */
const FARTHEST = 64 * 1024
/** `\u0041` for a character. */
const WIDEST_ESCAPE = 6

/** What the needles have to say about the end of a piece. */
export class Ends {
  /** Bytes. */
  readonly reach: number
  readonly #longest: number
  /** By their first four bytes. */
  readonly #needles = new Map<number, Uint8Array[]>()

  constructor(needles: readonly Uint8Array[]) {
    const longest = needles.reduce((most, { length }) => Math.max(most, length), 0)
    this.#longest = Math.min(longest, FARTHEST)
    this.reach = Math.min(longest * WIDEST_ESCAPE, FARTHEST)
    for (const bytes of needles) {
      const known = this.#needles.get(first(bytes, 0))
      if (known) known.push(bytes)
      else this.#needles.set(first(bytes, 0), [bytes])
    }
  }

  /** How many bytes at the end could be the beginning of a needle. */
  held(bytes: Uint8Array): number {
    for (let at = Math.max(0, bytes.length - this.#longest + 1); at <= bytes.length - SHORTEST; at++) {
      for (const needle of this.#needles.get(first(bytes, at)) ?? []) {
        const size = bytes.length - at
        if (size < needle.length && Buffer.compare(bytes.subarray(at), needle.subarray(0, size)) === 0)
          return size
      }
    }
    return 0
  }
}

function first(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

const NOTHING: Uint8Array = new Uint8Array(0)

/** A text that comes in pieces, of which each is wanted as soon as it is known to hold no value. */
export class StreamScan {
  readonly #scanner: Scanner
  /** The end of what was passed on: a value may have begun in it. */
  #passed: Uint8Array = NOTHING
  /** Not passed on: it could be the beginning of a value. */
  #held: Uint8Array = NOTHING

  constructor(scanner: Scanner) {
    this.#scanner = scanner
  }

  /**
   * Takes the next piece.
   * @returns what may be passed on now, perhaps nothing; or what was found, and then nothing more may be.
   */
  push(piece: Uint8Array): { readonly pass: Uint8Array } | { readonly found: Finding } {
    const fresh = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    const all = this.#passed.length === 0 ? fresh : Buffer.concat([this.#passed, fresh])
    const [found] = this.#scanner.scan(all, '')
    if (found) return { found }
    // Its beginning may have passed: then the rest is kept.
    const held = Math.min(this.#scanner.held(all), fresh.length)
    // The very piece where it can be: whoever gave it need not copy it.
    const pass = held === 0 ? fresh : fresh.subarray(0, fresh.length - held)
    // Copies: a stream may use its memory again.
    this.#held = Uint8Array.prototype.slice.call(fresh, fresh.length - held)
    const end = all.length - held
    this.#passed = Uint8Array.prototype.slice.call(all, Math.max(0, end - this.#scanner.reach), end)
    return { pass }
  }

  /** What is left when no piece follows: no value after all. */
  end(): Uint8Array {
    return this.#held
  }
}
