import { isCold, type Places, textOf } from './cold.ts'
import { Context } from './context.ts'
import { BACKSLASH, ENTITY, type Escape, LONGEST_ESCAPE, PERCENT, readEscape, writeEscape } from './escape.ts'
import type { NeedleFilter } from './filter.ts'
import { JOINT, JOINT_STARTER, LINE, readSeam, WRAP, WRAP_STARTER } from './seams.ts'
import type { Encoding } from './types.ts'

/** A map holds code as a JSON string, that code may parse a JSON string, and `eval` may hold all of it. */
const PASSES = 3

/**
 * One pass undoes one kind of escape. A value may hold what looks like another kind: the `%40` of a
 * connection string in a script, the `\d` of a password in HTML.
 */
const KINDS: readonly Kind[] = [
  { kind: BACKSLASH, encoding: 'escaped', read: readEscape, starter: only('\\') },
  { kind: ENTITY, encoding: 'html entities', read: readEscape, starter: only('&') },
  { kind: PERCENT, encoding: 'percent', read: readEscape, starter: only('%') },
  { kind: JOINT, encoding: 'concatenated', read: readSeam, starter: JOINT_STARTER },
  { kind: WRAP, encoding: 'escaped', read: readSeam, starter: WRAP_STARTER },
]

interface Kind {
  readonly kind: number
  readonly encoding: Encoding
  readonly read: typeof readEscape
  /** 1 for the bytes with which one begins. */
  readonly starter: Uint8Array
}

function only(char: string): Uint8Array {
  const bytes = new Uint8Array(256)
  bytes[char.charCodeAt(0)] = 1
  return bytes
}

/** Offsets in the bytes as they are in the file. */
export type ViewHit = (needle: number, start: number, end: number, encoding: Encoding) => void

/** One pass over one stretch. */
interface Pass {
  readonly source: Uint8Array
  readonly length: number
  readonly from: number
  readonly to: number
  readonly kind: Kind
  /** For the way back: where the source and the view stood, every few thousand bytes. */
  readonly marks: { readonly at: number; readonly size: number }[]
}

const MARK_EVERY = 4096

interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Looks for needles in text whose escapes are undone, up to three times over. Only the surroundings of
 * escapes that may matter are undone; what holds no escape is found in the raw bytes.
 */
export class UnescapedView {
  readonly #filter: () => NeedleFilter
  readonly #find: (text: string) => Places
  readonly #sizes: readonly number[]
  readonly #context: Context
  readonly #reach: number
  readonly #escape: Escape = { code: 0, byte: false, end: 0, kind: 0 }
  /** One for each pass, kept from file to file. */
  readonly #buffers: Uint8Array[] = []

  /**
   * @param filter finds the needles.
   * @param options.forms the same needles.
   * @param options.text which of them are text: only those are expected to be escaped.
   * @param options.find where to look for escapes, as long as the loops are cold.
   */
  constructor(
    filter: () => NeedleFilter,
    options: { forms: readonly Uint8Array[]; text: readonly boolean[]; find: (text: string) => Places },
  ) {
    const { forms, text, find } = options
    const escaped = forms.filter((_, index) => text[index])
    this.#filter = filter
    this.#find = find
    this.#sizes = forms.map(({ length }) => length)
    this.#context = new Context(escaped)
    this.#reach =
      escaped.reduce((longest, { length }) => Math.max(longest, length), LINE) + 2 * LONGEST_ESCAPE
  }

  /** Reports what is found in escaped text, perhaps in several ways; nothing that is unescaped. */
  search(
    bytes: Uint8Array,
    { wanted, ...where }: { wanted: (needle: number) => boolean; wraps: boolean; places: Places | undefined },
    hit: ViewHit,
  ): void {
    this.#passes(bytes, bytes.length, { depth: 0, ...where }, wanted, hit)
  }

  #passes(
    source: Uint8Array,
    length: number,
    { depth, wraps, places }: { depth: number; wraps: boolean; places: Places | undefined },
    wanted: (needle: number) => boolean,
    hit: ViewHit,
  ): void {
    this.#context.stretches(source, length, { reach: this.#reach, wraps, places }, (from, to, kinds) => {
      for (const kind of KINDS) {
        if ((kinds & kind.kind) === 0) continue
        const pass: Pass = { source, length, from, to, kind, marks: [] }
        const view = this.#buffer(depth, to - from)
        const size = this.#undo(pass, view)
        if (size === -1) continue
        this.#filter().search(view, size, (needle, start) => {
          if (!wanted(needle)) return
          const span = this.#locate(pass, start, start + this.#sizes[needle]!)
          if (span !== undefined) hit(needle, span.start, span.end, kind.encoding)
        })
        if (depth + 1 === PASSES) continue
        const next = { depth: depth + 1, wraps: true, places: this.#placesIn(view, size) }
        this.#passes(view, size, next, wanted, (needle, start, end) => {
          const span = this.#locate(pass, start, end)
          if (span !== undefined) hit(needle, span.start, span.end, 'escaped twice')
        })
      }
    })
  }

  #placesIn(bytes: Uint8Array, length: number): Places | undefined {
    return isCold(length) ? this.#find(textOf(bytes, length)) : undefined
  }

  #buffer(depth: number, size: number): Uint8Array {
    // An escape that begins inside may end outside.
    const needed = size + LONGEST_ESCAPE
    const known = this.#buffers[depth]
    if (known !== undefined && known.length >= needed) return known
    const buffer = new Uint8Array(Math.max(needed, 1 << 18))
    this.#buffers[depth] = buffer
    return buffer
  }

  /** Writes a stretch with its escapes undone. @returns how many bytes it has then; -1 when it had no escapes. */
  #undo({ source, length, from, to, kind, marks }: Pass, view: Uint8Array): number {
    const found = this.#escape
    let any = false
    let size = 0
    let at = from
    let mark = 0
    while (at < to) {
      if (size >= mark) {
        marks.push({ at, size })
        mark += MARK_EVERY
      }
      const byte = source[at]!
      if (kind.starter[byte] === 1 && kind.read(source, at, length, found)) {
        any = true
        size = writeEscape(view, size, found)
        at = found.end
      } else {
        view[size++] = byte
        at++
      }
    }
    return any ? size : -1
  }

  /**
   * The way back: undoes a stretch again, from the nearest mark until the view's offsets are reached.
   * @returns `undefined` when no escape stands between them: then fewer passes find the same.
   */
  #locate({ source, length, kind, marks }: Pass, start: number, end: number): Span | undefined {
    const found = this.#escape
    const scratch = new Uint8Array(4)
    // A mark stands at or a few bytes after each multiple, so the one before is surely not too far.
    const mark = marks[Math.max(0, Math.floor(start / MARK_EVERY) - 1)]!
    let { at, size } = mark
    let first = -1
    let any = false
    while (size < end) {
      const escaped = kind.starter[source[at]!] === 1 && kind.read(source, at, length, found)
      const width = escaped ? writeEscape(scratch, 0, found) : 1
      if (first === -1 && size + width > start) first = at
      if (first !== -1 && escaped) any = true
      size += width
      at = escaped ? found.end : at + 1
    }
    return any ? { start: first, end: at } : undefined
  }
}
