/**
 * `unplugin-secrets/bun`: secrets as virtual modules and `import.meta.env` values for `Bun.build()`.
 *
 * @example
 * ```ts
 * // build.ts, started with `bun build.ts`
 * import secrets from 'unplugin-secrets/bun'
 * await Bun.build({ entrypoints: ['src/main.ts'], outdir: 'dist', plugins: [secrets()] })
 * ```
 *
 * @module
 */
import { bunPlugin } from './bun-hooks.ts'
import type { BunPlugin } from './bun-types.ts'
import type { PluginOptions } from './session.ts'

export type { BunPlugin } from './bun-types.ts'
export type { PluginOptions } from './session.ts'

/**
 * Builds with `target: 'bun'` or `'node'` are servers. Made without the universal factory, which can neither look
 * at outputs before they are written nor tell a page from the server that imports it.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): BunPlugin {
  return bunPlugin(options)
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
