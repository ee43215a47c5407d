/**
 * `unplugin-secrets/vite`: secrets as virtual modules and `import.meta.env` values for Vite.
 *
 * @example
 * ```ts
 * // vite.config.ts
 * import secrets from 'unplugin-secrets/vite'
 * export default { plugins: [secrets()] }
 * ```
 *
 * @module
 */
import type { Plugin } from 'vite'
import { secretsPlugin } from './plugin.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/** @param options a whole configuration, or settings over the ones in `secrets.config.*` */
const secrets: (options?: PluginOptions) => Plugin = secretsPlugin.vite as (options?: PluginOptions) => Plugin

export default secrets
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
