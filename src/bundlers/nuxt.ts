/**
 * `unplugin-secrets/nuxt`: both plugins that Nuxt needs, and a search of what is left when all is written.
 *
 * @example
 * ```ts
 * // nuxt.config.ts
 * export default defineNuxtConfig({ modules: ['unplugin-secrets/nuxt'] })
 * ```
 *
 * @module
 */
import { resolve } from 'node:path'
import { consoleLogger } from '../core/log.ts'
import { attemptAsync } from './error.ts'
import { secretsPlugin } from './plugin.ts'
import { type PluginOptions, Session } from './session.ts'
import { viteHooks } from './vite-hooks.ts'
import { scanPages } from './vite-pages.ts'

export type { PluginOptions } from './session.ts'

/** What a module takes of Nuxt, by its own names. */
export interface NuxtInstance {
  readonly options: {
    readonly rootDir: string
    readonly dev: boolean
    readonly vite: { plugins?: unknown }
  }
  /** Each hook has a parameter of its own. */
  hook(name: string, handler: (argument: never) => unknown): unknown
}

interface NitroConfig {
  rollupConfig?: { plugins?: unknown; output?: unknown }
}

interface Nitro {
  readonly options: { readonly output: { readonly publicDir: string; readonly serverDir: string } }
  readonly hooks: { hook(name: 'compiled', handler: () => void): unknown }
}

/**
 * Vite builds the pages, for browsers and for rendering; Nitro builds `server/`, renders pages and copies everything to
 * where it belongs, and none of that comes to a bundler's hook.
 * @param options a whole configuration, or settings over the ones in `secrets.config.*`
 */
export default function secrets(options: PluginOptions | undefined, nuxt: NuxtInstance): void {
  const { rootDir, dev, vite } = nuxt.options
  const own = { root: rootDir, ...options }
  const session = new Session(own)
  vite.plugins = [vite.plugins ?? [], viteHooks(session)].flat()
  nuxt.hook('nitro:config', (config: NitroConfig) => {
    const plugin = secretsPlugin.rollup({ ...own, consumer: 'server' })
    config.rollupConfig = { output: {}, ...config.rollupConfig }
    config.rollupConfig.plugins = [config.rollupConfig.plugins ?? [], plugin].flat()
  })
  if (dev) return
  nuxt.hook('nitro:init', (nitro: Nitro) => {
    const { publicDir, serverDir } = nitro.options.output
    const folders = [resolve(publicDir), resolve(serverDir)]
    // What other modules do once Nitro is done, as compressing, is over when Nuxt closes.
    nitro.hooks.hook('compiled', () => {
      nuxt.hook('close', () => attemptAsync(() => scanAll(session, folders, rootDir)))
    })
  })
}

async function scanAll(session: Session, folders: readonly string[], root: string): Promise<void> {
  // Vite is not asked for what Nuxt has kept from a build before.
  if (!session.isConfigured)
    await session.prepare({ root, mode: 'production', prefixes: [], logger: consoleLogger })
  await scanPages(session, folders, root)
  await session.close()
}

/** What `require()` gives: the module itself. */
export { secrets as 'module.exports' }
