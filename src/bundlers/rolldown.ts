/**
 * `unplugin-secrets/rolldown`: secrets as virtual modules and `import.meta.env` values for Rolldown.
 *
 * @example
 * ```ts
 * // rolldown.config.js
 * import secrets from 'unplugin-secrets/rolldown'
 * export default { input: 'src/main.js', plugins: [secrets()], output: { dir: 'dist' } }
 * ```
 *
 * @module
 */
import type { Plugin } from 'rolldown'
import { secretsPlugin } from './plugin.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/**
 * Rolldown does not know whom its output is for: say `consumer: 'server'` where it is a server.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): Plugin {
  return secretsPlugin.rolldown(options) as Plugin
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
