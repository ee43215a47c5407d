/**
 * `unplugin-secrets/farm`: secrets as virtual modules and `import.meta.env` values for Farm.
 *
 * @example
 * ```ts
 * // farm.config.ts
 * import { defineConfig } from '@farmfe/core'
 * import secrets from 'unplugin-secrets/farm'
 * export default defineConfig({ plugins: [secrets()] })
 * ```
 *
 * @module
 */
import type { JsPlugin } from '@farmfe/core'
import { farmPlugins } from './farm-hooks.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/**
 * Builds with `output.targetEnv: 'node…'` are servers, unless the configuration says `consumer: 'client'`. Made
 * without the universal factory, which has every module resolved and loaded in JavaScript.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): JsPlugin[] {
  return farmPlugins(options)
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
