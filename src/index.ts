/**
 * `unplugin-secrets`: configuration, and secrets for scripts and servers.
 *
 * @module
 */
import type { Provider, SecretsConfig } from './core/types.ts'

export type { CacheControl, CacheStatus } from './core/cache/control.ts'
export type { Rekeyed } from './core/cache/rekey.ts'
export { SecretsError, type SecretsErrorCode } from './core/errors.ts'
export type { Logger } from './core/log.ts'
export { createSecrets, type LoadOptions, type Secrets, type SecretsOptions } from './core/pipeline.ts'
export { Secret } from './core/redact.ts'
export type { SecretMeta, SecretSource, Snapshot } from './core/snapshot.ts'
export type {
  CacheOptions,
  CacheStorage,
  CacheStorageDescription,
  CheckResult,
  Consumer,
  DashboardSettings,
  DocumentMetadata,
  Duration,
  Json,
  JsonObject,
  ListEntry,
  PatchRequest,
  ProfileOverlay,
  Provider,
  ProviderContext,
  ProviderDescription,
  ReadRequest,
  ReadResult,
  Reference,
  RemoveRequest,
  ScanOptions,
  SecretDeclaration,
  SecretDocument,
  SecretsConfig,
  VersionEntry,
  WatchSettings,
  WriteRequest,
  WriteResult,
} from './core/types.ts'
export type { Watch, WatchOptions } from './core/watch.ts'

/** Types a configuration exactly as it is written, so that generated types can follow its schemas. */
export function defineConfig<const Config extends SecretsConfig>(config: Config): Config {
  return config
}

/**
 * Types a provider of your own. `read` answers in the order it was asked; `undefined` means "is not there",
 * an error means "could not know". `unplugin-secrets/testing` checks the rest of the contract.
 */
export function defineProvider<Options extends unknown[]>(
  factory: (...options: Options) => Provider,
): (...options: Options) => Provider {
  return factory
}
