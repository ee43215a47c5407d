import type { CacheControl } from './cache/control.ts'
import { type OpenCacheOptions, openCache, type SecretCache } from './cache/index.ts'
import { ignoredBeside } from './config/find.ts'
import { type ResolvedConfig, type ResolveOptions, resolveConfig } from './config/resolve.ts'
import { formatAge } from './duration.ts'
import { reasonOf } from './errors.ts'
import { consoleLogger, type Logger } from './log.ts'
import { isFromCache, planReads } from './reads.ts'
import {
  decide,
  fetchInTurn,
  fetchOptions,
  fetchRound,
  type Loader,
  type Refresh,
  type Round,
  takeCached,
  takeRule,
  withStale,
} from './round.ts'
import { changedNames, type Snapshot } from './snapshot.ts'
import type { ProviderContext } from './types.ts'
import { resolveValues } from './values.ts'
import type { Watch, WatchOptions } from './watch.ts'

export interface SecretsOptions extends ResolveOptions {
  /** Where warnings go. Default: the standard error. */
  logger?: Logger
  /**
   * Whether a dev server asks: it goes on with cached values where a login fails (`cache.staleOnAuthError`),
   * and may start before they are renewed (`cache.staleWhileRevalidate`). Default: as the environment says.
   */
  dev?: boolean
  /**
   * With `cache.staleWhileRevalidate`: called when values that were used at once turned out to be other ones.
   * Default: a warning with their names.
   */
  onRevalidated?(names: readonly string[], snapshot: Snapshot): void
}

export interface LoadOptions {
  /** Asks the providers even where the cache is fresh: for everything, or for these names and what their templates need. */
  refresh?: boolean | readonly string[]
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
  /** The cache of this environment and profile, by hand. */
  cache(): Promise<CacheControl>
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
  const { logger = consoleLogger, dev, onRevalidated, ...rest } = options
  const config = await resolveConfig(rest)
  if (config.files.length > 0) warnOfIgnored(config.files, logger)
  let opened: SecretCache | undefined
  // Opened when the first cached value is asked for: a project without one makes no keys and hears no warning.
  const cache = (): SecretCache | undefined => {
    if (config.cache !== false) opened ??= openCache(cacheOptionsOf(config, logger))
    return opened
  }
  const loader: Loader = { config, logger, cache, dev }
  let loading: Promise<Snapshot> | undefined
  let refreshing: Promise<Snapshot> | undefined
  let latest: Snapshot | undefined
  const watches = new Set<Watch>()
  let behind: Promise<void> | undefined
  const tell = (names: readonly string[]): void =>
    logger.warn(`Changed since they were cached: ${names.join(', ')}. Start again to use the new values.`)
  const revalidate = (used: Snapshot): void => {
    behind ??= load({ refresh: true })
      .then((fresh) => {
        const names = changedNames(used, fresh)
        if (names.length > 0) (onRevalidated ?? tell)(names, fresh)
      })
      .catch((error: unknown) => logger.warn(`Cached values could not be renewed. ${reasonOf(error)}`))
      .finally(() => {
        behind = undefined
      })
  }
  const loadNow = async (how: LoadHow): Promise<Snapshot> => {
    latest = await loadSnapshot(loader, how, revalidate)
    return latest
  }
  const load: Secrets['load'] = (how = {}) => {
    if (Array.isArray(how.refresh)) return loadNow(how)
    // A plain load may ride on a refresh; the other way round nobody would have asked the providers.
    if (how.refresh) {
      refreshing ??= loadNow(how).finally(() => {
        refreshing = undefined
      })
      return refreshing
    }
    loading ??= (refreshing ?? loadNow(how)).finally(() => {
      loading = undefined
    })
    return loading
  }
  const contextFor = (name: string): ProviderContext => {
    return { ...fetchOptions(config, logger).context, name, signal: AbortSignal.timeout(config.timeout) }
  }
  return {
    config,
    load,
    contextFor,
    watch: async (how) => {
      const { startWatch } = await import('./watch.ts')
      const watch = startWatch(
        {
          config,
          logger,
          contextFor,
          // Not with others' calls: one that is under way may have read before the change.
          load: (refresh, quiet) => loadSnapshot({ ...loader, logger: quiet }, { refresh }, revalidate),
        },
        { ...(latest && { from: latest }), ...how },
      )
      watches.add(watch)
      return watch
    },
    cache: async () => {
      const { controlCache } = await import('./cache/control.ts')
      return controlCache(config, cacheOptionsOf(config, logger))
    },
    close: async () => {
      for (const watch of watches) watch.stop()
      // The work is done by now: a connection that ends badly is no reason to fail.
      await behind
      await Promise.allSettled([...config.providers.values()].map(async (provider) => provider.close?.()))
      await opened?.close()
    },
  }
}

/** Gives back what `secrets` holds, unless its providers are the ones of `kept`: objects that both were given. */
export function closeOther(secrets: Secrets, kept: Secrets): void {
  const providers = new Set(kept.config.providers.values())
  if (![...secrets.config.providers.values()].some((provider) => providers.has(provider)))
    void secrets.close()
}

/** As `LoadOptions`, or only what some providers hold. */
interface LoadHow {
  readonly refresh?: Refresh | undefined
}

async function loadSnapshot(
  loader: Loader,
  how: LoadHow,
  revalidate: (used: Snapshot) => void,
): Promise<Snapshot> {
  if (loader.config.audit === undefined) return loadOnce(loader, how, revalidate)
  const { audit } = await import('./audit.ts')
  const action = how.refresh ? 'refresh' : 'load'
  const snapshot = await loadOnce(loader, how, revalidate).catch(async (error: unknown) => {
    await audit(loader.config, { action, error })
    throw error
  })
  await audit(loader.config, { action, snapshot })
  return snapshot
}

/** @param revalidate asks again, behind a snapshot that is served now. */
async function loadOnce(
  loader: Loader,
  how: LoadHow,
  revalidate: (used: Snapshot) => void,
): Promise<Snapshot> {
  const { config, logger } = loader
  const reads = planReads(config)
  const cache = reads.some((read) => read.cacheKey !== undefined) ? loader.cache() : undefined
  const cached = await cache?.read()
  const round: Round = { reads, cache, cached, rule: takeRule(config, how.refresh) }
  const decisions = decide(round)
  const missing = reads.filter((read) => !decisions.get(read))
  logger.debug(`${reads.length - missing.length} of ${reads.length} references are taken from the cache`)
  // Only what others would find in the cache afterwards is worth waiting for them.
  const isShared = missing.some((read) => read.cacheKey !== undefined)
  const stale = isShared && !how.refresh ? withStale(loader, round, missing) : undefined
  const settled =
    missing.length === 0
      ? takeCached(round, decisions)
      : isShared && !stale && cache?.turn
        ? await fetchInTurn(loader, round, cache.turn)
        : await fetchRound(loader, stale ?? round, config.timeout)
  if (settled.stale) {
    const { providers, age, count, why } = settled.stale
    logger.warn(
      `${why} Using ${count} cached value${count === 1 ? '' : 's'} from ${providers}, ${formatAge(age)} old.`,
    )
  }
  try {
    const snapshot = await resolveValues(config, settled.values)
    if (stale) revalidate(snapshot)
    return snapshot
  } catch (error) {
    // What is wrong with a cached value may have been mended at its provider since.
    const fromCache = [...settled.values.values()].some((value) => isFromCache(value))
    if (how.refresh === true || settled.revoked || !fromCache) throw error
    return loadOnce(loader, { refresh: true }, revalidate)
  }
}

/** Said once a process: a build resolves its configuration several times. */
const warned = new Set<string>()

function warnOfIgnored(files: readonly string[], logger: Logger): void {
  for (const file of ignoredBeside(files)) {
    if (warned.has(file)) continue
    warned.add(file)
    logger.warn(`${file} is not read, because ${files.at(-1)} is there. Remove one of them.`)
  }
}

/** The cache that belongs to a configuration. */
function cacheOptionsOf(config: ResolvedConfig, logger: Logger): OpenCacheOptions {
  const { directory, storage } = config.cache || {}
  return {
    root: config.root,
    profile: config.profile,
    environment: config.environment,
    directory,
    storage,
    warn: (message) => logger.warn(message),
  }
}
