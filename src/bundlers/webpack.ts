/**
 * `unplugin-secrets/webpack`: secrets as virtual modules and `import.meta.env` values for webpack 5.
 *
 * @example
 * ```ts
 * // webpack.config.mjs
 * import secrets from 'unplugin-secrets/webpack'
 * export default { plugins: [secrets()] }
 * ```
 *
 * @module
 */
import type { WebpackPluginInstance } from 'webpack'
import { compilerPlugin } from './compiler-hooks.ts'
import type { PluginOptions } from './session.ts'
import { webpackWays } from './webpack-hooks.ts'

export type { PluginOptions } from './session.ts'

/** @param options a whole configuration, or settings over the ones in `secrets.config.*` */
export default function secrets(options?: PluginOptions): WebpackPluginInstance {
  return compilerPlugin(options, webpackWays)
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
