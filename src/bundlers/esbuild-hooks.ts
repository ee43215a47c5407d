import { realpathSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type {
  BuildOptions,
  BuildResult,
  Metafile,
  OnEndResult,
  OnLoadResult,
  OnResolveArgs,
  OnResolveResult,
  OutputFile,
  PartialMessage,
  Plugin,
  PluginBuild,
} from 'esbuild'
import { SecretsError } from '../core/errors.ts'
import { meansServer, VIRTUAL } from '../core/expose/ids.ts'
import { consoleLogger } from '../core/log.ts'
import type { Consumer } from '../core/types.ts'
import { apartEnvModule, definesFor, ENV_ID, envModule, UNQUOTED } from './esbuild-env.ts'
import { EsbuildGuard } from './esbuild-guard.ts'
import { exactly, failed, shown } from './esbuild-messages.ts'
import { Writer, withoutOwnSources } from './esbuild-outputs.ts'
import { codeLoader, judge, openPatterns, textOf } from './esbuild-sources.ts'
import { Graph } from './graph.ts'
import { localFiles } from './local-files.ts'
import { scanOutputs } from './outputs.ts'
import { RotationStamp } from './rotation-stamp.ts'
import { type PluginOptions, Session } from './session.ts'
import { graphName, recordUsage } from './usage.ts'

const NAME = 'unplugin-secrets'
/** Of the virtual modules; stands before their ids in what esbuild prints and lists. */
const NAMESPACE = 'secrets'

/** What one pass over the sources taught the next one. */
interface Lesson {
  readonly session: Session
  /** Files in which the environment is taken apart. */
  readonly files: ReadonlySet<string>
  /** Names that are read where nobody looked before. */
  readonly names: ReadonlySet<string>
}

/** One plugin object, which may serve many builds at once. */
export function esbuildPlugin(options: PluginOptions | undefined, lesson?: Lesson): Plugin {
  return {
    name: NAME,
    async setup(build) {
      try {
        await new EsbuildBuild(build, options, lesson).start()
      } catch (error) {
        throw shown(error)
      }
    },
  }
}

/**
 * One build or context. esbuild calls JavaScript for the files that a filter names, and nothing tells it by
 * content; so direct reads are replaced by its own `define`, and only files that take the environment apart
 * come to us. What stands in the sources is judged when the build has ended, and nothing is written before.
 */
class EsbuildBuild {
  readonly #build: PluginBuild
  readonly #options: PluginOptions | undefined
  readonly #lesson: Lesson | undefined
  /** As they were before they were changed here: for another pass. */
  readonly #given: BuildOptions
  readonly #root: string
  readonly #writer = new Writer()
  readonly #warnings: PartialMessage[] = []
  readonly #stamp = new RotationStamp()
  #session!: Session
  #consumer: Consumer = 'client'
  #graph!: Graph
  #guard!: EsbuildGuard
  #said = ''
  /** Files of this context that take the environment apart and were not known to when it began. */
  readonly #late = new Set<string>()
  #told = 0
  #builds = 0

  constructor(build: PluginBuild, options: PluginOptions | undefined, lesson: Lesson | undefined) {
    this.#build = build
    this.#options = options
    this.#lesson = lesson
    this.#given = { ...build.initialOptions }
    // The paths that esbuild gives are real ones.
    this.#root = realpathSync(build.initialOptions.absWorkingDir ?? process.cwd())
  }

  async start(): Promise<void> {
    const build = this.#build
    const { initialOptions } = build
    if (!initialOptions.bundle) {
      throw new SecretsError('UNSUPPORTED', 'Without `bundle: true` no module reaches the plugin.', {
        hint: 'Set bundle: true; with packages: "external" dependencies stay outside.',
      })
    }
    this.#session = this.#lesson?.session ?? (await this.#prepare())
    const { config, names } = this.#session
    // Only `neutral` leaves open who runs it. What is not said to be a server is a client.
    const { platform } = initialOptions
    if (platform === 'node' || (platform === 'neutral' && config.consumer === 'server'))
      this.#consumer = 'server'
    const defines = definesFor(names, config.replaceProcessEnv, this.#seals)
    initialOptions.define = { ...initialOptions.define, ...defines }
    initialOptions.inject = [...(initialOptions.inject ?? []), ENV_ID]
    initialOptions.metafile = true
    // Written by us, after the scan. A server (`serve`) hands out what is in memory, and an error instead of it
    // where a scan has found something.
    initialOptions.write = false
    this.#begin()
    const patterns = this.#lookAround()

    build.onStart(() => this.#onStart())
    build.onResolve({ filter: VIRTUAL }, (args) => this.#resolve(args))
    // esbuild follows an alias after the plugins, and would not find what only a plugin has.
    for (const [alias, path] of Object.entries(initialOptions.alias ?? {})) {
      if (!VIRTUAL.test(path)) continue
      build.onResolve({ filter: exactly([alias]) }, (args) => this.#resolve({ ...args, path }))
    }
    build.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => this.#load(path))
    if (patterns.length > 0) {
      const filter = exactly(patterns)
      build.onLoad({ filter, namespace: 'file' }, ({ path }) => this.#open(path))
    }
    build.onEnd((result) => this.#onEnd(result))
    build.onDispose(() => {
      this.#stamp.remove()
      if (!this.#lesson) void this.#session.close()
    })
  }

  /** Whether outputs carry their values, so that what nothing reads must not be in them. */
  get #seals(): boolean {
    return this.#consumer === 'server' && this.#session.isSealed
  }

  get #outdir(): string {
    const { outdir, outfile } = this.#given
    return resolve(this.#root, outdir ?? (outfile === undefined ? '.' : dirname(outfile)))
  }

  get #outfile(): string[] {
    return this.#given.outfile === undefined ? [] : [resolve(this.#root, this.#given.outfile)]
  }

  async #prepare(): Promise<Session> {
    const session = new Session(this.#options)
    await session.prepare({
      root: this.#root,
      mode: undefined,
      prefixes: [],
      logger: {
        info: (message) => {
          const talks = ['info', 'debug', 'verbose'].includes(this.#given.logLevel ?? 'warning')
          if (talks && this.#said !== message) consoleLogger.info(message)
          this.#said = message
        },
        warn: (text) => void this.#warnings.push({ text }),
        debug: consoleLogger.debug,
      },
    })
    return session
  }

  /** A new graph: what was denied in the last build has been told. */
  #begin(): void {
    const session = this.#session
    // Who is no Node is not known to have its modules.
    const edge = this.#given.platform !== 'node'
    this.#graph = new Graph(session, { consumer: this.#consumer, root: this.#root, edge })
    this.#guard = new EsbuildGuard({
      build: this.#build,
      session,
      graph: this.#graph,
      root: this.#root,
      given: this.#given,
      known: this.#lesson?.names ?? new Set(),
      before: this.#guard,
    })
  }

  #lookAround(): string[] {
    const known = this.#lesson?.files ?? new Set<string>()
    return this.#guard.lookAround([this.#outdir, ...this.#outfile], known)
  }

  async #onStart(): Promise<OnEndResult> {
    if (this.#builds++ > 0) {
      try {
        // Values are asked for again: from the cache where it is fresh, and local ones from their files.
        const next = await this.#prepare()
        void this.#session.close()
        this.#session = next
        await this.#stamp.followLater(next, true)
      } catch (error) {
        return failed(error)
      }
      this.#begin()
      this.#lookAround()
      this.#tellLate()
    }
    return { warnings: this.#warnings.splice(0) }
  }

  /** A server (`serve`) hands out what esbuild made at first, and nobody can tell that there is one. */
  #tellLate(): void {
    if (this.#late.size === this.#told) return
    this.#told = this.#late.size
    const text = `import.meta.env is taken apart in ${[...this.#late].join(', ')}, and was not where this context looked when it began.`
    const notes = [
      { text: 'What is written is right. What serve() hands out is not until a new context starts.' },
    ]
    this.#warnings.push({ text, notes })
  }

  #resolve({ path, importer, namespace, kind }: OnResolveArgs): OnResolveResult {
    if (path === ENV_ID && kind === 'entry-point') return { path, namespace: NAMESPACE, sideEffects: false }
    try {
      // Asked for by our own module, which the guard has let through before.
      const from = namespace === NAMESPACE ? undefined : importer
      const resolved = this.#graph.resolve(path, from)!
      return resolved.startsWith('\0')
        ? { path: resolved.slice(1), namespace: NAMESPACE, sideEffects: false }
        : { path: resolved, sideEffects: false }
    } catch (error) {
      return failed(error)
    }
  }

  #load(path: string): OnLoadResult {
    const { config } = this.#session
    const watchFiles = [...config.files, ...localFiles(config), this.#stamp.file]
    const rest = { resolveDir: this.#root, loader: 'js', watchFiles } as const
    const serve = this.#session.serve(this.#consumer)
    if (path === ENV_ID) {
      // It takes a while to make, which this process has nothing else to do in.
      if (config.scan) setImmediate(() => this.#session.scanner())
      const make = this.#seals ? apartEnvModule : envModule
      return { contents: make(this.#guard.named(), serve.envModule), ...rest }
    }
    // Whatever is asked of it is there: the build fails by what the guard says.
    if (meansServer(path) && this.#consumer === 'client') return { contents: 'module.exports = {}', ...rest }
    try {
      const text = this.#graph.load(`\0${path}`) ?? ''
      if (!this.#seals) return { contents: text, ...rest }
      // File names get their hashes before anything can be sealed, and of what a map quotes too.
      return { contents: `${this.#session.stamp(text)}${UNQUOTED}`, ...rest }
    } catch (error) {
      return failed(error)
    }
  }

  async #open(path: string): Promise<OnLoadResult | undefined> {
    const source = textOf(path)
    const loader = codeLoader(path, this.#given)
    if (source === undefined || !loader) return undefined
    const judged = await judge(this.#build, source, loader, this.#graph.readsOptions())
    if (!judged || judged.patterns.length === 0) return undefined
    const { code, left } = await openPatterns(source, judged.patterns)
    if (left.length === 0) this.#guard.opened.add(path)
    return { contents: code, loader }
  }

  async #onEnd(result: BuildResult): Promise<OnEndResult> {
    if (!this.#lesson) void this.#stamp.followLater(this.#session)
    const { outputFiles = [], metafile } = result
    if (this.#given.write !== false) delete (result as Partial<BuildResult>).outputFiles
    else result.outputFiles = []
    if (!this.#given.metafile) delete (result as Partial<BuildResult>).metafile
    try {
      // Nothing was made, and esbuild has said why; of names that the client module lacks more can be said.
      if (!metafile) {
        this.#guard.judgeMissing(result.errors)
        return {}
      }
      const missed = await this.#guard.judgeAll(metafile, outputFiles)
      for (const file of missed?.files ?? []) {
        if (!this.#guard.filtered?.has(file)) this.#late.add(relative(this.#root, file))
      }
      // The first build may be the only one, and its outputs are right.
      if (this.#builds > 1) this.#tellLate()
      const files = missed ? await this.#again(missed, result) : await this.#finish(outputFiles, metafile)
      if (this.#given.write === false || this.#lesson) result.outputFiles = files
      else this.#writer.write(files)
      return { warnings: this.#warnings.splice(0) }
    } catch (error) {
      return failed(error)
    }
  }

  /** Outputs as they may be handed out: sealed, looked through, and told of in the manifest. */
  async #finish(outputs: readonly OutputFile[], metafile: Metafile): Promise<OutputFile[]> {
    const session = this.#session
    const [root, outDir, given] = [this.#root, this.#outdir, this.#given]
    // Asked of what esbuild goes by: another plugin may have changed it.
    const { sourcemap } = this.#build.initialOptions
    let files = sourcemap ? outputs.map(withoutOwnSources) : [...outputs]
    if (this.#seals) {
      const { sealOutputs } = await import('./esbuild-sealing.ts')
      files = sealOutputs(session, files, metafile, root)
    }
    const named = files.map(({ path, contents }) => ({ name: relative(outDir, path), content: contents }))
    await scanOutputs(session, named, outDir, root)
    if (session.config.manifest !== false) {
      const { usesOf } = await import('./esbuild-usage.ts')
      const place = { build: this.#build, graph: this.#graph, root, outDir, given }
      const uses = await usesOf(metafile, place)
      const name = graphName(this.#consumer, root, this.#outfile[0] ?? outDir)
      await recordUsage(session, { name, consumer: this.#consumer, root, outDir, uses })
    }
    return files
  }

  /** Builds once more, knowing more: a module that no one looked into before takes part in a way that needs us. */
  async #again(missed: { files: ReadonlySet<string>; names: ReadonlySet<string> }, result: BuildResult) {
    if (this.#lesson) {
      throw new SecretsError(
        'ACCESS_UNSUPPORTED',
        'Reads of import.meta.env were added while the build ran.',
        {
          hint: 'Build again.',
        },
      )
    }
    const lesson = { session: this.#session, ...missed }
    const plugins = (this.#given.plugins ?? []).map((plugin) =>
      plugin.name === NAME ? esbuildPlugin(this.#options, lesson) : plugin,
    )
    const again = await this.#build.esbuild.build({
      ...this.#given,
      plugins,
      write: false,
      metafile: true,
      logLevel: 'silent',
    })
    if (this.#given.metafile) result.metafile = again.metafile
    return again.outputFiles
  }
}
