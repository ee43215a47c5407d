import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Where benchmarks keep what they make; not part of the repository. */
export const temporary = join(root, 'bench/.tmp')

/**
 * Imports a TypeScript module of the project on any Node: bundled first, packages left outside.
 * @param {string} path relative to the project's root
 * @returns {Promise<any>} its namespace
 */
export function loadSource(path) {
  mkdirSync(temporary, { recursive: true })
  const outfile = join(temporary, `${path.replaceAll(/[^\w]+/g, '-')}.mjs`)
  buildSync({
    absWorkingDir: root,
    entryPoints: [path],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  })
  return import(pathToFileURL(outfile).href)
}
