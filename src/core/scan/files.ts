import { open, readdir, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import pLimit from 'p-limit'
import { reasonOf } from '../errors.ts'
import type { Finding, Scanner } from './types.ts'

export interface ScanFolderOptions {
  /** Globs, relative to the folder, of files that are not looked at. Default none. */
  readonly exclude?: readonly string[] | undefined
  /** Files, relative to the folder, that were looked at already. */
  readonly skip?: ReadonlySet<string> | undefined
  /** How many files are read at once. Default 4. */
  readonly concurrency?: number | undefined
}

/** A file that was not, or not wholly, looked at. */
export interface ScanProblem {
  /** Relative to the folder, with `/`. */
  readonly path: string
  readonly reason: string
}

export interface FolderScan {
  /** By path, then by place. */
  readonly findings: readonly Finding[]
  /** How many files were looked at. */
  readonly files: number
  /** What they hold, unpacked. */
  readonly bytes: number
  /** Empty when every file was looked at. */
  readonly problems: readonly ScanProblem[]
}

/** More than this out of one compressed file is not unpacked. */
const LARGEST_UNPACKED = 512 * 1024 * 1024

const UNPACK: ReadonlyMap<string, (bytes: Uint8Array, options: object) => Promise<Buffer>> = new Map([
  ['gz', promisify(gunzip) as (bytes: Uint8Array, options: object) => Promise<Buffer>],
  ['br', promisify(brotliDecompress) as (bytes: Uint8Array, options: object) => Promise<Buffer>],
])

/**
 * Looks through every file below a folder, `.gz` and `.br` ones unpacked. Links are not followed: what
 * they point at inside the folder is met anyway, and one that leads out is a problem in the result.
 * Throws for nothing it meets.
 */
export async function scanFolder(
  scanner: Scanner,
  folder: string,
  { exclude = [], skip, concurrency = 4 }: ScanFolderOptions = {},
): Promise<FolderScan> {
  const matches = await matcher(exclude)
  const excluded = (path: string): boolean => skip?.has(path) || matches(path)
  const problems: ScanProblem[] = []
  const paths = await list(folder, excluded, problems)
  const findings: Finding[][] = []
  const total = { files: 0, bytes: 0 }
  const limit = pLimit(concurrency)
  /** Read into again and again: fresh memory for every file costs more than reading it. */
  const buffers: Uint8Array[] = []

  const scanOne = async (path: string, index: number) => {
    let buffer = buffers.pop() ?? new Uint8Array(1 << 20)
    try {
      const file = await open(join(folder, path))
      let size = 0
      try {
        const expected = (await file.stat()).size
        // One byte more than it should have: a read that fills it shows that the file has grown.
        if (expected >= buffer.length) buffer = new Uint8Array(expected + 1)
        for (;;) {
          const { bytesRead } = await file.read(buffer, size, buffer.length - size, null)
          size += bytesRead
          if (bytesRead === 0) break
          if (size < buffer.length) continue
          const larger = new Uint8Array(buffer.length * 2)
          larger.set(buffer)
          buffer = larger
        }
      } finally {
        await file.close()
      }
      let bytes: Uint8Array = buffer.subarray(0, size)
      const unpack = UNPACK.get(path.slice(path.lastIndexOf('.') + 1))
      if (unpack !== undefined) {
        try {
          bytes = await unpack(bytes, { maxOutputLength: LARGEST_UNPACKED })
        } catch (error) {
          problems.push({ path, reason: `cannot be unpacked (${reasonOf(error)})` })
        }
      }
      total.files++
      total.bytes += bytes.length
      findings[index] = scanner.scan(bytes, path)
    } catch (error) {
      problems.push({ path, reason: `cannot be read (${reasonOf(error)})` })
    }
    buffers.push(buffer)
  }
  await Promise.all(paths.map((path, index) => limit(scanOne, path, index)))
  problems.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { findings: findings.flat(), ...total, problems }
}

/** The files below a folder, sorted, relative, with `/`. */
async function list(
  folder: string,
  excluded: (path: string) => boolean,
  problems: ScanProblem[],
): Promise<string[]> {
  const files: string[] = []
  const walk = async (below: string): Promise<void> => {
    let entries: Awaited<ReturnType<typeof entriesOf>>
    try {
      entries = await entriesOf(join(folder, below))
    } catch (error) {
      problems.push({ path: below === '' ? '.' : below, reason: `cannot be listed (${reasonOf(error)})` })
      return
    }
    for (const entry of entries) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (excluded(path)) continue
      if (entry.isDirectory()) await walk(path)
      else if (entry.isFile()) files.push(path)
      else {
        const reason = entry.isSymbolicLink() ? await linkProblem(folder, path) : 'is not a regular file'
        if (reason !== undefined) problems.push({ path, reason })
      }
    }
  }
  await walk('')
  return files.sort()
}

function entriesOf(folder: string) {
  return readdir(folder, { withFileTypes: true })
}

/** What keeps the target of a link from being met on the way through the folder. */
async function linkProblem(folder: string, path: string): Promise<string | undefined> {
  try {
    const way = relative(await realpath(folder), await realpath(join(folder, path)))
    const outside = isAbsolute(way) || way === '..' || way.startsWith(`..${sep}`)
    return outside ? 'is a link out of the folder' : undefined
  } catch (error) {
    return `is a link that leads nowhere (${reasonOf(error)})`
  }
}

/** Whether a path matches one of the globs. Most configurations have none, and need no matcher. */
export async function matcher(globs: readonly string[]): Promise<(path: string) => boolean> {
  if (globs.length === 0) return () => false
  const { default: picomatch } = await import('picomatch')
  return picomatch([...globs], { dot: true })
}
