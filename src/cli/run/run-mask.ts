import type { Transform } from 'node:stream'
import type { Secret } from '../../core/redact.ts'
import type { RedactStream } from '../../core/redact-stream.ts'

/** How many values of one name are masked: programs print what they were started with long after it changed. */
const KEPT = 20

/** Masks what programs print, with the values of now and of before. */
export class Mask {
  readonly #known = new Map<string, Secret[]>()
  readonly #streams = new Set<RedactStream>()

  /** Takes new values; to be called before a program can have them. */
  add(secrets: readonly Secret[]): void {
    for (const secret of secrets) {
      const known = this.#known.get(secret.name) ?? []
      if (known.some((one) => one.reveal() === secret.reveal())) continue
      this.#known.set(secret.name, [...known, secret].slice(-KEPT))
    }
    for (const stream of this.#streams) stream.cover(this.#all)
  }

  /** Made when there is something to mask: its tables are a good part of a short run. */
  async stream(): Promise<Transform> {
    const { RedactStream } = await import('../../core/redact-stream.ts')
    const stream = new RedactStream(this.#all)
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
    return stream
  }

  get #all(): Secret[] {
    return [...this.#known.values()].flat()
  }
}
