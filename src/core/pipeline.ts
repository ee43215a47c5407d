import { type CacheEntry, openCache, type SecretCache } from './cache/index.ts'
import { type ResolvedConfig, type ResolveOptions, resolveConfig } from './config/resolve.ts'
import { formatAge } from './duration.ts'
import { reasonOf } from './errors.ts'
import type { FetchOptions } from './fetch.ts'
import { consoleLogger, type Logger } from './log.ts'
import { isFromCache, planReads, type Read, settle } from './reads.ts'
import type { Snapshot } from './snapshot.ts'
import type { ProviderContext, ReadResult } from './types.ts'
import { userAgent } from './user-agent.ts'
import { resolveValues } from './values.ts'
import type { Watch, WatchOptions } from './watch.ts'

export interface SecretsOptions extends ResolveOptions {
  /** Where warnings go. Default: the standard error. */
  logger?: Logger
}

export interface LoadOptions {
  /** Asks the providers even where the cache is fresh. */
  refresh?: boolean
}

/** The configured secrets of one environment and profile. */
export interface Secrets {
  readonly config: ResolvedConfig
  /**
   * Resolves every declared secret: from the cache where it is fresh, else from the providers.
   * Concurrent calls are one. @throws SecretsError with every problem at once
   */
  load(options?: LoadOptions): Promise<Snapshot>
  /**
   * What a call to a configured provider has to be told, for `check`, `list`, `write` and `remove`.
   * Its deadline, the configuration's `timeout`, begins now.
   */
  contextFor(provider: string): ProviderContext
  /**
   * Tells changes of values until it is stopped: providers are asked for their stamps in intervals (30 s unless
   * told), files are watched, `secrets refresh` is heard. Keeps no process alive. Resolves when it has begun.
   * @throws SecretsError CONFIG_INVALID for an interval that is none
   */
  watch(options: WatchOptions): Promise<Watch>
  /** Gives back sockets and timers, those of watches too. */
  close(): Promise<void>
}

/**
 * config → references → cache → providers → snapshot. The stages behind it (policy, exposure, scan) belong
 * to whom the values are for, and start from the snapshot.
 *
 * @throws SecretsError when the configuration or the policy is wrong; nothing has been fetched then
 */
export async function createSecrets(options: SecretsOptions = {}): Promise<Secrets> {
  const { logger = consoleLogger, ...rest } = options
  const config = await resolveConfig(rest)
  let opened: SecretCache | undefined
  // Opened when the first cached value is asked for: a project without one makes no keys and hears no warning.
  const cache = (): SecretCache | undefined => {
    if (config.cache !== false) opened ??= openCacheOf(config, logger)
    return opened
  }
  let loading: Promise<Snapshot> | undefined
  let refreshing: Promise<Snapshot> | undefined
  let latest: Snapshot | undefined
  const watches = new Set<Watch>()
  const loadOnce = async (how: LoadHow): Promise<Snapshot> => {
    latest = await loadSnapshot(config, cache, logger, how)
    return latest
  }
  const contextFor = (name: string): ProviderContext => {
    return { ...fetchOptions(config, logger).context, name, signal: AbortSignal.timeout(config.timeout) }
  }
  return {
    config,
    load: (how = {}) => {
      // A plain load may ride on a refresh; the other way round nobody would have asked the providers.
      if (how.refresh) {
        refreshing ??= loadOnce(how).finally(() => {
          refreshing = undefined
        })
        return refreshing
      }
      loading ??= (refreshing ?? loadOnce(how)).finally(() => {
        loading = undefined
      })
      return loading
    },
    contextFor,
    watch: async (how) => {
      const { startWatch } = await import('./watch.ts')
      const watch = startWatch(
        {
          config,
          logger,
          contextFor,
          // Not with others' calls: one that is under way may have read before the change.
          load: (refresh, quiet) => loadSnapshot(config, cache, quiet, refresh ? { refresh } : {}),
        },
        { ...(latest && { from: latest }), ...how },
      )
      watches.add(watch)
      return watch
    },
    close: async () => {
      for (const watch of watches) watch.stop()
      // The work is done by now: a connection that ends badly is no reason to fail.
      await Promise.allSettled([...config.providers.values()].map(async (provider) => provider.close?.()))
    },
  }
}

/** As `LoadOptions`, or only what these providers hold. */
interface LoadHow {
  readonly refresh?: boolean | readonly string[]
}

async function loadSnapshot(
  config: ResolvedConfig,
  openCache: () => SecretCache | undefined,
  logger: Logger,
  how: LoadHow,
): Promise<Snapshot> {
  const now = Date.now()
  const reads = planReads(config)
  const cache = reads.some((read) => read.cacheKey !== undefined) ? openCache() : undefined
  const cached = await cache?.read()
  const { refresh = false } = how
  const isFresh = (read: Read): boolean => {
    const entry = read.cacheKey === undefined ? undefined : cached?.get(read.cacheKey)
    if (entry === undefined || refresh === true) return false
    if (refresh !== false && refresh.includes(read.reference.provider)) return false
    // From the future: the clock was set back, and nobody knows how old it is.
    return entry.fetchedAt <= now && now - entry.fetchedAt < read.ttl
  }
  const missing = reads.filter((read) => !isFresh(read))
  logger.debug(`${reads.length - missing.length} of ${reads.length} references are fresh in the cache`)
  const documents =
    missing.length === 0 ? new Map<string, ReadResult>() : await fetchAll(missing, config, logger)
  const settled = settle(reads, {
    cached,
    documents,
    isFresh,
    now,
    maxStale: config.cache ? config.cache.maxStale : 0,
  })
  if (cache && settled.changes.size > 0) await store(cache, settled.changes, logger)
  if (settled.stale) {
    const { providers, age, count, why } = settled.stale
    logger.warn(
      `${why} Using ${count} cached value${count === 1 ? '' : 's'} from ${providers}, ${formatAge(age)} old.`,
    )
  }
  try {
    return await resolveValues(config, settled.values)
  } catch (error) {
    // What is wrong with a cached value may have been mended at its provider since.
    const fromCache = [...settled.values.values()].some((value) => isFromCache(value))
    if (refresh === true || !fromCache) throw error
    return loadSnapshot(config, openCache, logger, { refresh: true })
  }
}

async function fetchAll(
  missing: readonly Read[],
  config: ResolvedConfig,
  logger: Logger,
): Promise<ReadonlyMap<string, ReadResult>> {
  // A warm start has no use for it.
  const { fetchDocuments } = await import('./fetch.ts')
  return fetchDocuments(
    missing.map((read) => read.reference),
    fetchOptions(config, logger),
  )
}

/** A cache that cannot be written costs speed and offline work, never the build. */
async function store(
  cache: SecretCache,
  changes: ReadonlyMap<string, CacheEntry | undefined>,
  logger: Logger,
): Promise<void> {
  try {
    await cache.update((entries) => {
      for (const [key, entry] of changes) {
        if (entry === undefined) entries.delete(key)
        else entries.set(key, entry)
      }
    })
  } catch (error) {
    logger.warn(`The cache was not written: ${reasonOf(error)}`)
  }
}

function openCacheOf(config: ResolvedConfig, logger: Logger): SecretCache {
  const directory = config.cache ? config.cache.directory : undefined
  return openCache({
    root: config.root,
    profile: config.profile,
    environment: config.environment,
    ...(directory ? { directory } : {}),
    warn: (message) => logger.warn(message),
  })
}

/** What every provider call is told. */
function fetchOptions(config: ResolvedConfig, logger: Logger): FetchOptions {
  return {
    providers: config.providers,
    timeout: config.timeout,
    context: {
      root: config.root,
      environment: config.environment,
      profile: config.profile,
      concurrency: 16,
      userAgent: userAgent(),
      debug: (message) => logger.debug(message),
    },
  }
}
