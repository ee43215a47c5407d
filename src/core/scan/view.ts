import { Context } from './context.ts'
import { BACKSLASH, ENTITY, type Escape, LONGEST_ESCAPE, readEscape, STARTER, writeEscape } from './escape.ts'
import type { NeedleFilter } from './filter.ts'
import type { Encoding } from './types.ts'

/** A map holds code as a JSON string, that code may parse a JSON string, and `eval` may hold all of it. */
const PASSES = 3

/** Offsets in the bytes as they are in the file. */
export type ViewHit = (needle: number, start: number, end: number, encoding: Encoding) => void

/** Where something stands in the bytes before the last pass, and how what is in it was escaped. */
interface Span {
  readonly start: number
  readonly end: number
  readonly kinds: number
}

/**
 * Looks for needles in text whose escapes are undone, up to three times over. Only the surroundings of
 * escapes that may matter are undone; what holds no escape is found in the raw bytes.
 */
export class UnescapedView {
  readonly #filter: NeedleFilter
  readonly #sizes: readonly number[]
  readonly #context: Context
  readonly #reach: number
  readonly #escape: Escape = { code: 0, byte: false, end: 0, kind: 0 }
  /** One for each pass, kept from file to file. */
  readonly #buffers: Uint8Array[] = []

  /**
   * @param filter finds the needles.
   * @param needles the same needles; only those that are text are expected to be escaped.
   */
  constructor(
    filter: NeedleFilter,
    needles: readonly { readonly bytes: Uint8Array; readonly text: boolean }[],
  ) {
    const text = needles.filter((needle) => needle.text).map((needle) => needle.bytes)
    this.#filter = filter
    this.#sizes = needles.map((needle) => needle.bytes.length)
    this.#context = new Context(text)
    this.#reach = text.reduce((longest, { length }) => Math.max(longest, length), 0) + 2 * LONGEST_ESCAPE
  }

  /** Reports what is found in escaped text; once for each pass that finds it, and nothing that is unescaped. */
  search(bytes: Uint8Array, wanted: (needle: number) => boolean, hit: ViewHit): void {
    const encodingOf = (kinds: number, pass: number): Encoding => {
      if (pass > 0) return 'escaped twice'
      return kinds & BACKSLASH ? 'escaped' : kinds & ENTITY ? 'html entities' : 'percent'
    }
    const inPass = (
      source: Uint8Array,
      length: number,
      pass: number,
      origin: (start: number, end: number) => Span,
    ) => {
      this.#context.stretches(source, length, this.#reach, (from, to) => {
        const view = this.#buffer(pass, to - from)
        const size = this.#undo(source, from, to, length, view)
        const inSource = (start: number, end: number) => this.#locate(source, from, length, start, end)
        this.#filter.search(view, size, (needle, start) => {
          if (!wanted(needle)) return
          const span = inSource(start, start + this.#sizes[needle]!)
          // Without an escape inside, the pass before has found it.
          if (span.kinds === 0) return
          const place = origin(span.start, span.end)
          hit(needle, place.start, place.end, encodingOf(span.kinds, pass))
        })
        if (pass + 1 < PASSES) {
          inPass(view, size, pass + 1, (start, end) => {
            const span = inSource(start, end)
            return origin(span.start, span.end)
          })
        }
      })
    }
    inPass(bytes, bytes.length, 0, (start, end) => ({ start, end, kinds: 0 }))
  }

  #buffer(pass: number, size: number): Uint8Array {
    // An escape that begins inside may end outside.
    const needed = size + LONGEST_ESCAPE
    const known = this.#buffers[pass]
    if (known !== undefined && known.length >= needed) return known
    const buffer = new Uint8Array(Math.max(needed, 1 << 18))
    this.#buffers[pass] = buffer
    return buffer
  }

  /** Writes the bytes from `from` to `to` with their escapes undone. @returns how many there are. */
  #undo(source: Uint8Array, from: number, to: number, length: number, view: Uint8Array): number {
    const found = this.#escape
    let size = 0
    let at = from
    while (at < to) {
      const byte = source[at]!
      if (STARTER[byte] === 1 && readEscape(source, at, length, found)) {
        size = writeEscape(view, size, found)
        at = found.end
      } else {
        view[size++] = byte
        at++
      }
    }
    return size
  }

  /** The way back: undoes again from `from`, until the view's offsets are reached. */
  #locate(source: Uint8Array, from: number, length: number, start: number, end: number): Span {
    const found = this.#escape
    const scratch = new Uint8Array(4)
    let size = 0
    let at = from
    let first = -1
    let kinds = 0
    while (size < end) {
      const escaped = STARTER[source[at]!] === 1 && readEscape(source, at, length, found)
      const width = escaped ? writeEscape(scratch, 0, found) : 1
      if (first === -1 && size + width > start) first = at
      if (first !== -1 && escaped) kinds |= found.kind
      size += width
      at = escaped ? found.end : at + 1
    }
    return { start: first, end: at, kinds }
  }
}
