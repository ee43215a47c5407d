import type { Offsets, Places } from './cold.ts'
import { BACKSLASH, type Escape } from './escape.ts'

/**
 * Where a text is divided without an escape: a concatenation of constants (`"ab" + "cd"`, `${"cd"}`), as
 * outputs have it that nobody minified, and base64 in lines.
 */
export const JOINT = 8
export const WRAP = 16

/** 1 for the bytes that may begin a joint: the closing quote before `+` or `}`, the `$` of `${"`. */
export const JOINT_STARTER: Uint8Array = table('"\'`$')
/** 1 for the bytes that may begin a line break. */
export const WRAP_STARTER: Uint8Array = table('\r\n')

const QUOTE = table('"\'`')
const SPACE = table(' \t\r\n')
/** Of `\\n`, `\\r`, `\\t`. */
const SPACE_LETTER = table('nrt')
const BASE64 = table('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')

/** Encoders break lines at 64 or 76 characters; shorter runs before a line break are words. */
export const LINE = 60
/** How far a constant inside a template may reach. */
const FARTHEST = 512
/** White space around a plus sign: a line break and its indentation. */
const MOST_SPACE = 200

function table(chars: string): Uint8Array {
  const bytes = new Uint8Array(256)
  for (const char of chars) bytes[char.charCodeAt(0)] = 1
  return bytes
}

/** Reads the seam of either kind that begins at `at`, as `readEscape` does. It stands for nothing. */
export function readSeam(bytes: Uint8Array, at: number, length: number, into: Escape): boolean {
  const first = bytes[at]!
  if (WRAP_STARTER[first] === 1) {
    const end = skipSpace(bytes, at, length)
    if (at === 0 || end >= length || BASE64[bytes[at - 1]!] === 0 || BASE64[bytes[end]!] === 0) return false
    return fill(into, WRAP, end)
  }
  if (first === 0x24) {
    if (bytes[at + 1] !== 0x7b) return false
    const quote = skipSpace(bytes, at + 2, length)
    return quote < length && QUOTE[bytes[quote]!] === 1 && fill(into, JOINT, quote + 1)
  }
  if (QUOTE[first] === 0) return false
  const sign = skipSpace(bytes, at + 1, length)
  if (bytes[sign] === 0x7d) return closes(bytes, at, at + 1, length) && fill(into, JOINT, sign + 1)
  if (bytes[sign] !== 0x2b) return false
  const quote = skipSpace(bytes, sign + 1, length)
  return quote < length && QUOTE[bytes[quote]!] === 1 && fill(into, JOINT, quote + 1)
}

function fill(into: Escape, kind: number, end: number): true {
  into.kind = kind
  into.code = -1
  into.end = end
  into.byte = false
  return true
}

function skipSpace(bytes: Uint8Array, at: number, length: number): number {
  const limit = Math.min(length, at + MOST_SPACE)
  while (at < limit && SPACE[bytes[at]!] === 1) at++
  return at
}

/**
 * Whether an escape may be a part of a seam that is itself escaped, as in a map or an `eval`: the quotes of
 * `\"ab\" + \"cd\"`, the line break in it, and one in base64.
 */
export function isOfSeam(
  bytes: Uint8Array,
  at: number,
  length: number,
  { kind, code, end }: Escape,
): boolean {
  if (kind !== BACKSLASH) return false
  if (code === 0x0a || code === 0x0d || code === 0x09)
    return signBefore(bytes, at) || signBehind(bytes, end, length) || isWrapped(bytes, at, end)
  if (code !== 0x22 && code !== 0x27 && code !== 0x60) return false
  return signBehind(bytes, end, length) || signBefore(bytes, at) || closes(bytes, at, end, length)
}

/** `+`, before which nothing but white space stands, written out or not. */
function signBehind(bytes: Uint8Array, at: number, length: number): boolean {
  const limit = Math.min(length, at + MOST_SPACE)
  for (; at < limit; at++) {
    if (bytes[at] === 0x2b) return true
    if (SPACE[bytes[at]!] === 1) continue
    if (bytes[at] !== 0x5c || SPACE_LETTER[bytes[at + 1]!] === 0) return false
    at++
  }
  return false
}

/** `+` or `${`, after which nothing but white space stands, written out or not. */
function signBefore(bytes: Uint8Array, at: number): boolean {
  const limit = Math.max(0, at - MOST_SPACE)
  for (at--; at >= limit; at--) {
    const byte = bytes[at]!
    if (byte === 0x2b) return true
    if (byte === 0x7b) return bytes[at - 1] === 0x24
    if (SPACE[byte] === 1) continue
    if (SPACE_LETTER[byte] === 0 || bytes[at - 1] !== 0x5c) return false
    at--
  }
  return false
}

/** Whether `"}` stands before, which may be the end of a constant whose quotes are escaped. */
export function endsTemplate(bytes: Uint8Array, at: number): boolean {
  return bytes[at - 1] === 0x7d && QUOTE[bytes[at - 2]!] === 1
}

/** The end of a constant in a template: a brace behind it, and `${` before. */
function closes(bytes: Uint8Array, at: number, end: number, length: number): boolean {
  if (bytes[skipSpace(bytes, end, length)] !== 0x7d) return false
  for (let back = at - 1; back > 0 && back > at - FARTHEST; back--)
    if (bytes[back] === 0x7b && bytes[back - 1] === 0x24) return true
  return false
}

/** Whether a line break that is written out divides base64: a long line of it stands before. */
function isWrapped(bytes: Uint8Array, at: number, end: number): boolean {
  if (BASE64[bytes[end]!] === 0 && bytes[end] !== 0x5c) return false
  // The second half of a Windows line break.
  if (bytes[at - 1] === 0x72 && bytes[at - 2] === 0x5c) at -= 2
  while (bytes[at - 1] === 0x5c) at--
  if (at < LINE) return false
  for (let back = 1; back <= LINE; back++) if (BASE64[bytes[at - back]!] === 0) return false
  return true
}

/** A plus sign between quotes. */
export const PLUS: string = String.raw`\+(?<=["'\`][ \t\r\n]{0,200}\+)(?=[ \t\r\n]{0,200}["'\`])`
/** A quote in the braces of a template. */
export const OPEN: string = String.raw`\$(?=\{[ \t\r\n]{0,200}["'\`])`
/** Base64 before a line break, long enough to go on after it. */
export const WRAPPED: RegExp = /[\r\n](?<=[\w+/-]{60}[\r\n])/

/** Finds seams in order, each kind by what is rarest about it. */
export class Seams {
  readonly #bytes: Buffer
  readonly #places: Places | undefined
  /** The next of each kind at or after the last place asked for, or an older one. */
  #plus = -1
  #open = -1
  #close = -1
  #wrap = -1
  #next = -1

  /**
   * @param wraps whether line breaks are looked for
   */
  constructor(bytes: Uint8Array, length: number, wraps: boolean, places: Places | undefined) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, length)
    this.#places = places
    if (!wraps) this.#wrap = length
  }

  /** @returns the first at or after `at`, or the length when there is none; never to be asked backwards. */
  next(at: number): number {
    if (this.#next >= at) return this.#next
    if (this.#plus < at) this.#plus = this.#findPlus(at)
    if (this.#close < at) this.#close = this.#bytes.length
    if (this.#open < at) this.#open = this.#findOpen(at)
    if (this.#wrap < at) this.#wrap = this.#findWrap(at)
    this.#next = Math.min(this.#plus, this.#open, this.#close, this.#wrap)
    return this.#next
  }

  #find(sign: string, known: Offsets | undefined, from: number): number {
    const { length } = this.#bytes
    if (known !== undefined) return known.next(from, length)
    const found = this.#bytes.indexOf(sign, from, 'latin1')
    return found === -1 ? length : found
  }

  #findPlus(from: number): number {
    const bytes = this.#bytes
    const { length } = bytes
    const known = this.#places?.pluses
    for (let plus = this.#find('+', known, from); plus < length; plus = this.#find('+', known, plus + 1)) {
      let before = plus - 1
      while (before > from && plus - before < MOST_SPACE && SPACE[bytes[before]!] === 1) before--
      if (before < from || QUOTE[bytes[before]!] === 0) continue
      const after = skipSpace(bytes, plus + 1, bytes.length)
      if (after < bytes.length && QUOTE[bytes[after]!] === 1) return before
    }
    return bytes.length
  }

  #findOpen(from: number): number {
    const bytes = this.#bytes
    const { length } = bytes
    const known = this.#places?.opens
    for (let open = this.#find('${', known, from); open < length; open = this.#find('${', known, open + 2)) {
      const quote = skipSpace(bytes, open + 2, bytes.length)
      if (quote >= bytes.length || QUOTE[bytes[quote]!] === 0) continue
      const close = this.#closeOf(quote)
      if (close === -1) continue
      // One inside another would need both; the inner one's end is then not seen as one.
      if (this.#close < from || this.#close === bytes.length) this.#close = close
      return open
    }
    return bytes.length
  }

  /** Where the last of the constants ends that begin with this quote; -1 when no brace follows, the length when the text ends before. */
  #closeOf(quote: number): number {
    const bytes = this.#bytes
    const limit = Math.min(bytes.length, quote + FARTHEST)
    for (let at = quote + 1; at < limit; at++) {
      if (bytes[at] === 0x5c) at++
      else if (bytes[at] === bytes[quote]) {
        const sign = skipSpace(bytes, at + 1, limit)
        if (bytes[sign] === 0x7d) return at
        const next = skipSpace(bytes, sign + 1, limit)
        if (bytes[sign] !== 0x2b || next >= limit || QUOTE[bytes[next]!] === 0) return -1
        quote = next
        at = next
      }
    }
    // Cut off, as the stretches of an escaped text are: it may be one.
    return limit === bytes.length ? limit : -1
  }

  /** Looks at every sixtieth byte: a run of base64 that is long enough cannot be missed so. */
  #findWrap(from: number): number {
    const bytes = this.#bytes
    const { length } = bytes
    let start = from
    while (start + LINE <= length) {
      let at = start + LINE - 1
      while (at >= start && BASE64[bytes[at]!] === 1) at--
      if (at >= start) {
        start = at + 1
        continue
      }
      let end = start + LINE
      while (end < length && BASE64[bytes[end]!] === 1) end++
      if (end === length) return length
      if (WRAP_STARTER[bytes[end]!] === 1) {
        const after = skipSpace(bytes, end, length)
        if (after < length && BASE64[bytes[after]!] === 1) return end
      }
      start = end + 1
    }
    return length
  }
}
