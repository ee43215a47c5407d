import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { afterAll } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Builds entries of `src/` into a folder of their own, laid out as the package is: webpack and Rspack load
 * loaders by themselves, and Node does not read TypeScript. Removed when the tests of the file have ended.
 * @param entries paths below `src/`, without an extension
 * @returns what imports one of them, by Node's own import as a user's configuration does
 */
export async function buildEntries(
  entries: readonly string[],
): Promise<{ url: (entry: string) => string; file: (entry: string) => string }> {
  const parent = join(root, 'test/.tmp')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'built-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
    platform: 'node',
    logLevel: 'silent',
    external: (id) => /^[^./\0]/.test(id),
  })
  await bundle.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
  })
  await bundle.close()
  const file = (entry: string): string => join(folder, `${entry}.js`)
  return { file, url: (entry) => pathToFileURL(file(entry)).href }
}
