import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { SERVER_ID } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import type { Consumer } from '../core/types.ts'
import type { CompiledModule } from './compiled-module.ts'
import { finishGraph } from './compiler-guard.ts'
import { sealing } from './compiler-sealing.ts'
import { Sessions } from './compiler-session.ts'
import { type Asset, type Compilation, type Compiler, type LoaderContext, NAME } from './compiler-types.ts'
import { filingUses } from './compiler-usage.ts'
import { inVirtual, resolveVirtual, virtualAliases, virtualRules } from './compiler-virtual.ts'
import { attempt, toBundlerError } from './error.ts'
import { Graph } from './graph.ts'
import { localFiles } from './local-files.ts'
import { scanFolderOf, scanOutputs } from './outputs.ts'
import { changesFileOf } from './rotation-stamp.ts'
import type { PluginOptions, Session, SessionPlace } from './session.ts'
import { type Output, type Rewritten, rewriteSurely } from './sure-module.ts'
import { graphName, recordUsage } from './usage.ts'
import { BRIDGE, type Bridge } from './webpack-loader.ts'

export { NAME }

/** `PROCESS_ASSETS_STAGE_REPORT` is 5000 in both; after everybody who reports. */
const AFTER_REPORT = 5500
const LAST = 1_000_000

/** What each of the two does its own way. */
export interface CompilerWays {
  /** Once, when the names are known and before the first module is made. */
  start?(run: CompilerRun): void
  /** Before each build, last of all. */
  begin?(run: CompilerRun): Promise<void>
  /** For each compilation, those of child compilers included. */
  compilation?(run: CompilerRun, compilation: Compilation): void
  /** Whether to look through all modules for the server module though nothing asked for it in this build. */
  readonly looksAlways: boolean
  /** Whether modules are rewritten in one go, so that nothing can be loaded for those that need more. */
  readonly waitsForNothing: boolean
}

/** The plugin of webpack and Rspack: one instance, given to one compiler or several. */
export function compilerPlugin(options: PluginOptions | undefined, ways: CompilerWays) {
  const sessions = new Sessions(options)
  return {
    name: NAME,
    apply: (compiler: unknown): void => new CompilerRun(compiler as Compiler, sessions, ways).attach(),
  }
}

/** One compiler: when it asks, and what becomes of violations. */
export class CompilerRun implements Bridge {
  readonly compiler: Compiler
  /** Files that the loader was given, in any build so far. */
  readonly given = new Set<string>()
  readonly #sessions: Sessions
  readonly #ways: CompilerWays
  readonly #graphs = new WeakMap<Compilation, Graph>()
  #session: Session | undefined
  #root: Compilation | undefined
  /** The compiler's options have been added to; it may run several times. */
  #isWired = false
  /** Something of this build must not be written. */
  #failed = false
  /** A client asked for the server module, in any way. */
  #asked = false
  /** What stopped the values from being asked for anew, until it is mended. */
  #problem: unknown
  /** What a watching build looks at besides modules. */
  #watched: readonly string[] = []
  #scanned = new Map<string, Asset['source']>()

  constructor(compiler: Compiler, sessions: Sessions, ways: CompilerWays) {
    this.compiler = compiler
    this.#sessions = sessions
    this.#ways = ways
  }

  attach(): void {
    const { hooks } = this.compiler
    Object.assign(this.compiler, { [BRIDGE]: this })
    hooks.beforeRun.tapPromise(NAME, () => this.#prepare())
    hooks.watchRun.tapPromise(NAME, () => this.#prepare())
    const begin = { name: NAME, stage: LAST }
    hooks.run.tapPromise(begin, async () => this.#ways.begin?.(this))
    hooks.watchRun.tapPromise(begin, async () => this.#ways.begin?.(this))
    hooks.thisCompilation.tap(NAME, (compilation) => this.#begin(compilation))
    hooks.compilation.tap(NAME, (compilation, { normalModuleFactory }) => {
      this.#graphs.set(compilation, this.#newGraph())
      normalModuleFactory.hooks.resolveForScheme
        .for('virtual')
        .tap(NAME, (data) => resolveVirtual(data, this))
      compilation.hooks.finishModules.tap({ name: NAME, stage: LAST }, () => this.#finish(compilation))
      if (this.consumer === 'server' && this.session.isSealed) sealing(this.session, compilation)
      this.#ways.compilation?.(this, compilation)
    })
    // First, because the first answer counts.
    hooks.shouldEmit.tap({ name: NAME, stage: -LAST }, () => (this.#failed ? false : undefined))
    hooks.emit.tapPromise({ name: NAME, stage: LAST }, (compilation) => this.#scanLate(compilation))
    hooks.done.tapPromise({ name: NAME, stage: LAST }, ({ compilation }) => this.#end(compilation))
    hooks.failed.tap(NAME, () => this.#release())
    hooks.watchClose.tap(NAME, () => this.#release())
  }

  get session(): Session {
    return this.#session!
  }

  /** What cannot be proved to be Node alone is a client, an Electron window too; only of a worker can be said whose it is. */
  get consumer(): Consumer {
    const { platform } = this.compiler
    if (platform.node && !platform.web && !platform.browser && !platform.webworker) return 'server'
    return this.#isWorker && this.session.config.consumer === 'server' ? 'server' : 'client'
  }

  get runtimeFile(): string {
    return this.session.runtimeFile(this.#isWorker)
  }

  /** A browser's service worker, or a function at the edge. */
  get #isWorker(): boolean {
    const { node, webworker } = this.compiler.platform
    return webworker === true && node === false
  }

  graphOf(compilation: Compilation): Graph {
    return this.#graphs.get(compilation) ?? this.#graphs.get(this.#root!)!
  }

  /** Nothing of this build will be written. */
  fail(error: unknown): void {
    this.#failed = true
    this.#root?.errors.push(toBundlerError(error) as Error)
  }

  warn(message: string): void {
    this.compiler.getInfrastructureLogger('secrets').warn(message)
  }

  /** A client asked for the server module; who did is told when the graph is complete. */
  asked(): void {
    this.#asked = true
  }

  load(context: LoaderContext): string {
    // Values change without a file that changes, so no cache may answer for them.
    context.cacheable(false)
    const id = inVirtual(context.resourceQuery)
    if (id === undefined) return 'export {}\n'
    if (this.consumer === 'client' && id === SERVER_ID) {
      this.asked()
      return this.session.serve('client').denied()
    }
    const text = attempt(() => this.graphOf(context._compilation).load(`\0${id}`)) ?? ''
    // All hashes but that of the real content are taken before anything can be sealed.
    return this.session.stamp(text)
  }

  async rewrite(context: LoaderContext, code: string, map: unknown): Promise<Output | undefined> {
    this.given.add(context.resourcePath)
    const { resourcePath: path, sourceMap: wantsMap } = context
    const module = { code, map, path, type: context._module.type, wantsMap }
    const graph = this.graphOf(context._compilation)
    if (!this.#reads(module)) return undefined
    const sure = rewriteSurely(module, graph.readsOptions())
    if (sure) return sure.output
    await this.#loadRewriting()
    const result = this.#rewriteNow(module, graph)
    if (result.problems) context.cacheable(false)
    return result.output
  }

  /** @returns nothing for a module that reads no secret */
  rewriteModule(compilation: Compilation, module: CompiledModule): Rewritten | undefined {
    if (!this.#reads(module)) return undefined
    const graph = this.graphOf(compilation)
    const sure = rewriteSurely(module, graph.readsOptions())
    return sure ? { output: sure.output, problems: false } : this.#rewriteNow(module, graph)
  }

  #reads({ type, code }: CompiledModule): boolean {
    if (!type.startsWith('javascript/')) return false
    return this.session.readsFilter.include.some((pattern) => pattern.test(code))
  }

  #rewriteNow(module: CompiledModule, graph: Graph): Rewritten {
    const { output, problems, place } = this.#rewriteCompiled!(module, graph.readsOptions())
    graph.report(problems, module.path, place)
    return { output, problems: problems.length > 0 }
  }
  #rewriteCompiled: typeof import('./compiled-module.ts').rewriteCompiled | undefined

  async #loadRewriting(): Promise<void> {
    this.#rewriteCompiled ??= (await import('./compiled-module.ts')).rewriteCompiled
  }

  #newGraph(): Graph {
    return new Graph(this.session, { consumer: this.consumer, root: this.compiler.context })
  }

  async #prepare(): Promise<void> {
    const { compiler } = this
    this.#failed = false
    this.#asked = false
    if (this.#session && compiler.watchMode) return this.#refresh()
    this.#session = await this.#attempt(() => this.#sessions.acquire(compiler, this.#place()))
    await this.#watch()
    if (this.#ways.waitsForNothing) await this.#loadRewriting()
    if (!this.#isWired) {
      this.#isWired = true
      const { module, resolve } = compiler.options
      module.rules = [...(module.rules ?? []), ...virtualRules(this.consumer)]
      virtualAliases(resolve, this)
    }
    this.#ways.start?.(this)
  }

  /** In a watching build: when a file of ours changed, all of it is read again. */
  async #refresh(): Promise<void> {
    const { modifiedFiles = new Set(), removedFiles = new Set() } = this.compiler
    if (!this.#watched.some((file) => modifiedFiles.has(file) || removedFiles.has(file))) return
    try {
      await this.session.prepare(this.#place())
      this.#problem = undefined
      await this.#watch()
    } catch (error) {
      // The mistake may be mended in the next moment: the watching goes on.
      this.#problem = error
    }
  }

  async #watch(): Promise<void> {
    const { config } = this.session
    const stamp = this.compiler.watchMode ? [await changesFileOf(this.session)] : []
    this.#watched = [...config.files, ...localFiles(config), ...stamp]
  }

  #place(): SessionPlace {
    const { context, options } = this.compiler
    const logger = this.compiler.getInfrastructureLogger('secrets')
    const dotenv = options.dotenv as { prefix?: string | string[] } | boolean | undefined
    return {
      root: context,
      mode: options.mode === 'none' ? undefined : options.mode,
      prefixes: dotenv ? [(typeof dotenv === 'object' && dotenv.prefix) || 'WEBPACK_'].flat() : [],
      logger: {
        info: (message) => logger.info(message),
        warn: (message) => logger.warn(message),
        debug: (message) => logger.debug(message),
      },
    }
  }

  #begin(compilation: Compilation): void {
    this.#root = compilation
    this.#scanned = new Map()
    for (const file of this.#watched)
      compilation[existsSync(file) ? 'fileDependencies' : 'missingDependencies'].add(file)
    if (this.#problem) this.fail(this.#problem)
    const filed = this.session.config.manifest === false ? undefined : filingUses(compilation)
    compilation.hooks.processAssets.tapPromise({ name: NAME, stage: AFTER_REPORT }, async () => {
      await this.#scanAll(compilation)
      if (filed && !this.#failed) await this.#record(filed())
    })
  }

  /** Every importer is known and nothing is written. */
  #finish(compilation: Compilation): void {
    const mayAsk = this.consumer === 'client' && (this.#asked || this.#ways.looksAlways)
    try {
      finishGraph(this.graphOf(compilation), compilation, { mayAsk, asked: this.#asked })
    } catch (error) {
      this.fail(error)
    }
  }

  async #record(uses: readonly ModuleUse[]): Promise<void> {
    const { consumer } = this
    const { context: root, outputPath: outDir, options } = this.compiler
    const name = options.name ?? graphName(consumer, root, outDir)
    try {
      await recordUsage(this.session, { name, consumer, root, outDir, uses })
    } catch (error) {
      this.fail(error)
    }
  }

  async #scan(assets: readonly Asset[]): Promise<void> {
    const { compiler } = this
    for (const { name, source } of assets) this.#scanned.set(name, source)
    const files = assets.map(({ name, source }) => ({ name, content: source.buffer() }))
    await scanOutputs(this.session, files, relative(compiler.context, compiler.outputPath))
  }

  async #scanAll(compilation: Compilation): Promise<void> {
    if (this.#failed) return
    try {
      await this.#scan(compilation.getAssets())
    } catch (error) {
      this.fail(error)
    }
  }

  /** What was added or changed behind the report: too late to show it as the others, early enough to stop it. */
  async #scanLate(compilation: Compilation): Promise<void> {
    const late = compilation.getAssets().filter(({ name }) => !this.#scanned.has(name))
    if (late.length > 0) await this.#attempt(() => this.#scan(late))
  }

  async #end(compilation: Compilation): Promise<void> {
    const { compiler } = this
    if (compiler.watchMode) return
    try {
      const { context, outputPath } = compiler
      const holdsRoot = !relative(outputPath, context).startsWith('..')
      if (!this.#failed && !holdsRoot && this.#scanned.size > 0)
        await scanFolderOf(this.session, outputPath, context, new Set(this.#scanned.keys()))
    } catch (error) {
      this.#failed = true
      compilation.errors.push(toBundlerError(error) as Error)
    } finally {
      this.#release()
    }
  }

  #release(): void {
    this.#sessions.release(this.compiler)
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const shown = toBundlerError(error)
      // Rspack shows the stack of what is thrown, and nothing where that is empty.
      throw shown instanceof Error && shown.stack === ''
        ? Object.assign(shown, { stack: shown.message })
        : shown
    }
  }
}
