import { relative, resolve } from 'node:path'
import type { Plugin, ResolvedConfig, Rollup, UserConfig } from 'vite'
import { fillHtml } from '../core/expose/html.ts'
import { CLIENT_ID } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import { consoleLogger } from '../core/log.ts'
import type { Consumer } from '../core/types.ts'
import { attempt, attemptAsync, toBundlerError } from './error.ts'
import { Graph } from './graph.ts'
import { modulesFilter, otherModulesFilter, replaceNatively } from './native-reads.ts'
import { type OutputFile, scanFolderOf, scanOutputs } from './outputs.ts'
import { graphHooks, type HookContext, keepFilter } from './rollup-hooks.ts'
import { usesOf } from './rollup-usage.ts'
import { changesFileOf } from './rotation-stamp.ts'
import type { Session, SessionPlace } from './session.ts'
import { recordUsage } from './usage.ts'
import { devtoolsDock } from './vite-devtools.ts'
import { pagesPlugin } from './vite-pages.ts'
import type { Rotation } from './vite-rotation.ts'

/** What Vite denies by itself; a plugin's list would replace it (and serve `.env.local`). */
const VITE_DENY = ['.env', '.env.*', '*.{crt,pem,key,p12,pfx,cer,der}', '.npmrc', '.yarnrc.yml', '**/.git/**']
/** Key and vault live here. Sealed or not, nobody has to fetch them. */
const OWN_DENY = '**/.secrets/**'

/** Server code built under one of these may run where Node's modules are not. */
const EDGE_CONDITIONS = ['workerd', 'worker', 'edge-light', 'edge-routine', 'netlify']

/** Start lines of this process. */
const said = new Set<string>()

/** Stands for the environment where there is none. */
const nowhere = {}

/** Vite knows, so the `consumer` setting has no say. What cannot be proved to be a server is a client. */
function consumerOf({ environment }: HookContext): Consumer {
  return environment?.config.consumer === 'server' ? 'server' : 'client'
}

/** The wiring between Vite's hooks and the graph of each environment. */
export function viteHooks(session: Session): Plugin {
  let config: ResolvedConfig | undefined
  let place: SessionPlace | undefined
  let isPreview = false
  const root = (): string => config!.root
  /** In dev always: an overlay and the browser's tools show source. */
  const map = (context: HookContext): boolean =>
    config!.command === 'serve' || Boolean(buildOf(context, config!).sourcemap)
  const edge = ({ environment }: HookContext): boolean =>
    config!.ssr?.target === 'webworker' ||
    (environment?.config.resolve.conditions ?? []).some((condition) => EDGE_CONDITIONS.includes(condition))
  /** Not where names may come and go, and not in Vite 7. */
  const isNative = ({ meta }: object & { meta?: object }): boolean =>
    'rolldownVersion' in (meta ?? {}) && config!.command === 'build' && !config!.build.watch
  /** Once all others have had their say, `vite:define` too. */
  const options = {
    order: 'post' as const,
    handler(this: HookContext, input: object): null {
      if (isNative(this)) replaceNatively(session, input)
      return null
    },
  }
  /** Before the bundler compiles it. One plugin object may serve a build and then a server. */
  const setFilter = ({ transform }: ReturnType<typeof graphHooks>): void => {
    transform.filter = replaces ? otherModulesFilter(session) : modulesFilter(session)
  }
  /** Vite gives a worker's bundle no plugin but these. It is the client's, whatever starts it. */
  const workerPlugin = (): object => {
    const graph = graphHooks(session, { root, map, consumerOf: () => 'client' })
    setFilter(graph)
    return {
      name: 'unplugin-secrets:worker',
      ...graph,
      options,
      generateBundle(this: Rollup.PluginContext, _: unknown, bundle: Rollup.OutputBundle) {
        if (session.config.manifest === false) return
        beside.set(Object.keys(bundle)[0]!, usesOf(this, bundle, root()))
      },
    }
  }
  /** What uses names outside the client's own bundle: pages and workers, by file. */
  const beside = new Map<string, ModuleUse[]>()
  /** What the bundle of an environment has brought to disk, and was scanned before. */
  const emitted = new WeakMap<object, string[]>()

  const graph = graphHooks(session, { root, map, consumerOf, edge })
  /** Whether Rolldown replaces plain reads by itself. */
  let replaces = false
  let isDocked = false
  let isFirst = true
  let rotation: Rotation | undefined

  return {
    name: 'unplugin-secrets',
    ...(graph as unknown as Partial<Plugin>),
    ...devtoolsDock(() => {
      isDocked = true
    }),
    options,

    config(user: UserConfig, env) {
      isPreview = env.isPreview === true
      const workers = user.worker?.plugins
      return {
        server: { fs: { deny: user.server?.fs?.deny ? [OWN_DENY] : [...VITE_DENY, OWN_DENY] } },
        worker: {
          plugins: () => [...((workers?.() ?? []) as Plugin[]), workerPlugin() as Plugin],
        },
      }
    },

    async configResolved(resolved) {
      config = resolved
      moveBehindUserPlugins(resolved)
      ;(resolved.plugins as Plugin[]).push(pagesPlugin(session))
      if (isPreview) return
      replaces = isNative(this as object)
      if (resolved.command === 'serve' && resolved.plugins.some(({ name }) => name === 'vite:vue'))
        (resolved.plugins as Plugin[]).push((await import('./vite-vue.ts')).vuePlugin(session))
      const prefixes = [resolved.envPrefix ?? 'VITE_'].flat()
      const { logger } = resolved
      place = {
        root: resolved.root,
        mode: resolved.mode,
        prefixes,
        dev: resolved.command === 'serve',
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
      }
      await attemptAsync(() => session.prepare(place!))
      setFilter(graph)
      keepFilter(resolved.plugins, graph.transform)
      // While the bundler reads the first modules this process has nothing else to do.
      if (resolved.command === 'build' && session.config.scan) setImmediate(() => session.scanner())
    },

    async configureServer(server) {
      const { serveDev } = await import('./vite-dev.ts')
      rotation = serveDev({ server, session, place: place!, beside, isDocked: () => isDocked })
    },

    load: {
      ...graph.load,
      handler(this: HookContext, id: string) {
        const text = graph.load.handler.call(this, id)
        const isClient = id === `\0${CLIENT_ID}` && consumerOf(this) === 'client'
        // On lines of its own: Vite puts what `import.meta.hot` needs in front of the first.
        return text !== undefined && isClient && rotation ? `\n${text}${rotation.mark}` : text
      },
    },

    async buildStart(this: HookContext & Rollup.PluginContext) {
      graph.buildStart.call(this)
      if (config?.command !== 'build' || !config.build.watch) return
      // What changes at a provider, in the local vault or in a `.env` file, in one that comes later too.
      const stamp = await changesFileOf(session, true)
      this.addWatchFile(stamp)
      if (!isFirst) await attemptAsync(() => session.prepare(place!))
      isFirst = false
    },
    closeWatcher: () => session.close(),

    transformIndexHtml: {
      order: 'pre',
      handler(html, { filename }) {
        if (isPreview) return html
        const { failure } = session
        if (failure && [...session.names].some((name) => html.includes(`%${name}%`)))
          throw toBundlerError(failure, filename)
        const { client } = session.exposure
        const filled = fillHtml(html, session.names, (name) => {
          const value = client.values.get(name)
          return value === undefined || typeof value === 'string' ? value : JSON.stringify(value)
        })
        const page = relative(root(), filename).replaceAll('\\', '/')
        const names = [...client.values.keys()].filter((name) => html.includes(`%${name}%`))
        beside.set(page, [{ module: page, from: CLIENT_ID, names, files: [page] }])
        const graph = new Graph(session, { consumer: 'client', root: config!.root })
        for (const { name, start } of filled.denied) graph.denyHtml(name, filename, { source: html, start })
        attempt(() => graph.finish(() => []), filename)
        const tags = rotation && names.length > 0 ? rotation.pageMark : []
        return { html: filled.html, tags }
      },
    },

    // Vite copies `public/` when it starts to render, so what stands there is looked at before that.
    renderStart: {
      order: 'pre',
      sequential: true,
      async handler(this: HookContext) {
        const { publicDir } = config!
        if (!publicDir || !buildOf(this, config!).copyPublicDir) return
        await attemptAsync(() => scanFolderOf(session, publicDir, root()))
      },
    },

    // Before anything is written: a leak that is only found afterwards already is one.
    generateBundle: {
      order: 'post',
      async handler(this: HookContext & Rollup.PluginContext, _options, bundle) {
        const files: OutputFile[] = Object.values(bundle).map((output) => ({
          name: output.fileName,
          content: output.type === 'chunk' ? output.code : output.source,
        }))
        const { outDir } = buildOf(this, config!)
        await attemptAsync(() => scanOutputs(session, files, outDir, root()))
        const consumer = consumerOf(this)
        await attemptAsync(async () => {
          if (session.config.manifest === false) return
          const uses = usesOf(this, bundle as unknown as Rollup.OutputBundle, root())
          await recordUsage(session, {
            name: this.environment?.name ?? consumer,
            consumer,
            root: root(),
            outDir,
            uses: consumer === 'client' ? [...uses, ...[...beside.values()].flat()] : uses,
            served: config!.publicDir ? [config!.publicDir] : [],
          })
        })
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
      async handler(this: HookContext) {
        const names = emitted.get(this.environment ?? nowhere)
        if (config?.command === 'build' && names) {
          const folder = resolve(root(), buildOf(this, config).outDir)
          await attemptAsync(() => scanFolderOf(session, folder, root(), new Set(names)))
        }
        // A server that restarts has begun with the next configuration before it ends this one.
        const ended = this.environment?.getTopLevelConfig() ?? config
        if (config?.command === 'serve' && ended !== config) return
        if (!config?.build.watch) await session.close()
      },
    },
  }
}

function buildOf({ environment }: HookContext, config: ResolvedConfig): ResolvedConfig['build'] {
  return environment?.config.build ?? config.build
}

/**
 * Reads must be seen after a framework's compiler has made a component into JavaScript, and before Vite
 * itself replaces `import.meta.env`; a user who lists this plugin first would have it see the component's
 * own text. Environments take their order from this list only afterwards.
 */
function moveBehindUserPlugins(resolved: ResolvedConfig): void {
  const plugins = resolved.plugins as Plugin[]
  move(plugins, 'unplugin-secrets', 'vite:define')
  // Vitest puts an expression of its own in the place of `import.meta.env` before anybody has seen it.
  move(plugins, 'vitest:meta-env-replacer', 'vite:define')
}

/** Directly before another plugin. */
function move(plugins: Plugin[], name: string, before: string): void {
  const from = plugins.findIndex((plugin) => plugin.name === name)
  const to = plugins.findIndex((plugin) => plugin.name === before)
  if (from === -1 || to === -1 || from === to - 1) return
  const [moved] = plugins.splice(from, 1)
  plugins.splice(to - (from < to ? 1 : 0), 0, moved!)
}
