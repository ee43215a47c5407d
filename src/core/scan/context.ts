import { type Escape, LONGEST_ESCAPE, readEscape, STARTER, Starters } from './escape.ts'

/** Beyond the end of a needle, where anything may stand. */
const EDGE = 0x100
/** A neighbour that is not known. */
const ANY = 0x101

const BITS = 22

/**
 * Which bytes stand between which neighbours in the needles. An escape whose character is between
 * neighbours that no needle has cannot be part of a match, and neither can anything that spans it.
 * Most escapes in real files are such: `;\n  ` in a source map, `:\"` in JSON. That spares undoing them.
 */
export class Context {
  /** A Bloom filter with one hash: says yes too often, never no too often. */
  readonly #triples = new Uint8Array(1 << (BITS - 3))
  readonly #known = new Uint8Array(256)
  readonly #peeked: Escape = { code: 0, byte: false, end: 0, kind: 0 }

  constructor(needles: Iterable<Uint8Array>) {
    for (const needle of needles) {
      for (let at = 0; at < needle.length; at++) {
        const byte = needle[at]!
        const before = at === 0 ? EDGE : needle[at - 1]!
        const after = at + 1 === needle.length ? EDGE : needle[at + 1]!
        this.#known[byte] = 1
        this.#add(before, byte, after)
        this.#add(before, byte, ANY)
        this.#add(ANY, byte, after)
      }
    }
  }

  /**
   * Gives the parts of the first `length` bytes that must be undone, in order: those around escapes that
   * could be part of a match, once undone or several times. A match that needs undoing lies wholly in one.
   * @param reach how far a match can stretch from an escape.
   */
  stretches(bytes: Uint8Array, length: number, reach: number, visit: (start: number, end: number) => void) {
    const found: Escape = { code: 0, byte: false, end: 0, kind: 0 }
    let open = -1
    /** The end of the last escape of the open stretch. */
    let last = 0
    /** The end of the last escape that nothing can span. */
    let barrier = 0
    /** Up to here, what stands may become part of an escape that only the next pass sees. */
    let nested = 0
    const starters = new Starters(bytes, length)
    for (let at = starters.next(0); at < length; at = starters.next(found.end)) {
      if (!readEscape(bytes, at, length, found)) {
        nested = at + LONGEST_ESCAPE
        found.end = at + 1
        continue
      }
      if (open !== -1 && at - last > reach) {
        visit(open, last + reach)
        open = -1
      }
      const inNested = at < nested
      if (inNested) nested += found.end - at
      const starts = startsEscape(found)
      if (inNested || this.#possible(bytes, at, length, found, at === barrier, at === last)) {
        if (starts) nested = Math.max(nested, found.end + LONGEST_ESCAPE)
        if (open === -1) open = Math.max(barrier, at - reach)
        last = found.end
      } else {
        if (open !== -1) visit(open, at)
        open = -1
        barrier = found.end
      }
    }
    if (open !== -1) visit(open, Math.min(length, last + reach))
  }

  /** Whether a match could hold the escape's character, at this pass or at a later one. */
  #possible(
    bytes: Uint8Array,
    at: number,
    length: number,
    found: Escape,
    cut: boolean,
    glued: boolean,
  ): boolean {
    const { code, end } = found
    if (code === -1) return true
    const before = at === 0 || cut ? EDGE : glued ? ANY : bytes[at - 1]!
    if (this.#fits(before, found, bytes, length)) return true
    if (!startsEscape(found)) return false
    // `\\n` is `\n` for the next pass, and its second half reads just so. Other ways are rare.
    if (code !== 0x5c || bytes[end - 1] !== 0x5c) return true
    const letter = bytes[end]
    if (letter === 0x75 || letter === 0x78) return true
    const peeked = this.#peeked
    if (!readEscape(bytes, end - 1, length, peeked)) return false
    return peeked.code === -1 || startsEscape(peeked) || this.#fits(before, peeked, bytes, length)
  }

  #fits(before: number, { code, byte, end }: Escape, bytes: Uint8Array, length: number): boolean {
    if (!byte && code >= 0x80) {
      // Half of a pair belongs to a half that only the next pass sees.
      if (code >= 0xd800 && code < 0xe000) return true
      const lead =
        code < 0x800 ? 0xc0 | (code >> 6) : code < 0x10000 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18)
      return this.#known[lead] === 1
    }
    if (this.#known[code] === 0) return false
    const next = end < length ? bytes[end]! : EDGE
    const after = end < length && STARTER[next] === 1 ? ANY : next
    return this.#has(before, code, after) || this.#has(EDGE, code, after) || this.#has(before, code, EDGE)
  }

  #add(before: number, byte: number, after: number): void {
    const hash = hashOf(before, byte, after)
    this.#triples[hash >> 3]! |= 1 << (hash & 7)
  }

  #has(before: number, byte: number, after: number): boolean {
    if (before === ANY && after === ANY) return true
    const hash = hashOf(before, byte, after)
    return (this.#triples[hash >> 3]! & (1 << (hash & 7))) !== 0
  }
}

function startsEscape({ code }: Escape): boolean {
  return code === 0x5c || code === 0x25 || code === 0x26
}

function hashOf(before: number, byte: number, after: number): number {
  return Math.imul((before << 17) ^ (byte << 9) ^ after, 0x9e3779b1) >>> (32 - BITS)
}
