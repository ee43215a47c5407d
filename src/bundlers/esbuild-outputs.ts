import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { OutputFile } from 'esbuild'

/** A source map within its output. */
export const INLINE = /(\/[/*]# sourceMappingURL=data:application\/json;base64,)([\w+/=]+)/
const OURS = /(?:^|[:/])virtual:secrets\//

/** What esbuild calls the one output of a build that names no file. */
export const STDOUT = '<stdout>'

/** An output whose source map quotes no module of ours: the client's holds every name that clients may have. */
export function withoutOwnSources(file: OutputFile): OutputFile {
  if (file.path.endsWith('.map')) {
    const text = cleanMap(file.text)
    return text === undefined ? file : withText(file, text)
  }
  const bytes = Buffer.from(file.contents.buffer, file.contents.byteOffset, file.contents.byteLength)
  if (!bytes.includes('sourceMappingURL=data:')) return file
  const text = file.text.replace(INLINE, (whole, head: string, data: string) => {
    const clean = cleanMap(Buffer.from(data, 'base64').toString())
    return clean === undefined ? whole : `${head}${Buffer.from(clean).toString('base64')}`
  })
  return withText(file, text)
}

/** @returns `undefined` for what is no map, or one without our modules */
function cleanMap(text: string): string | undefined {
  if (!text.includes('virtual:secrets/')) return undefined
  try {
    const map = JSON.parse(text) as { sources?: string[]; sourcesContent?: (string | null)[] }
    if (!map.sources?.some((source) => OURS.test(source)) || !map.sourcesContent) return undefined
    map.sourcesContent = map.sourcesContent.map((content, index) =>
      OURS.test(map.sources![index] ?? '') ? null : content,
    )
    return `${JSON.stringify(map, null, 2)}\n`
  } catch {
    return undefined
  }
}

/** A file as esbuild gives them; other bundlers' outputs are treated alike. */
export function outputFile(path: string, contents: Uint8Array<ArrayBuffer>, hash = ''): OutputFile {
  return {
    path,
    contents,
    hash,
    get text() {
      return Buffer.from(contents).toString()
    },
  }
}

/** @param text takes the place of what the file held */
export function withText(file: OutputFile, text: string): OutputFile {
  return { path: file.path, hash: file.hash, contents: Buffer.from(text), text }
}

/**
 * Writes outputs as esbuild does: what has not changed stays untouched, what is no longer made goes. In one go: many
 * small files by promises cost three times as much.
 */
export class Writer {
  #written = new Map<string, string>()

  write(files: readonly OutputFile[]): void {
    const now = new Map(files.map(({ path, hash }) => [path, hash]))
    const folders = new Set<string>()
    for (const file of files) this.#writeOne(file, folders)
    for (const path of this.#written.keys()) if (!now.has(path)) rmSync(path, { force: true })
    this.#written = now
  }

  #writeOne({ path, hash, contents }: OutputFile, folders: Set<string>): void {
    if (path === STDOUT) {
      process.stdout.write(contents)
      return
    }
    if (this.#written.get(path) === hash && existsSync(path)) return
    const folder = dirname(path)
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true })
    folders.add(folder)
    writeFileSync(path, contents)
    // `#!`: meant to be started.
    if (contents[0] === 0x23 && contents[1] === 0x21) chmodSync(path, 0o755)
  }
}
