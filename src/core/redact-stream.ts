import { Transform } from 'node:stream'
import { byPlace, type RedactionHit, redactionNeedles, type Secret } from './redact.ts'
import { NeedleFilter } from './scan/filter.ts'

/**
 * How long the beginning of a value is waited on, in ms: a program that asks something ends its text
 * without a line end, and its last character may happen to be the first of a value.
 */
const PATIENCE = 100
/** Bytes of a value that may be shown when nothing follows them. What does follow is still covered. */
const HARMLESS = 3

/**
 * Bytes in, the same bytes out with values replaced as `createRedactor` does, however the input is cut into
 * chunks. Everything else passes unchanged, bytes that are no text too. Held back is only what may be the
 * beginning of a value: less than the longest one, and nothing when no value begins so.
 */
export class RedactStream extends Transform {
  #needles: readonly Buffer[] = []
  #labels: readonly string[] = []
  #filter!: NeedleFilter
  /** What came and may belong to a value that goes on. */
  #held: Buffer = Buffer.alloc(0)
  /** How much of it is behind a label that was put out. */
  #covered = 0
  /** How much of it needs no putting out any more: covered, or shown for lack of patience. */
  #done = 0
  #timer: NodeJS.Timeout | undefined

  constructor(secrets: Iterable<Secret>) {
    super()
    this.cover(secrets)
  }

  /** Takes other values from now on: what comes later is searched for these. */
  cover(secrets: Iterable<Secret>): void {
    const needles = redactionNeedles(secrets)
    this.#needles = needles.map(({ text }) => Buffer.from(text))
    this.#labels = needles.map(({ label }) => label)
    this.#filter = new NeedleFilter(this.#needles)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    clearTimeout(this.#timer)
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#putOut(bytes, this.#beginningOfValue(bytes))
    const open = this.#held.length - this.#done
    if (open > 0 && this.#held.length <= HARMLESS) {
      this.#timer = setTimeout(() => this.#show(), PATIENCE)
      this.#timer.unref()
    }
    done()
  }

  override _flush(done: () => void): void {
    clearTimeout(this.#timer)
    this.#putOut(this.#held, this.#held.length)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    done(error)
  }

  #show(): void {
    this.push(this.#held.subarray(this.#done))
    this.#done = this.#held.length
  }

  /** Puts out what stands before `keep`, and holds the rest. A label that began before may reach beyond it. */
  #putOut(bytes: Buffer, keep: number): void {
    const hits: RedactionHit[] = []
    this.#filter.search(bytes, bytes.length, (index, start) => {
      hits.push({ start, end: start + this.#needles[index]!.length, label: this.#labels[index]! })
    })
    const parts: Buffer[] = []
    let at = this.#done
    const copy = (end: number): void => {
      if (end > at) parts.push(bytes.subarray(at, end))
      at = Math.max(at, end)
    }
    let covered = this.#covered
    for (const { start, end, label } of hits.sort(byPlace)) {
      // What begins later is decided later: a longer value may begin there as well.
      if (start >= keep) break
      if (start >= covered) {
        copy(start)
        parts.push(Buffer.from(label))
      }
      covered = Math.max(covered, end)
      at = Math.max(at, covered)
    }
    copy(keep)
    if (parts.length > 0) this.push(Buffer.concat(parts))
    // A copy: the chunk's memory belongs to whoever wrote it.
    this.#held = Buffer.from(bytes.subarray(keep))
    this.#covered = Math.max(0, covered - keep)
    this.#done = Math.max(0, at - keep)
  }

  /** Where the longest end of the bytes stands that is the beginning, and not the whole, of a value. */
  #beginningOfValue(bytes: Buffer): number {
    let earliest = bytes.length
    for (const needle of this.#needles) {
      const first = needle[0]!
      let at = bytes.indexOf(first, Math.max(0, bytes.length - needle.length + 1))
      for (; at !== -1 && at < earliest; at = bytes.indexOf(first, at + 1)) {
        if (bytes.compare(needle, 0, bytes.length - at, at) === 0) {
          earliest = at
          break
        }
      }
    }
    return earliest
  }
}
