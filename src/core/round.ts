import type { CacheEntry, SecretCache } from './cache/index.ts'
import type { ResolvedConfig } from './config/resolve.ts'
import { reasonOf } from './errors.ts'
import type { FetchOptions } from './fetch.ts'
import type { Logger } from './log.ts'
import { fromCache, type Read, referencesOf, type Settled, type SettleOutput, settle } from './reads.ts'
import type { ReadResult } from './types.ts'
import { userAgent } from './user-agent.ts'

/** Who loads. */
export interface Loader {
  readonly config: ResolvedConfig
  readonly logger: Logger
  readonly cache: () => SecretCache | undefined
  readonly dev: boolean | undefined
}

/** What one round of reading works with. */
export interface Round {
  readonly reads: readonly Read[]
  readonly cache: SecretCache | undefined
  readonly cached: ReadonlyMap<string, CacheEntry> | undefined
  readonly rule: TakeRule
}

/** Whether a cached value is taken without asking, and as what. */
type TakeRule = (entry: CacheEntry, read: Read) => 'fresh' | 'stale' | undefined

/** What a rule says of each reference, asked once: what was not asked for must not count as not there later. */
type Decisions = ReadonlyMap<Read, ReturnType<TakeRule>>

export function decide({ reads, cached, rule }: Round): Decisions {
  return new Map(
    reads.map((read) => {
      const entry = read.cacheKey === undefined ? undefined : cached?.get(read.cacheKey)
      return [read, entry && rule(entry, read)]
    }),
  )
}

/** Where nobody has to be asked: without the failure policy, which is about answers, and which such a start never compiles. */
export function takeCached({ reads, cached }: Round, decisions: Decisions): SettleOutput {
  const values = new Map<string, Settled>()
  for (const read of reads)
    values.set(read.key, fromCache(cached!.get(read.cacheKey!)!, decisions.get(read) === 'stale'))
  return { values, changes: new Map(), stale: undefined, revoked: false }
}

/** What is asked for even where the cache is fresh: everything, some names, or what some providers hold. */
export type Refresh = boolean | readonly string[] | { readonly providers: readonly string[] }

function isAsked(config: ResolvedConfig, refresh: Refresh): (read: Read) => boolean {
  if (typeof refresh === 'boolean') return () => refresh
  if ('providers' in refresh) return (read) => refresh.providers.includes(read.reference.provider)
  const keys = referencesOf(config, refresh)
  return (read) => keys.has(read.key)
}

/** `ttl`, `sync` and a refresh decide. */
export function takeRule(config: ResolvedConfig, refresh: Refresh = false): TakeRule {
  const started = Date.now()
  const asked = isAsked(config, refresh)
  return (entry, read) => {
    const now = Date.now()
    // From the future: the clock was set back, and nobody knows how old it is.
    if (entry.fetchedAt > now) return undefined
    // Another process asked for it after this one had begun to wait: that is as good as our own answer.
    if (entry.fetchedAt > started) return 'fresh'
    if (asked(read)) return undefined
    if (now - entry.fetchedAt < read.ttl) return 'fresh'
    return config.sync === 'manual' ? 'stale' : undefined
  }
}

/**
 * A dev server may begin with what is there and ask behind it, if everything that is cached at all is there.
 * @returns the round that takes it so
 */
export function withStale(
  { config, dev }: Loader,
  round: Round,
  missing: readonly Read[],
): Round | undefined {
  if (!dev || config.cache === false || !config.cache.staleWhileRevalidate) return undefined
  const oldest = Date.now() - config.cache.maxStale
  const isUsable = ({ fetchedAt }: CacheEntry): boolean => fetchedAt >= oldest && fetchedAt <= Date.now()
  const all = missing.every(({ cacheKey }) => {
    const entry = cacheKey === undefined ? undefined : round.cached?.get(cacheKey)
    return cacheKey === undefined || (entry !== undefined && isUsable(entry))
  })
  return all ? { ...round, rule: (entry, read) => round.rule(entry, read) ?? 'stale' } : undefined
}

/** As `fetchRound`, but what another process has fetched meanwhile is not asked for again. */
export async function fetchInTurn(loader: Loader, round: Round, path: string): Promise<SettleOutput> {
  // A warm start has no use for it.
  const { inTurn } = await import('./cache/turn.ts')
  return inTurn(path, loader.config.timeout, async (left) => {
    return fetchRound(loader, { ...round, cached: await round.cache?.read() }, left)
  })
}

/** Asks for what is missing, and writes down what there is to learn from the answers. */
export async function fetchRound(loader: Loader, round: Round, timeout: number): Promise<SettleOutput> {
  const decisions = decide(round)
  const missing = [...decisions].flatMap(([read, taken]) => (taken ? [] : read.reference))
  const now = Date.now()
  let documents: ReadonlyMap<string, ReadResult> = new Map()
  if (missing.length > 0) {
    // A warm start has no use for it.
    const { fetchDocuments } = await import('./fetch.ts')
    documents = await fetchDocuments(missing, { ...fetchOptions(loader.config, loader.logger), timeout })
  }
  const { config, dev } = loader
  const settled = settle(round.reads, {
    cached: round.cached,
    documents,
    taken: (read) => decisions.get(read),
    // No value is younger than the question.
    now,
    maxStale: config.cache ? config.cache.maxStale : 0,
    staleOnAuthError: config.cache
      ? (config.cache.staleOnAuthError ?? dev ?? config.environment === 'development')
      : false,
  })
  const { cache } = round
  if (settled.revoked) await cache?.clear()
  else if (cache && settled.changes.size > 0) await store(cache, settled.changes, loader.logger)
  return settled
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

/** What every provider call is told. */
export function fetchOptions(config: ResolvedConfig, logger: Logger): FetchOptions {
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
