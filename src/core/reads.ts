import type { CacheEntry } from './cache/index.ts'
import type { ResolvedConfig } from './config/resolve.ts'
import { parseDuration } from './duration.ts'
import { SecretsError, type SecretsErrorCode } from './errors.ts'
import { extract, type RawValue } from './extract.ts'
import { didYouMean } from './nearest.ts'
import { canonicalReference, documentKey } from './reference.ts'
import { aliasesOf, ownerOf } from './template.ts'
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
      /** Unix ms; of what was lent and is never kept. */
      readonly expiresAt?: number | undefined
      /** What the provider said when a cached value had to stand in. */
      readonly error?: SecretsError | undefined
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
  /** Whether the cached value is taken without asking, and as what; `undefined`: it has to be asked for. */
  readonly taken: (read: Read) => 'fresh' | 'stale' | undefined
  /** Unix ms */
  readonly now: number
  /** ms */
  readonly maxStale: number
  /** Whether a cached value also stands in when the login is refused or has ended. */
  readonly staleOnAuthError: boolean
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
  /** A place has said that this device may have nothing any more: the whole cache must go. */
  readonly revoked: boolean
}

/**
 * After these the place has said that the value is not (or no longer) for us. A failed login or a broken
 * connection (a portal in a train gives `TLS_FAILED`) says nothing about the value, so it stays for later.
 */
const FORGOTTEN: ReadonlySet<SecretsErrorCode> = new Set([
  'PERMISSION_DENIED',
  'DEVICE_REVOKED',
  'MOUNT_NOT_FOUND',
  'NAMESPACE_NOT_FOUND',
  'NOT_FOUND',
  'DELETED',
  'DESTROYED',
  'FIELD_NOT_FOUND',
  'WRONG_TYPE',
])

/** Nobody has said a word about the value: who asks could not be established. */
const UNAUTHENTICATED: ReadonlySet<SecretsErrorCode> = new Set([
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
])

/** Whether a cached value may take the place of this answer. */
function mayStandIn(answer: Settled, { staleOnAuthError }: SettleInput): answer is SecretsError {
  if (!(answer instanceof SecretsError)) return false
  return answer.transient || (staleOnAuthError && UNAUTHENTICATED.has(answer.code))
}

/**
 * The failure policy: fresh cache, else the provider's answer, else (only when the provider could not be
 * reached, or with `staleOnAuthError` would not let us in) a cached value younger than `maxStale`. A refused
 * or vanished secret is forgotten, not served; to a revoked device nothing that has to be asked for is.
 */
export function settle(reads: readonly Read[], input: SettleInput): SettleOutput {
  const values = new Map<string, Settled>()
  const changes = new Map<string, CacheEntry | undefined>()
  let stale: SettleOutput['stale']
  const down = new Set<string>()
  const revoked = [...input.documents.values()].some(isRevocation)
  for (const read of reads) {
    const entry = read.cacheKey === undefined ? undefined : input.cached?.get(read.cacheKey)
    const taken = input.taken(read)
    if (entry && taken) {
      values.set(read.key, fromCache(entry, taken === 'stale'))
      continue
    }
    const answer = answerOf(read, input)
    const isUsable = entry !== undefined && !revoked && input.now - entry.fetchedAt <= input.maxStale
    if (isUsable && mayStandIn(answer, input)) {
      values.set(read.key, { ...fromCache(entry, true), error: answer })
      const age = Math.max(input.now - entry.fetchedAt, stale?.age ?? 0)
      down.add(read.reference.provider)
      stale = { providers: [...down].join(', '), age, count: (stale?.count ?? 0) + 1, why: answer.message }
      continue
    }
    values.set(read.key, answer)
    if (read.cacheKey === undefined) continue
    if (answer instanceof SecretsError || answer === undefined) {
      if (entry && (answer === undefined || FORGOTTEN.has(answer.code))) changes.set(read.cacheKey, undefined)
    } else if (answer.expiresAt !== undefined) {
      // Lent for a while: worth nothing to the next process.
      if (entry) changes.set(read.cacheKey, undefined)
    } else {
      const { value, version, fetchedAt } = answer
      changes.set(read.cacheKey, { ...value, fetchedAt, ...(version === undefined ? {} : { version }) })
    }
  }
  return { values, changes, stale, revoked }
}

const isRevocation = (result: ReadResult): boolean =>
  result instanceof SecretsError && result.code === 'DEVICE_REVOKED'

/** Whether a value was not read from its provider just now. */
export function isFromCache(settled: Settled): boolean {
  return settled !== undefined && !(settled instanceof SecretsError) && settled.source === 'cache'
}

export function fromCache(entry: CacheEntry, stale: boolean): Exclude<Settled, SecretsError | undefined> {
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

/**
 * The references behind some names: their own and those that their templates need. A name that is not declared
 * can only come from an import, so all of those are among them.
 * @returns `canonicalReference`s
 * @throws SecretsError NOT_FOUND for a name that nothing can give
 */
export function referencesOf(config: ResolvedConfig, names: readonly string[]): ReadonlySet<string> {
  const keys = new Set<string>()
  const seen = new Set<string>()
  const add = (name: string): void => {
    const owner = ownerOf(name, (candidate) => config.secrets.has(candidate))
    if (owner === undefined) {
      if (config.imports.length === 0)
        throw new SecretsError(
          'NOT_FOUND',
          `There is no secret ${name}.${didYouMean(name, config.secrets.keys())}`,
        )
      for (const reference of config.imports) keys.add(canonicalReference(reference))
      return
    }
    if (seen.has(owner)) return
    seen.add(owner)
    const { reference, template } = config.secrets.get(owner)!
    if (reference) keys.add(canonicalReference(reference))
    if (template) for (const alias of aliasesOf(template)) add(alias)
  }
  for (const name of names) add(name)
  return keys
}
