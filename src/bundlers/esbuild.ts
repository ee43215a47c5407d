/**
 * `unplugin-secrets/esbuild`: secrets as virtual modules and `import.meta.env` values for esbuild.
 *
 * @example
 * ```ts
 * import { build } from 'esbuild'
 * import secrets from 'unplugin-secrets/esbuild'
 * await build({ entryPoints: ['src/main.ts'], bundle: true, outdir: 'dist', plugins: [secrets()] })
 * ```
 *
 * @module
 */
import type { Plugin } from 'esbuild'
import { esbuildPlugin } from './esbuild-hooks.ts'
import type { PluginOptions } from './session.ts'

export type { PluginOptions } from './session.ts'

/**
 * Builds with `platform: 'node'` are servers. Makes esbuild's own plugin object without the universal factory,
 * which would have every module come to JavaScript.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options?: PluginOptions): Plugin {
  return esbuildPlugin(options)
}
/** What `require()` gives a CommonJS configuration: the plugin itself. */
export { secrets as 'module.exports' }
