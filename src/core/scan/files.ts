import { closeSync, type Dirent, fstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { setImmediate } from 'node:timers/promises'
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
  const paths = list(folder, excluded, problems)
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
    if (packingOf(path)) continue
    try {
      scanBytes(read(join(folder, path)), path, index)
    } catch (error) {
      failed(path, error)
    }
    if (performance.now() - turn < LONGEST_TURN) continue
    await setImmediate()
    turn = performance.now()
  }

  const packed = [...paths.entries()].filter(([, path]) => packingOf(path))
  if (packed.length > 0) {
    const { pLimit, unpack } = await import('./unpack.ts')
    const limit = pLimit(concurrency)
    const scanPacked = async (path: string, index: number): Promise<void> => {
      try {
        let bytes: Uint8Array = await readFile(join(folder, path))
        try {
          bytes = await unpack(bytes, packingOf(path)!)
        } catch (error) {
          problems.push({ path, reason: `cannot be unpacked (${reasonOf(error)})` })
        }
        scanBytes(bytes, path, index)
      } catch (error) {
        failed(path, error)
      }
    }
    await Promise.all(packed.map(([index, path]) => limit(scanPacked, path, index)))
  }
  problems.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { findings: findings.flat(), ...total, problems }
}

function packingOf(path: string): 'gz' | 'br' | undefined {
  const extension = path.slice(path.lastIndexOf('.') + 1)
  return extension === 'gz' || extension === 'br' ? extension : undefined
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
function list(folder: string, excluded: (path: string) => boolean, problems: ScanProblem[]): string[] {
  const files: string[] = []
  const walk = (below: string): void => {
    let entries: Dirent[]
    try {
      entries = readdirSync(join(folder, below), { withFileTypes: true })
    } catch (error) {
      problems.push({ path: below === '' ? '.' : below, reason: `cannot be listed (${reasonOf(error)})` })
      return
    }
    for (const entry of entries) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (excluded(path)) continue
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) files.push(path)
      else {
        const reason = entry.isSymbolicLink() ? linkProblem(folder, path) : 'is not a regular file'
        if (reason !== undefined) problems.push({ path, reason })
      }
    }
  }
  walk('')
  return files.sort()
}

/** What keeps the target of a link from being met on the way through the folder. */
function linkProblem(folder: string, path: string): string | undefined {
  try {
    const way = relative(realpathSync(folder), realpathSync(join(folder, path)))
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
