import { join, resolve } from 'node:path'
import {
  deriveKey,
  hasEnvironmentKey,
  keyedFileName,
  loadKeyring,
  loadProjectKeyring,
  type SealLabel,
} from '../crypto/keys.ts'
import { reasonOf, SecretsError } from '../errors.ts'
import { cacheFolder } from '../files.ts'
import type { CacheStorage, CacheStorageDescription } from '../types.ts'
import type { CacheEntry } from './entries.ts'
import { chooseFolder, realpath } from './place.ts'
import { sealedCache } from './sealed.ts'
import { fileShelf, storageShelf } from './shelf.ts'

export type { CacheEntry } from './entries.ts'

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
  /** Gives back connections. */
  close(): Promise<void>
  /** The sealed file; `undefined`: in memory only, or in a storage. */
  readonly file: string | undefined
  /** The path to lock while fetching for it; `undefined`: no other process would see what was fetched. */
  readonly turn: string | undefined
  /** Where it is, for messages. */
  readonly name: string
}

export interface OpenCacheOptions {
  /** The folder of the configuration, absolute. */
  root: string
  profile: string | undefined
  environment: string
  /** Relative to `root`; never inside it. Default: the user's cache folder. */
  directory?: string | undefined
  /** Instead of a file. */
  storage?: CacheStorage | CacheStorageDescription | undefined
  warn(message: string): void
}

/**
 * In CI without `SECRETS_KEY`, and wherever keys or files cannot be kept, the cache lives in memory.
 * @throws SecretsError CONFIG_INVALID for a directory inside the project, KEY_MISSING for a `SECRETS_KEY` that is none.
 */
export function openCache(options: OpenCacheOptions): SecretCache {
  const warn = once(options.warn)
  const root = realpath(resolve(options.root))
  const scope = JSON.stringify([root, options.profile ?? null, options.environment])
  const generations = openGenerations({ ...options, warn }, true)
  return generations[0] ?? memoryCache(scope)
}

/**
 * The cache under the current key, then those that earlier keys may have left.
 * @returns nothing where it lives in memory
 */
export function openGenerations(options: OpenCacheOptions, currentOnly = false): SecretCache[] {
  const { profile = null, environment, storage, warn } = options
  const root = realpath(resolve(options.root))
  // A storage is outside by nature; the lock that goes with it is not worth a question.
  const folder = storage ? cacheFolder() : chooseFolder(root, options.directory, warn)
  if (!folder || (inCi() && !hasEnvironmentKey())) return []
  // Machines have neither the device secret nor the path of the project in common.
  const label: SealLabel = storage
    ? { purpose: 'shared', scope: JSON.stringify([profile, environment]) }
    : { purpose: 'cache', scope: JSON.stringify([root, profile, environment]) }
  try {
    const ring = (storage ? loadProjectKeyring : loadKeyring)(root, { create: true })
    return (currentOnly ? ring.slice(0, 1) : ring).map((halves) => {
      const key = deriveKey(halves, label)
      const item = keyedFileName(key)
      const guard = join(folder, item)
      return storage
        ? sealedCache({ shelf: storageShelf(storage, item), key, label, guard, file: undefined, warn })
        : sealedCache({ shelf: fileShelf(guard), key, label, guard, file: guard, warn })
    })
  } catch (error) {
    // A key that somebody gave and that is none is a mistake to mend; a home that cannot be written is not.
    if (error instanceof SecretsError && error.code === 'KEY_MISSING') throw error
    warn(`Secrets are cached in memory only. ${reasonOf(error)}`)
    return []
  }
}

/** By scope, for the whole process: a build that asks for its configuration several times fetches once. */
const inMemory = new Map<string, ReadonlyMap<string, CacheEntry>>()

function memoryCache(scope: string): SecretCache {
  return {
    file: undefined,
    turn: undefined,
    name: 'memory',
    read: async () => new Map(inMemory.get(scope)),
    async update(change) {
      const changed = new Map(inMemory.get(scope))
      change(changed)
      inMemory.set(scope, changed)
    },
    async clear() {
      inMemory.delete(scope)
    },
    close: async () => {},
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
