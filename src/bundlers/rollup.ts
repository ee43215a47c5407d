/**
 * `unplugin-secrets/rollup`: secrets as virtual modules and `import.meta.env` values for Rollup.
 *
 * @example
 * ```ts
 * // rollup.config.js
 * import secrets from 'unplugin-secrets/rollup'
 * export default { input: 'src/main.js', plugins: [secrets()], output: { dir: 'dist' } }
 * ```
 *
 * @module
 */
import type { Plugin } from 'rollup'
import { secretsPlugin } from './plugin.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/**
 * Rollup does not know whom its output is for: say `consumer: 'server'` where it is a server.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): Plugin {
  return secretsPlugin.rollup(options) as Plugin
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
