import { existsSync } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
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

/** Writes outputs as esbuild does: what has not changed stays untouched, what is no longer made goes. */
export class Writer {
  #written = new Map<string, string>()

  async write(files: readonly OutputFile[]): Promise<void> {
    const now = new Map(files.map(({ path, hash }) => [path, hash]))
    await Promise.all(files.map((file) => this.#writeOne(file)))
    await Promise.all(
      [...this.#written.keys()].filter((path) => !now.has(path)).map((path) => rm(path, { force: true })),
    )
    this.#written = now
  }

  async #writeOne({ path, hash, contents }: OutputFile): Promise<void> {
    if (path === STDOUT) {
      process.stdout.write(contents)
      return
    }
    if (this.#written.get(path) === hash && existsSync(path)) return
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, contents)
    // `#!`: meant to be started.
    if (contents[0] === 0x23 && contents[1] === 0x21) await chmod(path, 0o755)
  }
}
