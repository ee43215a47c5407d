/**
 * What `secrets run` and its programs say to each other: frames of JSON, so that a descriptor or a socket that
 * is something else is noticed before its bytes are taken for values.
 */

/** Where `secrets run` puts the descriptor of a program that it starts itself. */
export const DESCRIPTOR = 3
/** Says how to reach it: version, its process id, token, whether changes are told, address. */
export const CHANNEL = 'SECRETS_CHANNEL'

/** 'USCH', the length of the JSON in bytes (4, big-endian), the JSON. */
const MAGIC = [0x55, 0x53, 0x43, 0x48]
const HEADER = 8
/** No set of secrets is longer: what says so is no frame. Bytes. */
const LONGEST = 64 * 1024 * 1024

/** A program's first and only word: whoever does not know it is told nothing. */
export interface Hello {
  readonly token: string
  /** Whether it stays, to hear of changes. */
  readonly stays: boolean
}

/** Every value there is, each time: a frame that was missed is no change that is lost. */
export interface Handed {
  readonly values: Readonly<Record<string, string>>
}

export function encodeFrame(content: Hello | Handed): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(content))
  const frame = new Uint8Array(HEADER + json.length)
  frame.set(MAGIC)
  new DataView(frame.buffer).setUint32(MAGIC.length, json.length)
  frame.set(json, HEADER)
  return frame
}

/** Puts frames together, however they were cut. */
export class FrameReader<Content> {
  readonly #longest: number
  #held: Uint8Array = new Uint8Array(0)

  /** @param longest bytes of JSON that a frame may have */
  constructor(longest: number = LONGEST) {
    this.#longest = longest
  }

  /** @returns what is complete with these bytes; `undefined` when they are no frames */
  take(bytes: Uint8Array): Content[] | undefined {
    let held = new Uint8Array(this.#held.length + bytes.length)
    held.set(this.#held)
    held.set(bytes, this.#held.length)
    const found: Content[] = []
    for (;;) {
      for (let at = 0; at < MAGIC.length && at < held.length; at++)
        if (held[at] !== MAGIC[at]) return undefined
      if (held.length < HEADER) break
      const end = HEADER + new DataView(held.buffer, held.byteOffset).getUint32(MAGIC.length)
      if (end > HEADER + this.#longest) return undefined
      if (held.length < end) break
      try {
        found.push(JSON.parse(new TextDecoder().decode(held.subarray(HEADER, end))) as Content)
      } catch {
        return undefined
      }
      held = held.subarray(end)
    }
    this.#held = held
    return found
  }
}
