import { isCold, textOf } from './cold.ts'

/** What is searched: bytes, and a character for each of them as long as that is quicker. */
export class Content {
  /** `undefined` when this process has searched so much that loops over bytes are quicker. */
  readonly text: string | undefined
  #bytes: Uint8Array | undefined

  constructor(given: Uint8Array | string) {
    if (typeof given !== 'string') {
      // One class for all that the inner loops see: Node's Buffer is another one, and both together are slow.
      this.#bytes = new Uint8Array(given.buffer, given.byteOffset, given.length)
      if (isCold(given.length)) this.text = textOf(given, given.length)
      return
    }
    if (isCold(given.length)) this.text = isAscii(given) ? given : Buffer.from(given).toString('latin1')
    else this.#bytes = toBytes(given, 'utf8')
  }

  /** Made of the text when they are needed, which they seldom are. */
  get bytes(): Uint8Array {
    this.#bytes ??= toBytes(this.text!, 'latin1')
    return this.#bytes
  }
}

/** Most code is: then it is its own text. */
function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

function toBytes(text: string, encoding: 'latin1' | 'utf8'): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, encoding)
  return new Uint8Array(buffer, byteOffset, length)
}
