import { reasonOf, SecretsError } from '../errors.ts'
import { readOwnFile, writeAtomic } from '../files.ts'
import type { CacheStorage, CacheStorageDescription } from '../types.ts'

/** Where the sealed bytes of one cache lie. Each method throws only SecretsErrors that are whole sentences. */
export interface Shelf {
  /** For messages. */
  readonly name: string
  read(): Promise<Buffer | undefined>
  write(sealed: Buffer): Promise<void>
  remove(): Promise<void>
  close?(): Promise<void>
}

export function fileShelf(file: string): Shelf {
  return {
    name: file,
    read: async () => readOwnFile(file),
    write: (sealed) => writeAtomic(file, sealed),
    async remove() {
      const { rm } = await import('node:fs/promises')
      await rm(file, { force: true, recursive: true })
    },
  }
}

/** How long a storage may take for one answer, in ms: a build is faster without it then. */
const PATIENCE = 3000

/**
 * A storage that other machines use too. It keeps text, so the bytes go as base64. One that has failed is not
 * asked again by this process: every build would wait for it several times.
 */
export function storageShelf(given: CacheStorage | CacheStorageDescription, item: string): Shelf {
  const key = `unplugin-secrets:${item}`
  const isMade = !isStorage(given)
  const name = isMade ? `cache storage ${given.driver}` : 'cache storage'
  let opened: Promise<CacheStorage> | undefined
  let failed: SecretsError | undefined
  const ask = async <T>(work: (storage: CacheStorage) => unknown): Promise<T> => {
    if (failed) throw failed
    try {
      opened ??= isMade ? openDriver(given) : Promise.resolve(given)
      return (await withinPatience(opened.then(work))) as T
    } catch (error) {
      failed =
        error instanceof SecretsError
          ? error
          : new SecretsError('UNREACHABLE', `The ${name} cannot be used: ${reasonOf(error)}.`)
      throw failed
    }
  }
  return {
    name: `the ${name}`,
    async read() {
      const text = await ask<unknown>((storage) => storage.getItem(key, {}))
      if (text === null || text === undefined) return undefined
      // Anything else is not ours, which the seal tells.
      return typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0)
    },
    write: (sealed) => ask((storage) => storage.setItem?.(key, sealed.toString('base64'), {})),
    remove: () => ask((storage) => storage.removeItem?.(key, {})),
    async close() {
      if (!isMade || !opened) return
      await withinPatience(opened.then((storage) => storage.dispose?.())).catch(() => {})
    },
  }
}

function isStorage(given: CacheStorage | CacheStorageDescription): given is CacheStorage {
  return 'getItem' in given && typeof given.getItem === 'function'
}

/** A driver as unstorage publishes it; `unstorage` itself is the project's to install. */
async function openDriver({ driver, ...options }: CacheStorageDescription): Promise<CacheStorage> {
  let make: (options: object) => CacheStorage
  try {
    // A name that bundlers leave alone: which driver it is, only the configuration knows.
    const path = `unstorage/drivers/${driver}`
    make = ((await import(/* @vite-ignore */ path)) as { default: typeof make }).default
  } catch (error) {
    throw new SecretsError(
      'CONFIG_INVALID',
      `The cache storage ${driver} cannot be loaded: ${reasonOf(error)}.`,
      {
        hint: `Install unstorage and what its driver ${driver} needs: npm install -D unstorage`,
      },
    )
  }
  return make(options)
}

async function withinPatience<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const fail = (): void =>
      reject(Object.assign(new Error('no answer'), { code: `no answer in ${PATIENCE / 1000} s` }))
    timer = setTimeout(fail, PATIENCE)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
