import type { SecretsError } from './errors.ts'

/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** Which graph a module belongs to. What cannot be proved to be a server is a client. */
export type Consumer = 'client' | 'server'

/** Where one value lives: `provider:path[?options][#field]`, decoded. */
export interface Reference {
  /** The key under `providers`. */
  readonly provider: string
  readonly path: string
  /** `?version=3`, `?stage=AWSPREVIOUS`; sorted by name. */
  readonly options: Readonly<Record<string, string>>
  /** A key of the document, or a dot path into it. */
  readonly field: string | undefined
  /** The reference as it was written. */
  readonly source: string
}

// --- the provider interface -------------------------------------------------------------------

/** One document to read: a KV secret, one AWS secret, one variable. Fields are taken out by the core. */
export interface ReadRequest {
  readonly path: string
  readonly options: Readonly<Record<string, string>>
}

/** A document that is there. */
export interface SecretDocument {
  /** Text, bytes, or the object that the place itself holds as an object. */
  readonly value: string | Uint8Array | JsonObject
  /** The provider's own stamp for this content; equal stamps mean equal content. */
  readonly version?: string | undefined
  /**
   * Unix time in ms after which the value is worth nothing, because it was lent (dynamic credentials). The
   * provider renews it while it can and gives it back at `close`; such a value is never kept in a cache.
   */
  readonly expiresAt?: number | undefined
}

/**
 * The answer to one request. `undefined`: it is certain that there is nothing there.
 * A `SecretsError`: this one could not be known (denied, deleted, malformed), the others could.
 */
export type ReadResult = SecretDocument | undefined | SecretsError

/** What a provider is told at each call. */
export interface ProviderContext {
  /** The key under `providers`, for messages. */
  readonly name: string
  /** The folder of the configuration, absolute. Relative files are relative to it. */
  readonly root: string
  readonly environment: string
  readonly profile: string | undefined
  /** Aborts when the deadline over all tries has passed or the caller has gone. */
  readonly signal: AbortSignal
  /** How many requests may be under way at once. */
  readonly concurrency: number
  /** `unplugin-secrets/1.2.3 (node 20.19.0)`, to be sent where the protocol has a place for it. */
  readonly userAgent: string
  /** Names and counts only, for `DEBUG=unplugin-secrets`. */
  debug(message: string): void
}

/** One line of `secrets doctor`. */
export interface CheckResult {
  /** What was looked at: `reachable`, `logged in`, `read vault:myapp/db`. */
  readonly label: string
  readonly ok: boolean
  /** What was found. */
  readonly detail?: string | undefined
  /** What mends it, when it is not ok. */
  readonly hint?: string | undefined
}

export interface WriteRequest {
  readonly path: string
  /** Only these environments' override where the place keeps several; absent: the shared value. */
  readonly environment?: string | undefined
  /** The whole document: text, bytes where the place holds bytes, an object where it holds fields. */
  readonly value: string | Uint8Array | JsonObject
  /**
   * Check-and-set: written only while the current version is this one; `null`: only where nothing is yet.
   * @throws SecretsError `CONFLICT` otherwise
   */
  readonly expected?: string | null | undefined
}

export interface WriteResult {
  /** The stamp of what was written, as `read` would give it. */
  readonly version?: string | undefined
}

/** Changes some fields of a document and keeps the others. */
export interface PatchRequest {
  readonly path: string
  readonly set: JsonObject
  /** Fields to take away. */
  readonly unset?: readonly string[] | undefined
  readonly expected?: string | undefined
}

export interface RemoveRequest {
  readonly path: string
  readonly environment?: string | undefined
  /** Only these versions, where the place keeps several. */
  readonly versions?: readonly string[] | undefined
  /** Beyond recovery: destroyed versions, no recovery window. Default `false`: as recoverable as the place can. */
  readonly forever?: boolean | undefined
  /** How long it can be restored, where the place lets one choose. */
  readonly recoveryDays?: number | undefined
}

/** One version of a document. */
export interface VersionEntry {
  readonly version: string
  /** Unix time in ms. */
  readonly createdAt?: number | undefined
  readonly state: 'current' | 'previous' | 'deleted' | 'destroyed'
  /** Names that the place gives to versions (AWS stages). */
  readonly labels?: readonly string[] | undefined
}

/** What a place knows of a document beside its value. */
export interface DocumentMetadata {
  /** Free text by key: owner, created, environment. */
  readonly custom: Readonly<Record<string, string>>
  readonly description?: string | undefined
  /** Unix time in ms. */
  readonly createdAt?: number | undefined
  readonly updatedAt?: number | undefined
  /** How many versions the place keeps. */
  readonly maxVersions?: number | undefined
}

/** A name in a place, with what may be shown of it. */
export interface ListEntry {
  readonly path: string
  readonly version?: string | undefined
  /** Unix time in ms of the last change. */
  readonly updatedAt?: number | undefined
  /** The environment that an override belongs to. */
  readonly environment?: string | undefined
}

/**
 * A place that holds secrets. Abilities that a place lacks are absent methods, not throwing ones.
 * Making one is free: no import, no file, no connection before the first call.
 */
export interface Provider {
  /** `vault`, `aws`, `local`, …, or the name of a third party's. */
  readonly type: string
  /** Where it points, for messages and `doctor`: an address, a region, a file. Never a credential. */
  readonly location: string
  /**
   * The settings that make the same provider again, without credentials. They travel in the manifest
   * of a built server, so a provider without them can only be handed values at run time.
   */
  readonly settings?: JsonObject | undefined
  /** Default `ttl` for this provider's values, as in `cache.ttl`. */
  readonly ttl?: Duration | undefined
  /** Whether the process itself is the place (`env`) or a file beside the config (`dotenv`, `local`): never cached. */
  readonly cached?: boolean | undefined
  /** Whether `{{vault:NAME}}` inside its values is filled in (`dotenv`). */
  readonly templates?: boolean | undefined
  /** Whether `import: ['provider:*']` may ask for everything there (`local`, `dotenv`). */
  readonly importAll?: boolean | undefined
  /**
   * Looks at a reference before the network is touched.
   * @returns what is wrong with it, or `undefined`.
   */
  validate?(reference: Reference): string | undefined
  /**
   * Reads many documents; the answers stand in the order of the requests. Does not retry: the core
   * does, within one deadline.
   * @throws SecretsError when none of them could be known (unreachable, not logged in).
   */
  read(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly ReadResult[]>
  /** What is there below a path. */
  list?(path: string, context: ProviderContext): Promise<readonly ListEntry[]>
  /**
   * The cheapest stamps that tell whether documents have changed, in the order of the requests; the same
   * stamps as `read` gives. May fall back to reading. `undefined`: nothing there.
   * @throws SecretsError when none could be known
   */
  versions?(
    requests: readonly ReadRequest[],
    context: ProviderContext,
  ): Promise<readonly (string | undefined | SecretsError)[]>
  write?(request: WriteRequest, context: ProviderContext): Promise<WriteResult>
  patch?(request: PatchRequest, context: ProviderContext): Promise<WriteResult>
  /** @returns whether there was something to remove. */
  remove?(request: RemoveRequest, context: ProviderContext): Promise<boolean>
  /** Undoes a removal that can be undone. @returns whether there was something to bring back */
  restore?(request: Pick<RemoveRequest, 'path' | 'versions'>, context: ProviderContext): Promise<boolean>
  /** Every version that the place still knows of, newest first; `undefined`: no such document. */
  history?(path: string, context: ProviderContext): Promise<readonly VersionEntry[] | undefined>
  /** Makes the content of an older version the current one. @throws SecretsError `NOT_FOUND`, `DESTROYED`, … */
  rollback?(
    request: { readonly path: string; readonly version: string },
    context: ProviderContext,
  ): Promise<WriteResult>
  /** `undefined`: no such document. */
  metadata?(path: string, context: ProviderContext): Promise<DocumentMetadata | undefined>
  /** Merges into what is there; an empty text takes a key away. */
  annotate?(
    request: { readonly path: string; readonly custom: Readonly<Record<string, string>> },
    context: ProviderContext,
  ): Promise<void>
  /** The least rights with which exactly these requests can be read: HCL, JSON. Text to be applied as it is. */
  policy?(requests: readonly ReadRequest[], context: ProviderContext): Promise<string>
  /**
   * Tells that something may have changed (a file), without asking. `changed` may be called too often.
   * @returns how to stop
   */
  watch?(context: ProviderContext, changed: () => void): () => void
  /** Diagnosis for `doctor`: reachable, logged in, each request readable. Never throws for what it finds. */
  check?(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly CheckResult[]>
  /** Gives back sockets, timers and leases. */
  close?(): Promise<void>
}

/** A provider as plain data, for `secrets.config.json` and a server's manifest. */
export interface ProviderDescription {
  readonly type: string
  readonly [option: string]: Json | undefined
}

/** Milliseconds, or text such as `'30s'`, `'5m'`, `'7d'`; `Infinity` never ends. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

export type * from './config/settings.ts'
