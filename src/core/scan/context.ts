import type { Places } from './cold.ts'
import {
  BACKSLASH,
  ENTITY,
  type Escape,
  LONGEST_ESCAPE,
  PERCENT,
  readEscape,
  STARTER,
  Starters,
} from './escape.ts'
import { endsTemplate, isOfSeam, JOINT, JOINT_STARTER, readSeam, Seams, WRAP } from './seams.ts'

/** Beyond the end of a needle, where anything may stand. */
const EDGE = 0x100
/** A neighbour that is not known. */
const ANY = 0x101

const BITS = 22
/** Neighbours and `EDGE` in nine bits. */
const PAIR_BITS = 9

/** A part that must be undone, and the kinds of escapes that matter in it. */
type Visit = (start: number, end: number, kinds: number) => void

/**
 * Which bytes stand between which neighbours in the needles. An escape whose character is between
 * neighbours that no needle has cannot be part of a match, and neither can anything that spans it.
 * Most escapes in real files are such: `;\n  ` in a source map, `:\"` in JSON. That spares undoing them.
 */
export class Context {
  /** 1 where a needle has both bytes next to each other. */
  readonly #pairs = new Uint8Array(1 << (2 * PAIR_BITS))
  readonly #known = new Uint8Array(256)
  readonly #needles: readonly Uint8Array[]
  /**
   * A Bloom filter with one hash: says yes too often, never no too often. Made for the first escape that
   * pairs do not rule out, which many an output does not have.
   */
  #triples: Uint8Array | undefined
  readonly #peeked: Escape = { code: 0, byte: false, end: 0, kind: 0 }

  constructor(needles: readonly Uint8Array[]) {
    this.#needles = needles
    const known = this.#known
    const pairs = this.#pairs
    for (const needle of needles) {
      let before = EDGE
      for (let at = 0; at < needle.length; at++) {
        const byte = needle[at]!
        known[byte] = 1
        pairs[(before << PAIR_BITS) | byte] = 1
        before = byte
      }
      pairs[(before << PAIR_BITS) | EDGE] = 1
    }
  }

  /**
   * Gives the parts of the first `length` bytes that must be undone, in order: those around escapes that
   * could be part of a match, once undone or several times. A match that needs undoing lies wholly in one.
   * @param options.reach how far a match can stretch from an escape.
   * @param options.wraps whether line breaks in base64 are looked for: a sixth of the time.
   * @param options.places where escapes and seams may begin, as long as patterns find that sooner than loops.
   */
  stretches(
    bytes: Uint8Array,
    length: number,
    { reach, wraps, places }: { reach: number; wraps: boolean; places: Places | undefined },
    visit: Visit,
  ): void {
    const found: Escape = { code: 0, byte: false, end: 0, kind: 0 }
    const starters = new Starters(bytes, length, places?.escapes)
    const seams = new Seams(bytes, length, wraps, places)
    const next = (from: number): number => Math.min(starters.next(from), seams.next(from))
    let open = -1
    let kinds = 0
    /** The end of the last escape of the open stretch. */
    let last = 0
    /** Where the last escape begins that nothing can span. */
    let barrier = 0
    /** Up to here, what stands may become part of an escape that only the next pass sees. */
    let nested = 0
    for (let at = next(0); at < length; at = next(found.end)) {
      if (!readEscape(bytes, at, length, found) && !readSeam(bytes, at, length, found)) {
        nested = at + LONGEST_ESCAPE
        found.end = at + 1
        continue
      }
      if (open !== -1 && at - last > reach) {
        visit(open, last + reach, kinds)
        open = -1
      }
      const { end } = found
      const before = at === 0 ? EDGE : at === last || endsTemplate(bytes, at) ? ANY : bytes[at - 1]!
      if (at < nested || this.#possible(bytes, at, length, found, before)) {
        if (at < nested) nested += end - at
        const starts = startsEscape(found, at)
        if (starts) nested = Math.max(nested, end + LONGEST_ESCAPE)
        if (open === -1) {
          open = Math.max(barrier, at - reach)
          kinds = 0
        }
        // `\\%41` hides one kind of escape in another.
        kinds |= starts ? BACKSLASH | ENTITY | PERCENT : found.kind
        last = end
      } else {
        if (open !== -1) visit(open, at, kinds)
        open = -1
        barrier = at
      }
    }
    if (open !== -1) visit(open, Math.min(length, last + reach), kinds)
  }

  /** Whether a match could hold the escape, undone in this pass or in a later one, or as it stands. */
  #possible(bytes: Uint8Array, at: number, length: number, found: Escape, before: number): boolean {
    const { code, end, kind } = found
    if (kind === JOINT || kind === WRAP) return this.#joins(bytes, at, length, found, before)
    if (code === -1 || this.#fits(before, found, bytes, length)) return true
    if (isOfSeam(bytes, at, length, found)) return true
    // The `%40` of a value that is written so.
    if (this.#between(before, bytes[at]!, neighbour(bytes, at + 1, length))) return true
    if (!startsEscape(found, at)) return false
    // `\\n` is `\n` for the next pass, and its second half reads just so. Other ways are rare.
    if (code !== 0x5c || bytes[end - 1] !== 0x5c) return true
    const peeked = this.#peeked
    if (!readEscape(bytes, end - 1, length, peeked)) return false
    if (peeked.code === -1 || startsEscape(peeked, end - 1)) return true
    return this.#fits(before, peeked, bytes, length) || isOfSeam(bytes, at, length, peeked)
  }

  /** Whether a needle has what stands on both sides of a seam next to each other, or the seam itself. */
  #joins(bytes: Uint8Array, at: number, length: number, { end }: Escape, before: number): boolean {
    const after = neighbour(bytes, end, length)
    if (after === EDGE || before === EDGE) return false
    if (before === ANY || after === ANY || this.#areNext(before, after)) return true
    return this.#between(before, bytes[at]!, neighbour(bytes, at + 1, length))
  }

  #fits(before: number, { code, byte, end }: Escape, bytes: Uint8Array, length: number): boolean {
    if (!byte && code >= 0x80) {
      // Half of a pair belongs to a half that only the next pass sees.
      if (code >= 0xd800 && code < 0xe000) return true
      const lead =
        code < 0x800 ? 0xc0 | (code >> 6) : code < 0x10000 ? 0xe0 | (code >> 12) : 0xf0 | (code >> 18)
      return this.#known[lead] === 1
    }
    return this.#between(before, code, neighbour(bytes, end, length))
  }

  /** Whether a needle has the byte between these, or begins or ends with it. */
  #between(before: number, byte: number, after: number): boolean {
    if (this.#known[byte] === 0) return false
    return this.#has(before, byte, after) || this.#has(EDGE, byte, after) || this.#has(before, byte, EDGE)
  }

  #areNext(before: number, after: number): boolean {
    return this.#pairs[(before << PAIR_BITS) | after] === 1
  }

  #has(before: number, byte: number, after: number): boolean {
    if (before !== ANY && !this.#areNext(before, byte)) return false
    if (after !== ANY && !this.#areNext(byte, after)) return false
    if (before === ANY || after === ANY) return true
    this.#triples ??= triplesOf(this.#needles)
    const hash = hashOf(before, byte, after)
    return (this.#triples[hash >> 3]! & (1 << (hash & 7))) !== 0
  }
}

function triplesOf(needles: readonly Uint8Array[]): Uint8Array {
  const triples = new Uint8Array(1 << (BITS - 3))
  for (const needle of needles) {
    const last = needle.length - 1
    for (let at = 0; at <= last; at++) {
      const hash = hashOf(
        at === 0 ? EDGE : needle[at - 1]!,
        needle[at]!,
        at === last ? EDGE : needle[at + 1]!,
      )
      triples[hash >> 3]! |= 1 << (hash & 7)
    }
  }
  return triples
}

/** What stands at an offset, as far as it is known before the escapes are undone. */
function neighbour(bytes: Uint8Array, at: number, length: number): number {
  if (at >= length) return EDGE
  const byte = bytes[at]!
  // `${` may begin a joint whose quote is itself escaped.
  if (STARTER[byte] === 1 || (byte === 0x24 && bytes[at + 1] === 0x7b)) return ANY
  return JOINT_STARTER[byte] === 1 && readSeam(bytes, at, length, scratch) ? ANY : byte
}

const scratch: Escape = { code: 0, byte: false, end: 0, kind: 0 }

/** Whether what the escape stands for is the beginning of another, or of one whose rest is escaped still. */
function startsEscape({ code, end, kind }: Escape, at: number): boolean {
  if (code === 0x5c || code === 0x25 || code === 0x26) return true
  return kind === BACKSLASH && end === at + 2 && (code === 0x75 || code === 0x78)
}

function hashOf(before: number, byte: number, after: number): number {
  return Math.imul((before << 17) ^ (byte << 9) ^ after, 0x9e3779b1) >>> (32 - BITS)
}
