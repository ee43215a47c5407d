import type { CacheEntry } from './cache/index.ts'
import type { ResolvedConfig } from './config/resolve.ts'
import { parseDuration } from './duration.ts'
import { SecretsError, type SecretsErrorCode } from './errors.ts'
import { extract, type RawValue } from './extract.ts'
import { canonicalReference, documentKey } from './reference.ts'
import type { ReadResult, Reference } from './types.ts'

/** One reference to be read, once, whoever names it. */
export interface Read {
  readonly reference: Reference
  readonly key: string
  /** Its name in the cache: bound to the place as well, so that another server under the same name is another value. */
  readonly cacheKey: string | undefined
  /** ms */
  readonly ttl: number
  /** The first secret that names it, for messages. */
  readonly owner: string
}

/** What became of a reference. `undefined`: there is nothing there. */
export type Settled =
  | {
      readonly value: RawValue
      readonly version: string | undefined
      readonly fetchedAt: number
      readonly stale: boolean
      readonly source: 'provider' | 'cache'
      /** What is lent is never cached. */
      readonly expiresAt?: number | undefined
    }
  | SecretsError
  | undefined

/** Whether a variable of the process takes the place of the provider's value. */
export function fromEnvironment(config: ResolvedConfig, name: string): string | undefined {
  // Own ones only: `process.env.constructor` is a function.
  return config.processEnv && Object.hasOwn(process.env, name) ? process.env[name] : undefined
}

/** The references that have to be read: those of declared secrets that the environment does not answer, and the imports. */
export function planReads(config: ResolvedConfig): Read[] {
  const reads = new Map<string, Read>()
  const add = (reference: Reference, owner: string, ttl: number): void => {
    const provider = config.providers.get(reference.provider)!
    const key = canonicalReference(reference)
    const known = reads.get(key)
    const cacheKey =
      config.cache === false || provider.cached === false ? undefined : `${provider.location}\n${key}`
    reads.set(key, {
      reference,
      key,
      cacheKey,
      ttl: Math.min(ttl, known?.ttl ?? ttl),
      owner: known?.owner ?? owner,
    })
  }
  for (const secret of config.secrets.values()) {
    if (secret.reference === undefined || fromEnvironment(config, secret.name) !== undefined) continue
    add(secret.reference, secret.name, secret.ttl)
  }
  for (const reference of config.imports) {
    const { ttl } = config.providers.get(reference.provider)!
    const common = config.cache ? config.cache.ttl : 0
    add(reference, reference.source, ttl === undefined ? common : parseDuration(ttl, reference.provider))
  }
  return [...reads.values()]
}

export interface SettleInput {
  readonly cached: ReadonlyMap<string, CacheEntry> | undefined
  /** By `documentKey`; only of what was asked for. */
  readonly documents: ReadonlyMap<string, ReadResult>
  readonly isFresh: (read: Read) => boolean
  /** Unix ms */
  readonly now: number
  /** ms */
  readonly maxStale: number
}

export interface SettleOutput {
  /** By `canonicalReference`. */
  readonly values: ReadonlyMap<string, Settled>
  /** What the cache has to learn; `undefined` means forget. */
  readonly changes: ReadonlyMap<string, CacheEntry | undefined>
  /** The one warning about values that are older than they should be. */
  readonly stale:
    | { readonly providers: string; readonly age: number; readonly count: number; readonly why: string }
    | undefined
}

/**
 * After these the place has said that the value is not (or no longer) for us. A failed login or a broken
 * connection (a portal in a train gives `TLS_FAILED`) says nothing about the value, so it stays for later.
 */
const FORGOTTEN: ReadonlySet<SecretsErrorCode> = new Set([
  'PERMISSION_DENIED',
  'MOUNT_NOT_FOUND',
  'NAMESPACE_NOT_FOUND',
  'NOT_FOUND',
  'DELETED',
  'DESTROYED',
  'FIELD_NOT_FOUND',
  'WRONG_TYPE',
])

/**
 * The failure policy: fresh cache, else the provider's answer, else (only when the provider could not be
 * reached) a cached value younger than `maxStale`. A refused or vanished secret is forgotten, not served.
 */
export function settle(reads: readonly Read[], input: SettleInput): SettleOutput {
  const values = new Map<string, Settled>()
  const changes = new Map<string, CacheEntry | undefined>()
  let stale: SettleOutput['stale']
  const down = new Set<string>()
  for (const read of reads) {
    const entry = read.cacheKey === undefined ? undefined : input.cached?.get(read.cacheKey)
    if (entry && input.isFresh(read)) {
      values.set(read.key, fromCache(entry, false))
      continue
    }
    const answer = answerOf(read, input)
    if (
      answer instanceof SecretsError &&
      answer.transient &&
      entry &&
      input.now - entry.fetchedAt <= input.maxStale
    ) {
      values.set(read.key, fromCache(entry, true))
      const age = Math.max(input.now - entry.fetchedAt, stale?.age ?? 0)
      down.add(read.reference.provider)
      stale = { providers: [...down].join(', '), age, count: (stale?.count ?? 0) + 1, why: answer.message }
      continue
    }
    values.set(read.key, answer)
    if (read.cacheKey === undefined) continue
    if (answer instanceof SecretsError || answer === undefined) {
      if (entry && (answer === undefined || FORGOTTEN.has(answer.code))) changes.set(read.cacheKey, undefined)
    } else if (answer.expiresAt === undefined) {
      const { value, version, fetchedAt } = answer
      changes.set(read.cacheKey, { ...value, fetchedAt, ...(version === undefined ? {} : { version }) })
    }
  }
  return { values, changes, stale }
}

/** Whether a value was not read from its provider just now. */
export function isFromCache(settled: Settled): boolean {
  return settled !== undefined && !(settled instanceof SecretsError) && settled.source === 'cache'
}

function fromCache(entry: CacheEntry, stale: boolean): Settled {
  const kind = entry.kind === 'json' ? 'json' : 'text'
  return {
    value: { kind, text: entry.text },
    version: entry.version,
    fetchedAt: entry.fetchedAt,
    stale,
    source: 'cache',
  }
}

function answerOf(read: Read, { documents, now }: SettleInput): Settled {
  const result = documents.get(documentKey(read.reference))
  if (result === undefined || result instanceof SecretsError) return result
  try {
    const value = extract(result, read.reference, read.owner)
    const { version, expiresAt } = result
    return { value, version, fetchedAt: now, stale: false, source: 'provider', expiresAt }
  } catch (error) {
    if (error instanceof SecretsError) return error
    // A circle or a bigint in the object a provider gave.
    return new SecretsError(
      'RESPONSE_MALFORMED',
      `${read.reference.source} holds something that JSON cannot say.`,
    )
  }
}
