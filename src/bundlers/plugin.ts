import { createUnplugin } from 'unplugin'
import { rolldownKind, rollupKind } from './rollup-kinds.ts'
import { rollupPlugin } from './rollup-plugin.ts'
import { type PluginOptions, Session } from './session.ts'

/**
 * The one factory behind the entries of bundlers that speak Rollup's language: it makes a session and hands
 * its hooks over. What differs between bundlers is when they ask; it lives in their own files.
 */
export const secretsPlugin = createUnplugin<PluginOptions | undefined, false>((options, meta) => {
  const session = new Session(options)
  switch (meta.framework) {
    case 'rollup':
      return { name: 'unplugin-secrets', rollup: rollupPlugin(session, rollupKind, options?.root) as object }
    case 'rolldown':
      return {
        name: 'unplugin-secrets',
        rolldown: rollupPlugin(session, rolldownKind, options?.root) as object,
      }
    default:
      throw new Error(`unplugin-secrets has no hooks for ${meta.framework} here; use its own entry.`)
  }
})
