import { createUnplugin } from 'unplugin'
import { type PluginOptions, Session } from './session.ts'
import { viteHooks } from './vite-hooks.ts'

/**
 * The one factory behind every bundler's entry: it makes a session and hands its hooks over. What differs
 * between bundlers is when they ask; it lives in their hooks files.
 */
export const secretsPlugin = createUnplugin<PluginOptions | undefined, false>((options, meta) => {
  const session = new Session(options)
  if (meta.framework !== 'vite') throw new Error(`unplugin-secrets has no hooks for ${meta.framework} yet.`)
  return { name: 'unplugin-secrets', vite: viteHooks(session) }
})
