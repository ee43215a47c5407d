import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import pLimit from 'p-limit'

/** Loaded when there is something to unpack, which few outputs have. */
export { pLimit }

/** More than this out of one compressed file is not unpacked. */
const LARGEST_UNPACKED = 512 * 1024 * 1024

type Unpack = (bytes: Uint8Array, options: object) => Promise<Buffer>
const UNPACK = {
  gz: promisify(gunzip) as Unpack,
  br: promisify(brotliDecompress) as Unpack,
}

/** @throws whatever zlib throws for what it cannot read, or what would be too large */
export function unpack(bytes: Uint8Array, extension: 'gz' | 'br'): Promise<Buffer> {
  return UNPACK[extension](bytes, { maxOutputLength: LARGEST_UNPACKED })
}
