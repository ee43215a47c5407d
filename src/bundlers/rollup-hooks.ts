import type { Environment, Rollup } from 'vite'
import { VIRTUAL } from '../core/expose/ids.ts'
import { SEAL_MARK } from '../core/expose/seal-marks.ts'
import { rewriteSureReads } from '../core/expose/sure-reads.ts'
import type { ImportersOf } from '../core/guard.ts'
import type { Consumer } from '../core/types.ts'
import { attempt, attemptAsync } from './error.ts'
import { Graph } from './graph.ts'
import { localFiles } from './local-files.ts'
import { modulesFilter } from './native-reads.ts'
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
  /** Whether the build is for runtimes that may lack Node's modules. Default: it is not. */
  readonly edge?: (context: HookContext) => boolean
  /** What a module is written in; `undefined`: in something that cannot read anything. Default: plain JavaScript. */
  readonly syntaxOf?: (id: string, moduleType: string | undefined) => Syntax | undefined
}

export interface Syntax {
  /** JavaScript without JSX, which a lexer can judge. */
  readonly plain: boolean
  /** For the bundler's own parser. */
  readonly parser?: object
}
const JAVASCRIPT: Syntax = { plain: true }

/** One graph, and how many builds are filling it: a plugin object may serve several at once. */
interface State {
  graph: Graph | undefined
  running: number
  /** A denial that one of them met may be another's. */
  failure: { readonly error: unknown } | undefined
}

/** Stands for the environment where there is none. */
const nowhere = {}

/**
 * The hooks that guard and fill the graphs of one pipeline, for bundlers that speak Rollup's language. A
 * worker's bundle is a pipeline of its own.
 */
export function graphHooks(session: Session, options: GraphHooksOptions) {
  const states = new WeakMap<object, State>()
  const stateOf = (context: HookContext): State => {
    const key = context.environment ?? nowhere
    const state = states.get(key) ?? { graph: undefined, running: 0, failure: undefined }
    states.set(key, state)
    return state
  }
  const graphOf = (context: HookContext): Graph => {
    const state = stateOf(context)
    state.graph ??= new Graph(session, {
      consumer: options.consumerOf(context),
      root: options.root(),
      live: liveImporters(context.environment),
      edge: options.edge?.(context),
    })
    return state.graph
  }

  return {
    buildStart(this: HookContext) {
      stateOf(this).running++
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
      filter: modulesFilter(session),
      async handler(
        this: HookContext & Rollup.TransformPluginContext,
        code: string,
        id: string,
        how: { moduleType?: string } = {},
      ) {
        const syntax = options.syntaxOf ? options.syntaxOf(id, how.moduleType) : JAVASCRIPT
        if (!syntax || !session.mayRead(code)) return undefined
        const graph = graphOf(this)
        const reads = { ...graph.readsOptions(), map: options.map(this), plain: syntax.plain }
        const sure = rewriteSureReads(code, reads)
        if (sure) return sure.output as Rollup.TransformResult
        const { rewriteReads, originalPlace } = await import('./transform.ts')
        const { output, problems } = rewriteReads(code, {
          ...reads,
          parse: (text) => this.parse(text, syntax.parser as Parameters<typeof this.parse>[1]),
        })
        if (problems.length > 0) {
          const place = await originalPlace(this, code)
          attempt(() => graph.report(problems, id, place), id)
          // The end of the graph fails the build; a bundler that replaces reads would before, in words of its own.
          if (problems.some(({ kind }) => kind === 'assigned'))
            return { code: (output?.code ?? code).replace(META_ENV, 'import.meta'), map: null }
        }
        return output as Rollup.TransformResult
      },
    },
    // Before the hash of the file's name is taken.
    renderChunk: {
      filter: { code: SEAL_MARK },
      handler(this: HookContext, code: string) {
        return attempt(() => session.seal(code, { map: options.map(this) })) as { code: string } | undefined
      },
    },
    async buildEnd(this: HookContext & Rollup.PluginContext, error?: Error) {
      const graph = graphOf(this)
      const state = stateOf(this)
      const { failure } = state
      // The last one starts afresh: a mistake that was mended must not fail the next build.
      const isLast = --state.running <= 0
      if (isLast) states.delete(this.environment ?? nowhere)
      // An error of somebody else's comes first; ours would hide it. That a denied module lacks a name is ours.
      if (error && !VIRTUAL.test((error as { exporter?: string }).exporter ?? '')) return
      const importersOf: ImportersOf = (id) => {
        const info = this.getModuleInfo(id)
        return info ? [...info.importers, ...info.dynamicImporters] : []
      }
      try {
        await attemptAsync(async () => graph.finish(importersOf))
      } catch (denied) {
        // Without these a watching Rollup would wait for no file at all.
        const watchFiles = [...localFiles(session.config), ...this.getModuleIds()]
        state.failure = { error: Object.assign(denied as Error, { watchFiles }) }
        // Thrown beside another it would be a footnote.
        if (error) Object.assign(error, denied, { message: (denied as Error).message, stack: '' })
        else throw denied
      }
      if (failure) throw failure.error
    },
  }
}

const META_ENV = /\bimport\s*\.\s*meta\s*\.\s*env\b/g

/**
 * Nuxt and Nitro hand deep copies of a plugin on: the same functions, and a filter that nobody would fill.
 * @param plugins as the bundler has them
 */
export function keepFilter(
  plugins: unknown,
  { handler, filter }: { handler: unknown; filter: object },
): void {
  for (const plugin of [plugins].flat(Infinity) as ({ transform?: Record<string, unknown> } | undefined)[])
    if (plugin?.transform && plugin.transform.handler === handler) plugin.transform.filter = filter
}

/** In dev the server knows who imports a module; a build knows it only at its end. */
function liveImporters(environment: Environment | undefined): ImportersOf | undefined {
  if (environment?.mode !== 'dev') return undefined
  return (id) => {
    const importers = environment.moduleGraph.getModuleById(id)?.importers ?? []
    return [...importers].flatMap((module) => module.id ?? [])
  }
}
