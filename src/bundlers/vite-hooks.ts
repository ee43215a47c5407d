import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  originalPositionFor,
  type SourceMapInput,
  sourceContentFor,
  TraceMap,
} from '@jridgewell/trace-mapping'
import type { Environment, Plugin, ResolvedConfig, Rollup, UserConfig } from 'vite'
import { fillHtml } from '../core/expose/html.ts'
import { VIRTUAL } from '../core/expose/ids.ts'
import type { ImportersOf, SourcePlace } from '../core/guard.ts'
import { consoleLogger } from '../core/log.ts'
import type { Consumer } from '../core/types.ts'
import { toBundlerError } from './error.ts'
import { Graph } from './graph.ts'
import { type OutputFile, scanFolderOf, scanOutputs } from './outputs.ts'
import type { Session } from './session.ts'

/** What Vite denies by itself; a plugin's list would replace it (and serve `.env.local`). */
const VITE_DENY = ['.env', '.env.*', '*.{crt,pem,key,p12,pfx,cer,der}', '.npmrc', '.yarnrc.yml', '**/.git/**']
/** Key and vault live here. Sealed or not, nobody has to fetch them. */
const OWN_DENY = '**/.secrets/**'

/** What a hook of a plugin that runs in an environment has for `this`. */
interface Context {
  readonly environment?: Environment
}

/**
 * The hooks that guard and fill one pipeline's graphs. A worker's bundle is a pipeline of its own, to which
 * Vite gives no other plugin.
 */
function graphHooks(session: Session, root: () => string, fixed?: Consumer) {
  const graphs = new WeakMap<object, Graph>()
  const graphOf = (context: Context): Graph => {
    const { environment } = context
    const key = environment ?? nowhere
    const known = graphs.get(key)
    if (known) return known
    const live: ImportersOf | undefined =
      environment?.mode === 'dev'
        ? (id) => {
            const importers = environment.moduleGraph.getModuleById(id)?.importers ?? []
            return [...importers].flatMap((module) => module.id ?? [])
          }
        : undefined
    const graph = new Graph(session, { consumer: fixed ?? consumerOf(context, session), root: root(), live })
    graphs.set(key, graph)
    return graph
  }

  return {
    resolveId: {
      filter: { id: VIRTUAL },
      handler(this: Context, id: string, importer: string | undefined, options: { scan?: boolean } = {}) {
        // The dependency scan only collects packages; it has no graph to guard and no page to break.
        if (options.scan) return { id, external: true }
        const resolved = attempt(() => graphOf(this).resolve(id, importer), importer)
        return resolved === undefined ? undefined : { id: resolved, moduleSideEffects: false }
      },
    },
    load: {
      filter: { id: /^\0virtual:secrets\// },
      handler(this: Context, id: string) {
        return attempt(() => graphOf(this).load(id), id)
      },
    },
    transform: {
      // `\0` ids are other plugins' own; packages were not written for these names.
      filter: { id: { exclude: [/[\\/]node_modules[\\/]/, /^\0/] }, code: session.readsFilter },
      handler(this: Context & Rollup.TransformPluginContext, code: string, id: string) {
        const original = (start: number): SourcePlace => originalPlace(this, code, start)
        return attempt(() => graphOf(this).transform(code, id, (text) => this.parse(text), original), id) as
          | Rollup.TransformResult
          | undefined
      },
    },
    buildEnd(this: Context & Rollup.PluginContext, error?: Error) {
      // An error of somebody else's comes first; ours would hide it.
      if (error) return
      const importersOf: ImportersOf = (id) => {
        const info = this.getModuleInfo(id)
        return info ? [...info.importers, ...info.dynamicImporters] : []
      }
      attempt(() => graphOf(this).finish(importersOf))
    },
  }
}

/** Start lines of this process. */
const said = new Set<string>()

/** Stands for the environment where there is none. */
const nowhere = {}

/** What cannot be proved to be a server is a client. */
function consumerOf({ environment }: Context, session: Session): Consumer {
  return environment?.config.consumer === 'server' ? 'server' : (session.config.consumer ?? 'client')
}

/** The wiring between Vite's hooks and the graph of each environment. */
export function viteHooks(session: Session): Partial<Plugin> {
  let config: ResolvedConfig | undefined
  let isPreview = false
  const root = (): string => config!.root
  /** What the bundle of an environment has brought to disk, and was scanned before. */
  const emitted = new WeakMap<object, string[]>()

  return {
    ...(graphHooks(session, root) as unknown as Partial<Plugin>),

    config(user: UserConfig, env) {
      isPreview = env.isPreview === true
      const workers = user.worker?.plugins
      return {
        server: { fs: { deny: user.server?.fs?.deny ? [OWN_DENY] : [...VITE_DENY, OWN_DENY] } },
        worker: {
          plugins: () => [
            ...((workers?.() ?? []) as Plugin[]),
            { name: 'unplugin-secrets:worker', ...graphHooks(session, root, 'client') } as unknown as Plugin,
          ],
        },
      }
    },

    async configResolved(resolved) {
      config = resolved
      moveBehindUserPlugins(resolved)
      if (isPreview) return
      const prefixes = [resolved.envPrefix ?? 'VITE_'].flat()
      const { logger } = resolved
      try {
        await session.prepare({
          root: resolved.root,
          mode: resolved.mode,
          prefixes,
          logger: {
            // A build resolves its configuration once an environment; once said is enough.
            info: (message) => {
              if (resolved.command === 'build' && said.has(message)) return
              said.add(message)
              logger.info(`[secrets] ${message}`, { timestamp: resolved.command === 'serve' })
            },
            warn: (message) => logger.warn(`[secrets] ${message}`),
            debug: consoleLogger.debug,
          },
        })
      } catch (error) {
        throw toBundlerError(error)
      }
    },

    transformIndexHtml: {
      order: 'pre',
      handler(html, { filename }) {
        if (isPreview) return html
        const { client } = session.exposure
        const filled = fillHtml(html, new Set(session.exposure.names), (name) => {
          const value = client.values.get(name)
          return value === undefined || typeof value === 'string' ? value : JSON.stringify(value)
        })
        const graph = new Graph(session, { consumer: 'client', root: config!.root })
        for (const { name, start } of filled.denied) graph.denyHtml(name, filename, { source: html, start })
        attempt(() => graph.finish(() => []), filename)
        return filled.html
      },
    },

    // Vite copies `public/` when it starts to render, so what stands there is looked at before that.
    renderStart: {
      order: 'pre',
      sequential: true,
      async handler(this: Context) {
        const { publicDir } = config!
        if (!publicDir || !existsSync(publicDir) || !buildOf(this, config!).copyPublicDir) return
        await attemptAsync(() => scanFolderOf(session, publicDir, root()))
      },
    },

    // Before anything is written: a leak that is only found afterwards already is one.
    generateBundle: {
      order: 'post',
      async handler(this: Context, _options, bundle) {
        const files: OutputFile[] = Object.values(bundle).map((output) => ({
          name: output.fileName,
          content: output.type === 'chunk' ? output.code : output.source,
        }))
        const { outDir } = buildOf(this, config!)
        await attemptAsync(() => scanOutputs(session, files, outDir))
        emitted.set(
          this.environment ?? nowhere,
          files.map(({ name }) => name),
        )
      },
    },

    // What other plugins put beside the bundle: prerendered pages, compressed copies, a service worker.
    closeBundle: {
      order: 'post',
      sequential: true,
      async handler(this: Context) {
        const names = emitted.get(this.environment ?? nowhere)
        if (config?.command === 'build' && names) {
          const folder = resolve(root(), buildOf(this, config).outDir)
          await attemptAsync(() => scanFolderOf(session, folder, root(), names.map(literalGlob)))
        }
        if (!config?.build.watch) await session.close()
      },
    },
  }
}

function buildOf(
  { environment }: Context,
  config: ResolvedConfig,
): { outDir: string; copyPublicDir: boolean } {
  return environment?.config.build ?? config.build
}

/** A file name as a glob that matches just it. */
function literalGlob(name: string): string {
  return name.replace(/[\\*?[\]{}()!+@|]/g, '\\$&')
}

/**
 * Reads must be seen after a framework's compiler has made a component into JavaScript, and before Vite
 * itself replaces `import.meta.env`; a user who lists this plugin first would have it see the component's
 * own text. Environments take their order from this list only afterwards.
 */
function moveBehindUserPlugins(resolved: ResolvedConfig): void {
  const plugins = resolved.plugins as Plugin[]
  const from = plugins.findIndex(({ name }) => name === 'unplugin-secrets')
  const define = plugins.findIndex(({ name }) => name === 'vite:define')
  if (from === -1 || define === -1 || from === define - 1) return
  const [own] = plugins.splice(from, 1)
  plugins.splice(define - (from < define ? 1 : 0), 0, own!)
}

/** Where the author wrote it, through all that compilers did before; else where it stands now. */
function originalPlace(context: Rollup.TransformPluginContext, code: string, start: number): SourcePlace {
  try {
    const before = code.slice(0, start)
    const line = before.split('\n').length
    const column = start - before.lastIndexOf('\n') - 1
    const map = new TraceMap(context.getCombinedSourcemap() as SourceMapInput)
    const found = originalPositionFor(map, { line, column })
    const source = found.source === null ? null : sourceContentFor(map, found.source)
    if (!source || found.line === null) return { source: code, start }
    const lines = source.split('\n').slice(0, found.line - 1)
    return { source, start: lines.reduce((sum, text) => sum + text.length + 1, 0) + found.column }
  } catch {
    // No map, or a broken one of another plugin: the compiled text still shows the place.
    return { source: code, start }
  }
}

function attempt<T>(work: () => T, id?: string): T {
  try {
    return work()
  } catch (error) {
    throw toBundlerError(error, id)
  }
}

async function attemptAsync<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toBundlerError(error)
  }
}
