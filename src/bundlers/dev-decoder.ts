import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

/** What a piece of an encoded body becomes; in order, one at a time. */
export interface Decoder {
  /** @throws Error for bytes that are not what the encoding says */
  push(piece: Uint8Array): Promise<Uint8Array>
}

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
  // Not in every Node.
  ...('createZstdDecompress' in zlib && {
    zstd: () => (zlib as unknown as { createZstdDecompress(): Transform }).createZstdDecompress(),
  }),
}

/** @returns `undefined` for a body that is not encoded, or in a way that is not known here */
export function decoderFor(encoding: unknown): Decoder | undefined {
  const create = typeof encoding === 'string' ? DECODERS[encoding.trim().toLowerCase()] : undefined
  if (!create) return undefined
  const stream = create()
  let pieces: Buffer[] = []
  let failed: Error | undefined
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  // Without a listener it would end the process. The callback below gets the same error.
  stream.on('error', (error) => {
    failed = error
  })
  return {
    push: (piece) =>
      new Promise((resolve, reject) => {
        if (failed) return reject(failed)
        stream.once('error', reject)
        stream.write(piece, () => {
          stream.off('error', reject)
          const decoded = Buffer.concat(pieces)
          pieces = []
          resolve(decoded)
        })
      }),
  }
}
