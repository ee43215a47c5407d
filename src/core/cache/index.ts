import { realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import {
  deriveKey,
  hasEnvironmentKey,
  keyedFileName,
  loadKeys,
  type SealKey,
  type SealLabel,
} from '../crypto/keys.ts'
import { open, seal } from '../crypto/seal.ts'
import { reasonOf, SecretsError } from '../errors.ts'
import { cacheFolder, lock, readIfExists, writeAtomic } from '../files.ts'

/** One fetched document. */
export interface CacheEntry {
  readonly kind: 'text' | 'json' | 'bytes'
  /** The text, JSON text, or base64. */
  readonly text: string
  /** The provider's stamp. */
  readonly version?: string
  /** Unix time in ms. */
  readonly fetchedAt: number
}

/** What was fetched for one project, profile and environment. It may lose everything, and never stops a build. */
export interface SecretCache {
  /** Keys are canonical reference texts. What does not verify counts as absent and is reported once. */
  read(): Promise<ReadonlyMap<string, CacheEntry>>
  /**
   * Reads, changes and writes under a lock that every process of this machine respects. A file that
   * cannot be written is reported, not thrown; what `change` throws is thrown and nothing is written.
   */
  update(change: (entries: Map<string, CacheEntry>) => void): Promise<void>
  clear(): Promise<void>
  /** The sealed file; `undefined`: in memory only. */
  readonly file: string | undefined
}

export interface OpenCacheOptions {
  /** The folder of the configuration, absolute. */
  root: string
  profile: string | undefined
  environment: string
  /** Relative to `root`; never inside it. Default: the user's cache folder. */
  directory?: string | undefined
  warn(message: string): void
}

/**
 * In CI without `SECRETS_KEY`, and wherever keys or files cannot be kept, the cache lives in memory.
 * @throws SecretsError CONFIG_INVALID for a directory inside the project, KEY_MISSING for a `SECRETS_KEY` that is none.
 */
export function openCache(options: OpenCacheOptions): SecretCache {
  const root = realpath(resolve(options.root))
  const warn = once(options.warn)
  const folder = chooseFolder(root, options.directory, warn)
  const scope = JSON.stringify([root, options.profile ?? null, options.environment])
  if (!folder || (inCi() && !hasEnvironmentKey())) return memoryCache(scope)
  const label: SealLabel = { purpose: 'cache', scope }
  let key: SealKey
  try {
    key = deriveKey(loadKeys(root, { create: true })!, label)
  } catch (error) {
    // A key that somebody gave and that is none is a mistake to mend; a home that cannot be written is not.
    if (error instanceof SecretsError && error.code === 'KEY_MISSING') throw error
    warn(`Secrets are cached in memory only. ${reasonOf(error)}`)
    return memoryCache(scope)
  }
  return fileCache(join(folder, keyedFileName(key)), key, label, warn)
}

function fileCache(
  file: string,
  key: SealKey,
  label: SealLabel,
  warn: (message: string) => void,
): SecretCache {
  async function read(): Promise<Map<string, CacheEntry>> {
    try {
      const sealed = await readIfExists(file)
      if (!sealed) return new Map()
      const entries = parseEntries(open(sealed, key, label))
      if (entries) return entries
      warn(`The cached secrets are not used: ${file} was written by another version of this program.`)
    } catch (error) {
      // What `readIfExists` throws is a sentence with the path, what `open` throws the reason alone.
      const unreadable = error instanceof SecretsError && error.code === 'FILE_UNREADABLE'
      warn(`The cached secrets are not used. ${unreadable ? error.message : `${file}: ${reasonOf(error)}.`}`)
    }
    return new Map()
  }

  async function write(work: () => Promise<void>): Promise<void> {
    try {
      await lock(file, work)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      warn(`The cached secrets could not be renewed. ${error.message}`)
    }
  }

  return {
    file,
    read,
    async update(change) {
      let failure: { error: unknown } | undefined
      await write(async () => {
        const entries = await read()
        try {
          change(entries)
        } catch (error) {
          failure = { error }
          return
        }
        const plain = Buffer.from(JSON.stringify({ entries: [...entries] }))
        await writeAtomic(file, seal(plain, key, label))
      })
      if (failure) throw failure.error
    },
    clear: () =>
      write(async () => {
        const { rm } = await import('node:fs/promises')
        await rm(file, { force: true, recursive: true })
      }),
  }
}

/** By scope, for the whole process: a build that asks for its configuration several times fetches once. */
const inMemory = new Map<string, ReadonlyMap<string, CacheEntry>>()

function memoryCache(scope: string): SecretCache {
  return {
    file: undefined,
    read: async () => new Map(inMemory.get(scope)),
    async update(change) {
      const changed = new Map(inMemory.get(scope))
      change(changed)
      inMemory.set(scope, changed)
    },
    async clear() {
      inMemory.delete(scope)
    },
  }
}

/** @returns `undefined` for anything that is not exactly what `update` writes. */
function parseEntries(plain: Buffer): Map<string, CacheEntry> | undefined {
  try {
    const content = JSON.parse(plain.toString()) as { entries?: unknown } | null
    if (!Array.isArray(content?.entries)) return undefined
    const pairs = content.entries as unknown[]
    return pairs.every(isPair) ? new Map(pairs) : undefined
  } catch {
    return undefined
  }
}

function isPair(pair: unknown): pair is [string, CacheEntry] {
  if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') return false
  const entry = pair[1] as Partial<Record<keyof CacheEntry, unknown>> | null
  return (
    typeof entry === 'object' &&
    entry !== null &&
    (entry.kind === 'text' || entry.kind === 'json' || entry.kind === 'bytes') &&
    typeof entry.text === 'string' &&
    (entry.version === undefined || typeof entry.version === 'string') &&
    Number.isFinite(entry.fetchedAt)
  )
}

/**
 * A cache inside the project would be copied into images, published and committed with it. Chosen so
 * it is a mistake; where the home folder happens to be the project (containers) memory does.
 */
function chooseFolder(
  root: string,
  chosen: string | undefined,
  warn: (message: string) => void,
): string | undefined {
  const folder = chosen === undefined ? cacheFolder() : resolve(root, chosen)
  if (!isInside(realpath(folder), root)) return folder
  if (chosen !== undefined)
    throw new SecretsError('CONFIG_INVALID', `cache.directory must not be inside the project: ${folder}.`, {
      hint: 'Choose a folder outside, or leave it out: the user’s cache folder is used then.',
    })
  warn(`Secrets are cached in memory only: the user's cache folder ${folder} is inside the project.`)
  return undefined
}

function isInside(folder: string, root: string): boolean {
  const path = relative(root, folder)
  return path === '' || !(path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path))
}

/** Links resolved as far as the path exists. */
function realpath(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realpath(parent), path.slice(parent.length))
  }
}

function inCi(): boolean {
  const value = process.env.CI
  return Boolean(value) && value !== 'false' && value !== '0'
}

function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>()
  return (message) => {
    if (said.has(message)) return
    said.add(message)
    warn(message)
  }
}
