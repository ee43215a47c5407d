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
import { type PluginOptions, Session } from './session.ts'
import { viteHooks } from './vite-hooks.ts'

export type { PluginOptions } from './session.ts'

/**
 * Makes Vite's own plugin object without the universal factory, whose import alone costs as much as the
 * whole of a warm start.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): Plugin {
  return viteHooks(new Session(options))
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
