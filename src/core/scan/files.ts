import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import pLimit from 'p-limit'
import { reasonOf } from '../errors.ts'
import type { ReadAsset } from './origin.ts'
import type { Finding, Scanner } from './types.ts'

export interface ScanFolderOptions {
  /** Globs, relative to the folder, of files that are not looked at. Default none. */
  readonly exclude?: readonly string[] | undefined
  /** Files, relative to the folder, that were looked at already. */
  readonly skip?: ReadonlySet<string> | undefined
  /** How many compressed files are unpacked at once. Default 4. */
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

/** ms after which others get a turn. */
const LONGEST_TURN = 20

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
  const scanBytes = (bytes: Uint8Array, path: string, index: number): void => {
    total.files++
    total.bytes += bytes.length
    findings[index] = scanner.scan(bytes, path)
  }
  const failed = (path: string, error: unknown): void => {
    problems.push({ path, reason: `cannot be read (${reasonOf(error)})` })
  }

  // Read in this thread, into the same memory each time: handing every file to another thread and taking fresh
  // memory for it costs half as much again as the whole scan.
  const read = fileReader()
  let turn = performance.now()
  for (const [index, path] of paths.entries()) {
    if (unpackerOf(path)) continue
    try {
      scanBytes(read(join(folder, path)), path, index)
    } catch (error) {
      failed(path, error)
    }
    if (performance.now() - turn < LONGEST_TURN) continue
    await setImmediate()
    turn = performance.now()
  }

  const limit = pLimit(concurrency)
  const scanPacked = async (path: string, index: number): Promise<void> => {
    try {
      let bytes: Uint8Array = await readFile(join(folder, path))
      try {
        bytes = await unpackerOf(path)!(bytes, { maxOutputLength: LARGEST_UNPACKED })
      } catch (error) {
        problems.push({ path, reason: `cannot be unpacked (${reasonOf(error)})` })
      }
      scanBytes(bytes, path, index)
    } catch (error) {
      failed(path, error)
    }
  }
  const packed = [...paths.entries()].filter(([, path]) => unpackerOf(path))
  await Promise.all(packed.map(([index, path]) => limit(scanPacked, path, index)))
  problems.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { findings: findings.flat(), ...total, problems }
}

function unpackerOf(path: string) {
  return UNPACK.get(path.slice(path.lastIndexOf('.') + 1))
}

/** Reads one file after the other. What it gives is good until the next one. */
function fileReader(): (path: string) => Uint8Array {
  let buffer = new Uint8Array(1 << 20)
  return (path) => {
    const file = openSync(path, 'r')
    try {
      const expected = fstatSync(file).size
      // One byte more than it should have: a read that fills it shows that the file has grown.
      if (expected >= buffer.length) buffer = new Uint8Array(expected + 1)
      for (let size = 0; ; ) {
        const more = readSync(file, buffer, size, buffer.length - size, null)
        if (more === 0) return buffer.subarray(0, size)
        size += more
        if (size < buffer.length) continue
        const larger = new Uint8Array(buffer.length * 2)
        larger.set(buffer)
        buffer = larger
      }
    } finally {
      closeSync(file)
    }
  }
}

/** Gives the files below a folder by the names they have in findings. */
export function assetReader(folder: string): ReadAsset {
  return (asset) => readFile(join(folder, asset)).catch(() => undefined)
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
