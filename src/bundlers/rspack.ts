/**
 * `unplugin-secrets/rspack`: secrets as virtual modules and `import.meta.env` values for Rspack 2.
 *
 * @example
 * ```ts
 * // rspack.config.mjs
 * import secrets from 'unplugin-secrets/rspack'
 * export default { plugins: [secrets()] }
 * ```
 *
 * @module
 */
import type { RspackPluginInstance } from '@rspack/core'
import { compilerPlugin } from './compiler-hooks.ts'
import { rspackWays } from './rspack-hooks.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/** @param options a whole configuration, or settings over the ones in `secrets.config.*` */
export default function secrets(options?: PluginOptions): RspackPluginInstance {
  return compilerPlugin(options, rspackWays())
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
