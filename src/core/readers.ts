import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { sep } from 'node:path'

/** What no loader makes JavaScript with reads of. Everything else is looked into. */
const ASSETS = new Set(
  '.png .jpg .jpeg .gif .webp .avif .ico .svg .bmp .woff .woff2 .ttf .otf .eot .mp3 .mp4 .webm .ogg .wav .pdf .zip .gz .br .wasm .node .map .css .scss .sass .less .styl .md .txt .lock .log .snap .vault'.split(
    ' ',
  ),
)
/** Folders that are no sources of the project. */
const FOREIGN = new Set(['node_modules', '.git', '.secrets'])
/** Told the encoding, Node reads small files in one call. Of a mere word it makes such an object for every file. */
const TEXT = { encoding: 'utf8', flag: 'r' } as const

export interface ReadersOptions {
  /** Whether a text may read a secret; asked for those that have one of the words. */
  readonly reads: (text: string, path: string) => boolean
  /** One of these words stands in every module that reads. */
  readonly words: readonly string[]
  /** Folders that are not looked into: what the build itself writes. */
  readonly skip: ReadonlySet<string>
}

export interface Readers {
  /** Files that name a secret. */
  readonly files: Set<string>
  /** Files and folders that could not be looked into: links, and what may not be read. */
  readonly unknown: string[]
}

/**
 * The files below a folder that name a secret. Rspack and esbuild cannot choose modules by what stands in
 * them, and handing every module to JavaScript costs a third of a build; reading the sources costs a hundredth.
 */
export function findReaders(folder: string, options: ReadersOptions): Readers {
  const found: Readers = { files: new Set(), unknown: [] }
  const visit = (at: string): void => {
    let entries: import('node:fs').Dirent[]
    try {
      entries = readdirSync(at, { withFileTypes: true })
    } catch {
      found.unknown.push(at + sep)
      return
    }
    for (const entry of entries) {
      // Nothing to normalise, which would cost as much as to read the file.
      const path = at.endsWith(sep) ? at + entry.name : at + sep + entry.name
      if (entry.isFile()) {
        // As `extname` has it, which steps through a name letter by letter.
        const dot = entry.name.lastIndexOf('.')
        if (dot > 0 && ASSETS.has(entry.name.slice(dot))) continue
        const reads = fileReads(path, options)
        if (reads === undefined) found.unknown.push(path)
        else if (reads) found.files.add(path)
      } else if (entry.isDirectory()) {
        if (!FOREIGN.has(entry.name) && !options.skip.has(path)) visit(path)
      } else if (entry.isSymbolicLink()) found.unknown.push(path)
    }
  }
  visit(realpath(folder))
  return found
}

/** @returns `undefined` for a file that cannot be read */
export function fileReads(path: string, { words, reads }: ReadersOptions): boolean | undefined {
  try {
    const text = readFileSync(path, TEXT)
    return words.some((word) => text.includes(word)) && reads(text, path)
  } catch {
    return undefined
  }
}

function realpath(folder: string): string {
  try {
    return realpathSync(folder)
  } catch {
    return folder
  }
}
