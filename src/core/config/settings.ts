/** What a configuration file may say. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Consumer, Duration, Provider, ProviderDescription } from '../types.ts'

export interface SecretDeclaration {
  /** The reference; this or `template`. */
  from?: string
  /** Text with `{{vault:NAME}}` or `{{vault:NAME.key}}` for other declared secrets. */
  template?: string
  /**
   * `plaintext` (default): the value is text. `json`: the value is a JSON document, whose parts are
   * also there under dot keys (`db.username`).
   */
  mode?: 'plaintext' | 'json'
  /** Any Standard Schema (zod, valibot, arktype). One that accepts `undefined` makes the secret optional. */
  schema?: StandardSchemaV1
  /** Becomes the doc comment of the generated type. */
  description?: string
  /** Overrides the provider's and the cache's `ttl`. */
  ttl?: Duration
}

/**
 * Where several machines keep one cache: a storage or a driver of `unstorage`, or anything with these methods.
 * It is given sealed text under keyed names and nothing else.
 */
export interface CacheStorage {
  /** @returns the text, `null` or `undefined` where there is none, or a promise of it. */
  getItem(key: string, options: object): unknown
  setItem?(key: string, value: string, options: object): unknown
  removeItem?(key: string, options: object): unknown
  /** Gives back connections. Called at `close` only for what a description made. */
  dispose?(): unknown
}

/** A driver of `unstorage` by name, with its options: `{ driver: 'redis', url: process.env.REDIS_URL }`. */
export interface CacheStorageDescription {
  readonly driver: string
  readonly [option: string]: unknown
}

export interface CacheOptions {
  /** How long a value counts as fresh. Default `'5m'`. `Infinity`: refreshed by hand only. */
  ttl?: Duration
  /** How old a value may be when the provider cannot be reached. Default `'7d'`. */
  maxStale?: Duration
  /** Where the sealed files live. Default: the user's cache folder. Never inside the project. */
  directory?: string
  /** Keeps the sealed cache there instead of in a file, for machines that have the project key in common. */
  storage?: CacheStorage | CacheStorageDescription
  /**
   * Whether cached values younger than `maxStale` stand in when a login is refused or has ended. Default: in
   * dev servers and in the environment `development` yes, elsewhere no.
   */
  staleOnAuthError?: boolean
  /**
   * Dev servers only: whether a value that is no longer fresh, but younger than `maxStale`, is used at once
   * and asked for again behind it. Default `false`.
   */
  staleWhileRevalidate?: boolean
}

export interface ScanOptions {
  /** Globs of emitted files that are not looked at. Default none. */
  exclude?: string[]
}

export interface WatchSettings {
  /** How often providers are asked whether a value has changed, in dev. Default `'30s'`. `Infinity`: never by a timer. */
  interval?: Duration
  /** For single providers, by their keys under `providers`. */
  providers?: Record<string, Duration>
}

export interface DashboardSettings {
  /**
   * Whether other machines may open it too, as far as the dev server lets them in: by a name of
   * `server.allowedHosts`, and with the token. Default `false`: whoever is not this machine is refused. A
   * container's published port needs it.
   */
  remote?: boolean
}

/** What a profile may change: another account, cluster or region. */
export interface ProfileOverlay {
  providers?: Record<string, Provider | ProviderDescription>
  import?: string[]
  secrets?: Record<string, string | SecretDeclaration>
  cache?: CacheOptions | false
}

export interface SecretsConfig extends ProfileOverlay {
  /** The only names that a browser may see. Default none. */
  client?: string[]
  /** How a server gets its values: asked for at start, or one sealed blob in the bundle. Default `'runtime'`. */
  server?: 'runtime' | 'sealed'
  /** Which graph this build is, only where a bundler cannot tell. */
  consumer?: Consumer
  /** Default: `--env`, the bundler's mode, `NODE_ENV`, `development`. */
  environment?: string
  /** The active profile. Default: `SECRETS_PROFILE`, what `secrets use` chose, else none. */
  profile?: string
  profiles?: Record<string, ProfileOverlay>
  /** Whether a variable of the same name in `process.env` takes the place of a provider's value. Default `true`. */
  processEnv?: boolean
  /** Whether `process.env.NAME` in source code means the secret too. Default `false`. */
  replaceProcessEnv?: boolean
  /** Whether, and of what, every emitted client file is scanned. Default `true`. */
  scan?: boolean | ScanOptions
  /** Where the generated types go, relative to the root; `false`: nowhere. Default `src/secrets-env.d.ts`, or beside the config. */
  types?: string | boolean
  /**
   * Whether each build records which names went into which files: `true` in `.secrets/manifest.json`, a path
   * (relative to the root) there. Names and places only. Default `false`.
   */
  manifest?: boolean | string
  /** How changes of values are noticed while a dev server or a watching build runs; `false`: they are not. */
  watch?: WatchSettings | false
  /** The deadline over all tries of one fetch, in ms. Default 15,000. */
  timeout?: number
  /**
   * `'manual'`: what is in the cache is used however old it is, and nobody is asked for it but by a refresh.
   * Default `'startup'`.
   */
  sync?: 'startup' | 'manual'
  /** Whether a dev server of Vite has the dashboard at `/__secrets/`. Default `true`. */
  dashboard?: boolean | DashboardSettings
  /**
   * A file, relative to the root, to which every load appends one line of JSON: who, when, which names, from
   * where. Never a value. Default none.
   */
  audit?: string
}
