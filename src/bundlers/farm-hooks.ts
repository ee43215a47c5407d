import { createHash } from 'node:crypto'
import { isAbsolute, relative, resolve } from 'node:path'
import type { JsPlugin, ResolvedUserConfig, Server } from '@farmfe/core'
import { VIRTUAL } from '../core/expose/ids.ts'
import type { ImportersOf } from '../core/guard.ts'
import { consoleLogger, type Logger } from '../core/log.ts'
import type { Consumer } from '../core/types.ts'
import { loadGuard } from './dev-guard.ts'
import { attemptAsync } from './error.ts'
import { followFarm, guardFarm, tellFarm } from './farm-dev.ts'
import { finalizeFarm } from './farm-outputs.ts'
import { FarmUsage } from './farm-usage.ts'
import { FOREIGN, fileOf, Graph, PACKAGES } from './graph.ts'
import { scanFolderOf } from './outputs.ts'
import { type PluginOptions, Session } from './session.ts'
import type { SourceLanguage } from './source-parser.ts'
import { graphName, recordUsage } from './usage.ts'

/** What Farm gives its hooks, as far as it is used. */
interface FarmContext {
  viteGetImporters(moduleId: string): readonly { readonly file: string }[]
}

/**
 * Two plugins of Farm's own kind: modules are answered for before anybody else is asked, outputs are looked
 * through when everybody else is done. Executors are async throughout, because Farm ends the process where one
 * throws at once.
 */
export function farmPlugins(options: PluginOptions | undefined): JsPlugin[] {
  const build = new FarmBuild(options)
  // Also with a mark in front, which nobody writes by accident.
  const sources = ['^.?virtual:secrets']
  return [
    {
      name: 'unplugin-secrets',
      priority: 10_000,
      async configResolved(config) {
        await attemptAsync(() => build.prepare(config))
        // Farm follows an alias after the plugins, and would not find what only a plugin has.
        sources.push(...[...build.aliases.keys()].map((alias) => `^${escaped(alias)}$`))
      },
      configureDevServer: (server) => build.serve(server),
      resolve: {
        filters: { sources, importers: ['.*'] },
        executor: ({ source, importer }) => attemptAsync(async () => build.resolve(source, importer)),
      },
      load: {
        filters: { resolvedPaths: ['^virtual:secrets'] },
        executor: async ({ moduleId }) => ({ content: build.load(moduleId), moduleType: 'js' }),
      },
      buildEnd: {
        executor: (_, context) => attemptAsync(async () => build.judge(context as unknown as FarmContext)),
      },
    },
    {
      name: 'unplugin-secrets:outputs',
      priority: -10_000,
      // After the compilers of a framework; Farm's own come later.
      transform: {
        // One of the two is enough for Farm.
        filters: { moduleTypes: ['js', 'jsx', 'ts', 'tsx'], resolvedPaths: [] },
        executor: ({ content, moduleId, moduleType, resolvedPath }) =>
          attemptAsync(async () => {
            const language = moduleType as SourceLanguage
            const done = await build.transform(content, language, moduleId, resolvedPath)
            return (
              done && { content: done.code, sourceMap: done.map, moduleType, ignorePreviousSourceMap: false }
            )
          }),
      },
      // Before anything is written: a leak that is only found afterwards already is one.
      finalizeResources: {
        executor: ({ resourcesMap }) => attemptAsync(() => build.finalize(resourcesMap)),
      },
    },
  ]
}

/** One compiler: Farm gives a plugin object to one. */
class FarmBuild {
  readonly #options: PluginOptions | undefined
  readonly #session: Session
  /** Module ids by file; Farm aborts when it is asked for one that it does not know. */
  readonly #ids = new Map<string, string>()
  /** What is wrong with the import of a virtual module; thrown where it is found it would be wrapped in advice. */
  #failures: unknown[] = []
  #usage: FarmUsage | undefined
  /** Whether the first graph stands. What a server or a watcher compiles afterwards has no end to wait for. */
  #isBuilt = false
  /** Where this is one's compiler. */
  #server: Server | undefined
  #guard: Awaited<ReturnType<typeof loadGuard>> | undefined
  /** What a dev server begins with has been looked through. */
  #isFinal = false
  /** Specifiers that mean a virtual module. */
  aliases: ReadonlyMap<string, string> = new Map()
  #graph!: Graph
  #root = process.cwd()
  #outDir = ''
  #publicDir: string | undefined

  constructor(options: PluginOptions | undefined) {
    this.#options = options
    this.#session = new Session(options)
  }

  async prepare(config: ResolvedUserConfig): Promise<void> {
    const compilation = config.compilation!
    const { output, resolve: resolving } = compilation
    this.#root = this.#options?.root ?? config.root ?? process.cwd()
    this.#outDir = resolve(config.root ?? this.#root, output?.path ?? 'dist')
    this.#publicDir = resolve(config.root ?? this.#root, config.publicDir ?? 'public')
    this.aliases = virtualAliases(resolving?.alias)
    const dev = compilation.mode === 'development'
    const { logger: own } = config as { logger?: Pick<Logger, 'info' | 'warn'> }
    await this.#session.prepare({
      root: this.#root,
      mode: config.envMode ?? compilation.mode,
      prefixes: [config.envPrefix ?? ['FARM_', 'VITE_']].flat(),
      logger: {
        info: (message) => (own ?? consoleLogger).info(message),
        warn: (message) => (own ?? consoleLogger).warn(message),
        debug: consoleLogger.debug,
      },
      dev,
    })
    this.#server = undefined
    if (dev && this.#session.config.scan !== false)
      this.#guard = await loadGuard(this.#session, (message) => tellFarm(this.#server!, message))
    const consumer = consumerOf(output?.targetEnv, this.#session.config.consumer)
    this.#graph = new Graph(this.#session, { consumer, root: this.#root })
    const { manifest } = this.#session.config
    if (manifest !== false) this.#usage = new FarmUsage()
    // A module from the cache comes to no plugin, so nobody could say what it uses.
    if (manifest !== false) compilation.persistentCache = false
    if (compilation.persistentCache) {
      const cache = compilation.persistentCache === true ? {} : compilation.persistentCache
      // A module from the cache comes to no plugin: with other values, or another policy, there must be none.
      const envs = { ...cache.envs, 'unplugin-secrets': stampOf(this.#session, consumer) }
      compilation.persistentCache = { ...cache, envs }
    }
  }

  resolve(source: string, importer: string | null) {
    const id = this.aliases.get(source) ?? source
    // Asked for by our own module, which the guard has let through before.
    const from = importer && !VIRTUAL.test(importer) ? resolve(this.#root, fileOf(importer)) : undefined
    this.#usage?.asked(id, importer)
    let resolvedPath = id
    try {
      resolvedPath = this.#graph.resolve(id, from)!.replace('\0', '')
    } catch (error) {
      this.#failures.push(error)
    }
    this.#failNow()
    return { resolvedPath, external: false, sideEffects: false, query: [], meta: {} }
  }

  load(id: string): string {
    try {
      return this.#graph.load(`\0${id}`) ?? ''
    } catch (error) {
      this.#failures.push(error)
      return ''
    }
  }

  async transform(
    content: string,
    language: SourceLanguage,
    moduleId: string,
    path: string,
  ): Promise<{ code: string; map: string } | undefined> {
    this.#ids.set(resolve(this.#root, path), moduleId)
    if (VIRTUAL.test(path) || PACKAGES.test(path)) return undefined
    if (!this.#session.readsFilter.include.some((pattern) => pattern.test(content))) return undefined
    const [{ rewriteSource }, { placeByText }] = await Promise.all([
      import('./source-reads.ts'),
      import('./compiled-module.ts'),
    ])
    const { output, problems } = await rewriteSource(content, language, this.#graph.readsOptions())
    this.#graph.report(problems, path, (start) => placeByText(path, content, start))
    this.#failNow()
    await this.#usage?.look(output?.code ?? content, language, moduleId)
    if (!output) return undefined
    const map = { ...output.map, sources: [moduleId], sourcesContent: [content] }
    return { code: output.code, map: JSON.stringify(map) }
  }

  /** @throws SecretsError for what the graph may not have, with chains */
  judge(context: FarmContext): void {
    this.#isBuilt = true
    const [failure] = this.#failures.splice(0)
    if (failure) throw failure
    const importersOf: ImportersOf = (id) => {
      const moduleId = this.#ids.get(id)
      return moduleId === undefined ? [] : context.viteGetImporters(moduleId).map(({ file }) => file)
    }
    this.#graph.finish(importersOf)
  }

  #failNow(): void {
    if (!this.#isBuilt) return
    const [failure] = this.#failures.splice(0)
    if (failure) throw failure
    this.#graph.finish(() => [])
  }

  serve(server: Server): void {
    this.#server = server
    this.#isFinal = false
    if (this.#guard) guardFarm(server, this.#session, this.#guard)
    if (server.config.hmr) followFarm(server, this.#session, () => this.#sources())
  }

  /** Files in which names may be read, as far as they have come by. */
  #sources(): string[] {
    return [...this.#ids.keys()].filter(
      (file) => !VIRTUAL.test(relative(this.#root, file)) && !FOREIGN.test(file),
    )
  }

  async finalize<
    R extends { name: string; bytes: number[]; emitted: boolean; info?: { moduleIds: string[] } },
  >(resources: Record<string, R>): Promise<Record<string, R> | undefined> {
    // Its guard looks at what leaves the server; and Farm's process ends with an error that comes so late in an update.
    if (this.#isFinal && this.#guard && this.#server && !this.#server.config.writeToDisk) return undefined
    this.#isFinal = true
    const seals = this.#graph.consumer === 'server' && this.#session.isSealed
    const done = await finalizeFarm(this.#session, resources, {
      outDir: this.#outDir,
      root: this.#root,
      seals,
    })
    // Farm copies this folder when everything is over.
    const folder = this.#publicDir
    if (folder !== undefined && isBelow(this.#root, folder))
      await scanFolderOf(this.#session, folder, this.#root)
    if (this.#usage) {
      const { consumer } = this.#graph
      await recordUsage(this.#session, {
        name: graphName(consumer, this.#root, this.#outDir),
        consumer,
        root: this.#root,
        outDir: this.#outDir,
        uses: this.#usage.uses(Object.values(resources), this.#root),
        served: folder === undefined ? [] : [folder],
      })
    }
    return done
  }
}

/** What is not said to be a server is a client; a client may be built for Node, to be run in a test. */
function consumerOf(targetEnv: string | undefined, said: Consumer | undefined): Consumer {
  if (said === 'client') return 'client'
  if (/^(?:node|library-node)/.test(targetEnv ?? '')) return 'server'
  return targetEnv === 'library' && said === 'server' ? 'server' : 'client'
}

function virtualAliases(alias: unknown): ReadonlyMap<string, string> {
  const pairs: [string, unknown][] = Array.isArray(alias)
    ? alias.map(({ find, replacement }: { find: unknown; replacement: unknown }) => [
        String(find),
        replacement,
      ])
    : Object.entries(alias ?? {})
  return new Map(
    pairs.flatMap(([from, to]): [string, string][] =>
      typeof to === 'string' && VIRTUAL.test(to) ? [[from.replace(/\$$/, ''), to]] : [],
    ),
  )
}

/** Of everything that decides what becomes of a module; nothing but what clients may have goes into it. */
function stampOf({ config, exposure }: Session, consumer: Consumer): string {
  const { client, names, server } = exposure
  const parts = [
    consumer,
    names,
    [...client.values],
    server.manifest,
    config.replaceProcessEnv,
    config.server,
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

function isBelow(root: string, folder: string): boolean {
  const path = relative(root, folder)
  return path !== '' && !path.startsWith('..') && !isAbsolute(path)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
