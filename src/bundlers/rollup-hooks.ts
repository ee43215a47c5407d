import type { Environment, Rollup } from 'vite'
import { VIRTUAL } from '../core/expose/ids.ts'
import type { ImportersOf } from '../core/guard.ts'
import type { Consumer } from '../core/types.ts'
import { attempt, attemptAsync } from './error.ts'
import { Graph } from './graph.ts'
import type { Session } from './session.ts'

/** What a hook has for `this`: Rollup's and Rolldown's context, in Vite with the environment it runs in. */
export interface HookContext {
  readonly environment?: Environment
}

export interface GraphHooksOptions {
  /** Paths in messages are relative to it; asked for once the first module comes. */
  readonly root: () => string
  readonly consumerOf: (context: HookContext) => Consumer
  /** Whether the build wants source maps. */
  readonly map: (context: HookContext) => boolean
}

/** Stands for the environment where there is none. */
const nowhere = {}

/**
 * The hooks that guard and fill the graphs of one pipeline, for bundlers that speak Rollup's language. A
 * worker's bundle is a pipeline of its own.
 */
export function graphHooks(session: Session, options: GraphHooksOptions) {
  const graphs = new WeakMap<object, Graph>()
  const graphOf = (context: HookContext): Graph => {
    const key = context.environment ?? nowhere
    const known = graphs.get(key)
    if (known) return known
    const graph = new Graph(session, {
      consumer: options.consumerOf(context),
      root: options.root(),
      live: liveImporters(context.environment),
    })
    graphs.set(key, graph)
    return graph
  }

  return {
    buildStart() {
      // Wanted for the first module that names a secret; a start that sees none is over before it is there.
      void import('./transform.ts')
    },
    resolveId: {
      filter: { id: VIRTUAL },
      handler(this: HookContext, id: string, importer: string | undefined, how: { scan?: boolean } = {}) {
        // The dependency scan only collects packages; it has no graph to guard and no page to break.
        if (how.scan) return { id, external: true }
        const resolved = attempt(() => graphOf(this).resolve(id, importer), importer)
        return resolved === undefined ? undefined : { id: resolved, moduleSideEffects: false }
      },
    },
    load: {
      filter: { id: /^\0virtual:secrets\// },
      handler(this: HookContext, id: string) {
        return attempt(() => graphOf(this).load(id), id)
      },
    },
    transform: {
      // `\0` ids are other plugins' own; packages were not written for these names.
      filter: { id: { exclude: [/[\\/]node_modules[\\/]/, /^\0/] }, code: session.readsFilter },
      async handler(this: HookContext & Rollup.TransformPluginContext, code: string, id: string) {
        const { rewriteReads, originalPlace } = await import('./transform.ts')
        const graph = graphOf(this)
        const { output, problems } = rewriteReads(code, {
          ...graph.readsOptions(),
          map: options.map(this),
          parse: (text) => this.parse(text),
        })
        if (problems.length > 0) {
          const place = await originalPlace(this, code)
          attempt(() => graph.report(problems, id, place), id)
        }
        return output as Rollup.TransformResult
      },
    },
    async buildEnd(this: HookContext & Rollup.PluginContext, error?: Error) {
      // An error of somebody else's comes first; ours would hide it.
      if (error) return
      const importersOf: ImportersOf = (id) => {
        const info = this.getModuleInfo(id)
        return info ? [...info.importers, ...info.dynamicImporters] : []
      }
      await attemptAsync(async () => graphOf(this).finish(importersOf))
    },
  }
}

/** In dev the server knows who imports a module; a build knows it only at its end. */
function liveImporters(environment: Environment | undefined): ImportersOf | undefined {
  if (environment?.mode !== 'dev') return undefined
  return (id) => {
    const importers = environment.moduleGraph.getModuleById(id)?.importers ?? []
    return [...importers].flatMap((module) => module.id ?? [])
  }
}
