import { audit } from '../audit.ts'
import type { ResolvedConfig } from '../config/resolve.ts'
import { SecretsError } from '../errors.ts'
import { type OpenCacheOptions, openCache } from './index.ts'
import { type Rekeyed, rekeyCache } from './rekey.ts'

/** What may be told of a cache: one project, profile and environment. */
export interface CacheStatus {
  /** A file, `memory`, or the storage. */
  readonly place: string
  readonly values: number
  /** Age of the newest value in ms; `null`: there is none. */
  readonly newest: number | null
  readonly oldest: number | null
}

/** By hand, what otherwise happens by itself. Each throws SecretsError CONFIG_INVALID with `cache: false`. */
export interface CacheControl {
  status(): Promise<CacheStatus>
  /** Removes every value. @returns what was there */
  clear(): Promise<CacheStatus>
  /** Seals what is cached with a new project key, or with a changed `SECRETS_KEY`. */
  rekey(): Promise<Rekeyed>
}

/** @param options those of the configuration's cache */
export function controlCache(config: ResolvedConfig, options: OpenCacheOptions): CacheControl {
  const open = () => {
    if (config.cache !== false) return openCache(options)
    throw new SecretsError('CONFIG_INVALID', 'The cache is turned off: `cache: false`.', {
      hint: 'Take it out of the configuration to have one.',
    })
  }
  const look = async (clears: boolean): Promise<CacheStatus> => {
    const cache = open()
    try {
      const times = [...(await cache.read()).values()].map(({ fetchedAt }) => fetchedAt)
      if (clears) await cache.clear()
      const age = (time: number): number | null => (times.length === 0 ? null : Date.now() - time)
      return {
        place: cache.name,
        values: times.length,
        newest: age(Math.max(...times)),
        oldest: age(Math.min(...times)),
      }
    } finally {
      await cache.close()
    }
  }
  return {
    status: () => look(false),
    async clear() {
      const status = await look(true)
      await audit(config, { action: 'cache clear' })
      return status
    },
    async rekey() {
      await open().close()
      const rekeyed = await rekeyCache(options)
      await audit(config, { action: 'cache rekey' })
      return rekeyed
    },
  }
}
