import type { Offsets } from './cold.ts'

/** What kind of escape stood there. */
export const BACKSLASH = 1
export const ENTITY = 2
export const PERCENT = 4

/** One escape as read. One object is filled again and again: there are millions. */
export interface Escape {
  /** The character's code point, a single byte where `byte` says so, or -1 for nothing (a line continuation). */
  code: number
  byte: boolean
  /** The offset after it. */
  end: number
  kind: number
}

/** The longest escape, in bytes: a surrogate pair, `\uD83D\uDE00`. */
export const LONGEST_ESCAPE = 12

/** 1 for the bytes that may begin an escape: backslash, percent, ampersand. */
export const STARTER: Uint8Array = new Uint8Array(256)
for (const starter of '\\%&') STARTER[starter.charCodeAt(0)] = 1

/** A native search costs more than a look at this many bytes. */
const NEAR = 12

/** Another escape, or a seam, so near behind one that is none that it becomes one when that is undone. */
const NEARBY = /[^\\%&]{0,10}(?:[\\%]|&[#algq]|["'`][ \t\r\n]*[+}]|\$\{|[\w+/-][\r\n][ \t\r\n]*[\w+/-])/
/** What may begin an escape, or may become one (`&\x61mp;`, `"%4" + "1"`): not the `&&` of code and the `%` of styles. */
export const PLACE: string = String.raw`\\|%(?=[\da-fA-F]|${NEARBY.source})|&(?=[#algq]|${NEARBY.source})`

/** Finds the bytes that may begin an escape, in order, as fast where they are dense as where they are rare. */
export class Starters {
  readonly #bytes: Buffer
  /** The first of each kind at or after the last place asked for, or an older one. */
  #backslash = -1
  #percent = -1
  #ampersand = -1

  readonly #known: Offsets | undefined

  /** @param known where they are, if that is known. */
  constructor(bytes: Uint8Array, length: number, known: Offsets | undefined) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, length)
    this.#known = known
  }

  /** @returns the first at or after `at`, or the length when there is none; never to be asked backwards. */
  next(at: number): number {
    const bytes = this.#bytes
    if (this.#known !== undefined) return this.#known.next(at, bytes.length)
    const near = Math.min(at + NEAR, bytes.length)
    while (at < near && STARTER[bytes[at]!] === 0) at++
    if (at < near || at >= bytes.length) return at
    if (this.#backslash < at) this.#backslash = this.#find(0x5c, at)
    if (this.#percent < at) this.#percent = this.#find(0x25, at)
    if (this.#ampersand < at) this.#ampersand = this.#find(0x26, at)
    return Math.min(this.#backslash, this.#percent, this.#ampersand)
  }

  #find(starter: number, at: number): number {
    const found = this.#bytes.indexOf(starter, at)
    return found === -1 ? this.#bytes.length : found
  }
}

const HEX: Int8Array = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** What one letter after a backslash means, where it does not mean itself. */
const LETTERS: ReadonlyMap<number, number> = new Map(
  Object.entries({ n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', 0: '\0' }).map(([letter, char]) => [
    letter.charCodeAt(0),
    char.charCodeAt(0),
  ]),
)

/** The names of entities, packed: at most four letters. */
const NAMED: ReadonlyMap<number, number> = new Map(
  Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }).map(([name, char]) => [
    pack(Buffer.from(name), 0, name.length),
    char.charCodeAt(0),
  ]),
)

function pack(bytes: Uint8Array, start: number, end: number): number {
  let packed = 0
  for (let at = start; at < end; at++) packed = (packed << 8) | bytes[at]!
  return packed
}

/**
 * Reads the escape at `at`, which JavaScript, JSON, CSS, URLs or HTML would undo. A backslash before any
 * other character means that character, as in JavaScript.
 * @returns false when there is none.
 */
export function readEscape(bytes: Uint8Array, at: number, length: number, into: Escape): boolean {
  const starter = bytes[at]
  if (starter === 0x5c) return readBackslash(bytes, at, length, into)
  if (starter === 0x25) {
    const code = readHex(bytes, at + 1, at + 3, length)
    return code !== -1 && fill(into, PERCENT, code, at + 3, true)
  }
  return starter === 0x26 && readEntity(bytes, at, length, into)
}

/** Writes the escape's UTF-8 bytes. @returns the offset after them; never more bytes than the escape had. */
export function writeEscape(target: Uint8Array, at: number, { code, byte }: Escape): number {
  if (code === -1) return at
  if (byte || code < 0x80) {
    target[at] = code
    return at + 1
  }
  // A lone surrogate has no UTF-8; it becomes U+FFFD, as in TextEncoder.
  const point = code >= 0xd800 && code < 0xe000 ? 0xfffd : code
  if (point < 0x800) target[at++] = 0xc0 | (point >> 6)
  else {
    if (point < 0x10000) target[at++] = 0xe0 | (point >> 12)
    else {
      target[at++] = 0xf0 | (point >> 18)
      target[at++] = 0x80 | ((point >> 12) & 0x3f)
    }
    target[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  target[at++] = 0x80 | (point & 0x3f)
  return at
}

function fill(into: Escape, kind: number, code: number, end: number, byte: boolean): true {
  into.kind = kind
  into.code = code
  into.end = end
  into.byte = byte
  return true
}

function readBackslash(bytes: Uint8Array, at: number, length: number, into: Escape): boolean {
  if (at + 1 >= length) return false
  const letter = bytes[at + 1]!
  if (letter === 0x78) {
    const code = readHex(bytes, at + 2, at + 4, length)
    if (code !== -1) return fill(into, BACKSLASH, code, at + 4, false)
  } else if (letter === 0x75) {
    if (readUnicode(bytes, at, length, into)) return true
  } else if (letter === 0x0a) {
    return fill(into, BACKSLASH, -1, at + 2, false)
  } else if (letter === 0x0d) {
    return fill(into, BACKSLASH, -1, bytes[at + 2] === 0x0a && at + 2 < length ? at + 3 : at + 2, false)
  }
  return fill(into, BACKSLASH, LETTERS.get(letter) ?? letter, at + 2, true)
}

function readUnicode(bytes: Uint8Array, at: number, length: number, into: Escape): boolean {
  if (bytes[at + 2] === 0x7b) {
    let end = at + 3
    while (end < at + 9 && end < length && HEX[bytes[end]!] !== -1) end++
    if (end === at + 3 || end >= length || bytes[end] !== 0x7d) return false
    const code = readHex(bytes, at + 3, end, length)
    return code <= 0x10ffff && fill(into, BACKSLASH, code, end + 1, false)
  }
  const code = readHex(bytes, at + 2, at + 6, length)
  if (code === -1) return false
  if (code >= 0xd800 && code < 0xdc00 && bytes[at + 6] === 0x5c && bytes[at + 7] === 0x75) {
    const low = readHex(bytes, at + 8, at + 12, length)
    if (low >= 0xdc00 && low < 0xe000)
      return fill(into, BACKSLASH, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), at + 12, false)
  }
  return fill(into, BACKSLASH, code, at + 6, false)
}

function readEntity(bytes: Uint8Array, at: number, length: number, into: Escape): boolean {
  // `&&` and `&name` are what ampersands mostly are.
  const first = bytes[at + 1]
  if (first !== 0x23 && first !== 0x61 && first !== 0x6c && first !== 0x67 && first !== 0x71) return false
  const limit = Math.min(at + LONGEST_ESCAPE, length)
  let end = at + 2
  while (end < limit && bytes[end] !== 0x3b) end++
  if (end === limit) return false
  if (first !== 0x23) {
    const code = end - at < 6 ? NAMED.get(pack(bytes, at + 1, end)) : undefined
    return code !== undefined && fill(into, ENTITY, code, end + 1, false)
  }
  const hex = (bytes[at + 2]! | 0x20) === 0x78
  const digits = at + (hex ? 3 : 2)
  if (digits >= end) return false
  let code = 0
  for (let digit = digits; digit < end; digit++) {
    const value = HEX[bytes[digit]!]!
    if (value === -1 || (!hex && value > 9)) return false
    code = code * (hex ? 16 : 10) + value
  }
  return code <= 0x10ffff && fill(into, ENTITY, code, end + 1, false)
}

/** @returns -1 where one of the bytes from `start` to `end` is no hex digit or lies outside. */
function readHex(bytes: Uint8Array, start: number, end: number, length: number): number {
  if (end > length) return -1
  let code = 0
  for (let at = start; at < end; at++) {
    const digit = HEX[bytes[at]!]!
    if (digit === -1) return -1
    code = code * 16 + digit
  }
  return code
}
