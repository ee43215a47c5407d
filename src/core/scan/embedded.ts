/** What stands inside a file as a base64 `data:` URL. */
export interface Embedded {
  readonly bytes: Uint8Array
  /** `inline source map` or `data URL`. */
  readonly label: string
}

/** Searched for without its `;`, which is frequent and makes the native search five times slower. */
export const MARK = 'base64,'

/** Too short to hold a value. */
const SHORTEST = 12

const BASE64: Uint8Array = new Uint8Array(256)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')
  BASE64[char.charCodeAt(0)] = 1

/**
 * The files inside a file. Plain values in them are found in base64 anyway; what is escaped inside
 * (everything a source map holds) is not.
 */
export function* embeddedIn(bytes: Uint8Array): Generator<Embedded> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  for (
    let mark = buffer.indexOf(MARK, 0, 'latin1');
    mark !== -1;
    mark = buffer.indexOf(MARK, mark + MARK.length, 'latin1')
  ) {
    const start = mark + MARK.length
    let end = start
    while (end < buffer.length && BASE64[buffer[end]!] === 1) end++
    if (end - start < SHORTEST || buffer[mark - 1] !== 0x3b) continue
    // `data:application/json;charset=utf-8`: only the part before the mark on the same URL.
    const type = buffer.toString('latin1', Math.max(0, mark - 64), mark)
    const label = /data:application\/json[^,]*$/.test(type) ? 'inline source map' : 'data URL'
    yield { bytes: Buffer.from(buffer.toString('latin1', start, end), 'base64'), label }
  }
}
