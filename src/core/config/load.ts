import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { reasonOf, SecretsError } from '../errors.ts'
import type { SecretsConfig } from '../types.ts'

/**
 * Reads one configuration file. Node's own import comes first: `.mjs` and `.js` cost nothing, and a Node
 * that strips types (22.18 and later) reads `.ts` in a third of the time jiti takes, which is the way
 * for the others, and for what stripping cannot read: an `enum`, an import without its extension.
 * jiti's own cache on disk stays off: a copy of somebody's configuration belongs nowhere.
 *
 * @throws SecretsError `CONFIG_UNREADABLE` naming the file
 */
export async function loadConfigFile(file: string): Promise<SecretsConfig> {
  const extension = extname(file)
  let loaded: unknown
  try {
    if (extension === '.json') loaded = parseJson(await readFile(file, 'utf8'))
    else if (/^\.m?ts$/.test(extension)) loaded = await importTypeScript(file)
    else loaded = await importFresh(file)
    if (typeof loaded === 'function') loaded = await (loaded as () => unknown)()
  } catch (error) {
    throw unreadable(file, error)
  }
  if (typeof loaded !== 'object' || loaded === null || Array.isArray(loaded)) {
    throw new SecretsError('CONFIG_UNREADABLE', `${file} exports no configuration.`, {
      hint: 'Write `export default defineConfig({ … })`.',
    })
  }
  return loaded as SecretsConfig
}

/** JSON.parse's own message quotes the text around the mistake, and a configuration may hold credentials. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const position = / at position (\d+)/.exec((error as SyntaxError).message)?.[1]
    const line = position && text.slice(0, Number(position)).split('\n').length
    throw new SyntaxError(`it is not JSON${line ? ` (line ${line})` : ''}.`)
  }
}

/** `process.features.typescript` is `'strip'` or `'transform'` from Node 22.10 on, where it is switched on. */
function stripsTypes(): boolean {
  return Boolean((process.features as { typescript?: string | false }).typescript)
}

/** What Node says of a file that it does not run a line of. */
const BEYOND_STRIPPING = new Set([
  'ERR_MODULE_NOT_FOUND',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
])

async function importTypeScript(file: string): Promise<unknown> {
  if (!stripsTypes()) return importWithJiti(file)
  try {
    return await importFresh(file)
  } catch (error) {
    if (!BEYOND_STRIPPING.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    return importWithJiti(file)
  }
}

async function importFresh(file: string): Promise<unknown> {
  return ((await import(/* @vite-ignore */ freshUrl(file))) as { default?: unknown }).default
}

/** A dev server that restarts reads the file again instead of Node's module cache. */
function freshUrl(file: string): string {
  const url = pathToFileURL(file)
  loads += 1
  if (loads > 1) url.searchParams.set('load', String(loads))
  return url.href
}
let loads = 0

async function importWithJiti(file: string): Promise<unknown> {
  const { createJiti } = await import('jiti')
  const jiti = createJiti(import.meta.url, { fsCache: false, moduleCache: false, interopDefault: false })
  // Only the default export, as with Node's own import; jiti would give the module in its place.
  return ((await jiti.import(file)) as { default?: unknown }).default
}

function unreadable(file: string, error: unknown): SecretsError {
  if (error instanceof SecretsError) {
    return new SecretsError(error.code, `${file}: ${error.message}`, {
      hint: error.hint,
      problems: error.problems,
    })
  }
  // What a config file throws is its author's own text about it, and the only way to find the mistake.
  const text = error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : reasonOf(error)
  return new SecretsError('CONFIG_UNREADABLE', `Cannot read ${file}: ${text}`, {
    hint: 'Mend the file; nothing was fetched.',
  })
}
