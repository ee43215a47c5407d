/**
 * `unplugin-secrets/dotenv`: what `dotenv` does, with the values of a vault-env server where there is a
 * `VAULT_KEY`. Replacing one import moves an application.
 *
 * @example
 * import { config, watch } from 'unplugin-secrets/dotenv'
 *
 * await config({ environment: 'production' })
 * watch({ onChange: (changed) => console.log(Object.keys(changed)) })
 *
 * @module
 */
export { type ConfigOptions, type ConfigResult, config, configSync } from './load.ts'
export { unwatch, type WatchHandle, type WatchOptions, watch } from './watch.ts'
