import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { SecretsError } from '../core/errors.ts'
import { meansServer, VIRTUAL } from '../core/expose/ids.ts'
import type { ImportersOf } from '../core/guard.ts'
import { consoleLogger } from '../core/log.ts'
import type { Consumer } from '../core/types.ts'
import type { RewrittenSource } from './bun-outputs.ts'
import type {
  BunBuildConfig,
  BunBuildOutput,
  BunMetafile,
  BunOnLoadArgs,
  BunOnLoadResult,
  BunOnResolveArgs,
  BunPlugin,
  BunPluginBuilder,
} from './bun-types.ts'
import type { SourceUses } from './bun-usage.ts'
import { attempt, attemptAsync, toBundlerError } from './error.ts'
import { Graph, PACKAGES } from './graph.ts'
import { scanOutputs } from './outputs.ts'
import { type PluginOptions, Session } from './session.ts'
import type { SourceLanguage } from './source-parser.ts'
import { graphName, recordUsage } from './usage.ts'

const NAME = 'unplugin-secrets'
/** Of the virtual modules; stands before their ids in what Bun prints and lists. */
const NAMESPACE = 'secrets'
const LANGUAGES: ReadonlySet<string> = new Set<SourceLanguage>(['js', 'jsx', 'ts', 'tsx'])

/** One plugin object, which may serve many builds at once. */
export function bunPlugin(options: PluginOptions | undefined): BunPlugin {
  return { name: NAME, setup: (build) => attemptAsync(() => new BunBuild(build, options).start()) }
}

/**
 * One `Bun.build()`. Bun asks plugins for modules by their paths, before it compiles them, and has one hook when
 * the outputs are made; it would have written them by then, so it is told that they stay in memory.
 */
class BunBuild {
  readonly #build: BunPluginBuilder
  readonly #config: BunBuildConfig
  /** As it was before it was changed here. */
  readonly #given: BunBuildConfig
  readonly #root: string
  readonly #session: Session
  /** A server's build makes the pages that it imports, too, and those are for browsers. */
  #graphs!: Record<Consumer, Graph>
  #consumer: Consumer = 'client'
  /** For a runtime that Bun has no target for. */
  #isEdge = false
  readonly #rewritten = new Map<string, RewrittenSource>()
  readonly #uses = new Map<string, SourceUses>()
  /** Who asks for a virtual module: whether that is a browser's module is known only when it is loaded. */
  readonly #importers = new Map<string, Set<string>>()
  readonly #clientFiles = new Set<string>()
  readonly #clientIds = new Set<string>()

  constructor(build: BunPluginBuilder, options: PluginOptions | undefined) {
    this.#build = build
    this.#config = build.config ?? {}
    this.#given = { ...build.config }
    this.#root = realpathSync(options?.root ?? process.cwd())
    this.#session = new Session(options)
  }

  async start(): Promise<void> {
    const build = this.#build
    const { compile, entrypoints } = this.#given
    if (!entrypoints || !build.onEnd) {
      throw new SecretsError('UNSUPPORTED', 'Only Bun.build() shows a plugin what it is about to write.', {
        hint: 'Give the plugin to Bun.build() of Bun 1.2.22 or newer; `Bun.plugin()` and the dev server cannot have it.',
      })
    }
    if (compile) {
      throw new SecretsError('UNSUPPORTED', 'An executable cannot be looked through before Bun writes it.', {
        hint: 'Build without `compile` first, then `bun build --compile` what came out.',
      })
    }
    await this.#session.prepare({ root: this.#root, mode: undefined, prefixes: [], logger: consoleLogger })
    const { target } = this.#given
    this.#isEdge = target === undefined && this.#session.config.consumer === 'server'
    if (target === 'bun' || target === 'node' || this.#isEdge) this.#consumer = 'server'
    const graph = (consumer: Consumer): Graph =>
      new Graph(this.#session, { consumer, root: this.#root, edge: this.#isEdge })
    this.#graphs = { client: graph('client'), server: graph('server') }

    // Bun reads its options when all plugins have been set up. What is not written can be looked at before.
    this.#config.outdir = undefined
    this.#config.metafile = true
    if (this.#given.outdir !== undefined && this.#given.sourcemap === true) this.#config.sourcemap = 'linked'

    build.onResolve({ filter: VIRTUAL }, (args) => this.#resolve(args))
    build.onLoad({ filter: /./, namespace: NAMESPACE }, (args) => this.#load(args))
    build.onLoad({ filter: /\.(?:[cm]?[jt]s|[jt]sx)$/, namespace: 'file' }, (args) => this.#open(args))
    build.onEnd((result) => this.#end(result))
  }

  #graphOf(side: string | undefined): Graph {
    const isPage = side === 'client' && !this.#isEdge
    return this.#graphs[this.#consumer === 'server' && !isPage ? 'server' : 'client']
  }

  get #seals(): boolean {
    return this.#consumer === 'server' && this.#session.isSealed
  }

  #resolve({ path, importer }: BunOnResolveArgs): { path: string; namespace?: string } {
    const askers = this.#importers.get(path) ?? new Set()
    this.#importers.set(path, askers.add(importer))
    // Asked for by our own module, which the guard has let through before.
    const from = VIRTUAL.test(importer) || importer.startsWith(`${NAMESPACE}:`) ? undefined : importer
    const graph = this.#graphs[this.#consumer]
    const resolved = attempt(() => graph.resolve(path, from), importer)!
    return resolved.startsWith('\0')
      ? { path: resolved.slice(1), namespace: NAMESPACE }
      : { path: resolved, namespace: 'file' }
  }

  #load({ path, side }: BunOnLoadArgs): BunOnLoadResult {
    const graph = this.#graphOf(side)
    if (graph.consumer === 'client') {
      this.#clientIds.add(path)
      // Whatever is asked of it is there: the build fails by what the guard says.
      if (meansServer(path)) return { contents: 'module.exports = {}', loader: 'js' }
    }
    const text = attempt(() => graph.load(`\0${path}`), path) ?? ''
    // File names get their hashes before anything can be sealed.
    return { contents: this.#seals ? this.#session.stamp(text) : text, loader: 'js' }
  }

  async #open({ path, loader, side }: BunOnLoadArgs): Promise<BunOnLoadResult | undefined> {
    const graph = this.#graphOf(side)
    if (graph.consumer === 'client') this.#clientFiles.add(path)
    if (PACKAGES.test(path) || !LANGUAGES.has(loader)) return undefined
    const source = await readFile(path, 'utf8')
    if (!this.#session.readsFilter.include.some((pattern) => pattern.test(source))) return undefined
    const { rewriteSource } = await import('./source-reads.ts')
    const { output, problems } = await rewriteSource(source, loader as SourceLanguage, graph.readsOptions())
    graph.report(problems, path, (start) => ({ source, start }))
    if (this.#session.config.manifest !== false) {
      const { usesIn } = await import('./bun-usage.ts')
      this.#uses.set(path, await usesIn(output?.code ?? source, loader as SourceLanguage))
    }
    if (!output) return undefined
    this.#rewritten.set(path, { original: source, map: output.map })
    return { contents: output.code, loader }
  }

  async #end(result: BunBuildOutput): Promise<void> {
    const { metafile } = result
    if (!this.#given.metafile) result.metafile = undefined
    try {
      await this.#judge(metafile, result.outputs)
      if (result.success) await this.#finish(result, metafile!)
    } catch (error) {
      result.outputs = []
      throw toBundlerError(error)
    } finally {
      await this.#session.close()
    }
  }

  /** @throws SecretsError for what a graph may not have, with chains */
  async #judge(metafile: BunMetafile | undefined, outputs: BunBuildOutput['outputs']): Promise<void> {
    const { client } = this.#graphs
    await this.#judgeLeftOut(metafile, outputs)
    for (const id of this.#clientIds) {
      if (!meansServer(id)) continue
      const askers = [...(this.#importers.get(id) ?? [])].filter((file) => this.#clientFiles.has(file))
      // What a browser's module asked for in a server's build was let through until now.
      if (this.#consumer === 'server') for (const file of askers) client.resolve(id, file)
      if (askers.length === 0) client.load(`\0${id}`)
    }
    const importersOf = importersFrom(metafile, process.cwd())
    client.finish(importersOf)
    this.#graphs.server.finish(importersOf)
  }

  /**
   * Of some imports (`with { type: 'sqlite' }`) Bun asks no plugin, and leaves them as they are. One that
   * TypeScript drops because nothing uses it looks the same, but stands in no output.
   */
  async #judgeLeftOut(metafile: BunMetafile | undefined, outputs: BunBuildOutput['outputs']): Promise<void> {
    for (const [input, { imports }] of Object.entries(metafile?.inputs ?? {})) {
      for (const { path, external } of imports) {
        if (!external || !VIRTUAL.test(path)) continue
        this.#graphs[this.#consumer].resolve(path, resolve(input))
        if (this.#consumer === 'client' && meansServer(path)) continue
        const texts = await Promise.all(outputs.map((output) => output.text()))
        if (!texts.some((text) => [`"${path}"`, `'${path}'`].some((quoted) => text.includes(quoted))))
          continue
        throw new SecretsError('UNSUPPORTED', `${path} was left out of the bundle, in ${input}.`, {
          hint: 'Import it without attributes.',
        })
      }
    }
  }

  /** Outputs as they may be handed out: sealed and looked through; written where Bun would have. */
  async #finish(result: BunBuildOutput, metafile: BunMetafile): Promise<void> {
    const { artifactOf, filesOf, withAuthorsSources } = await import('./bun-outputs.ts')
    const { Writer, withoutOwnSources } = await import('./esbuild-outputs.ts')
    const { outdir } = this.#given
    const folder = resolve(outdir ?? '.')
    let files = (await filesOf(result.outputs, folder)).map((file) =>
      withAuthorsSources(withoutOwnSources(file), this.#rewritten, process.cwd(), outdir !== undefined),
    )
    if (this.#seals) {
      const { sealOutputs } = await import('./esbuild-sealing.ts')
      files = sealOutputs(this.#session, files, metafile as Parameters<typeof sealOutputs>[2], folder)
    }
    const named = files.map(({ path, contents }) => ({ name: relative(folder, path), content: contents }))
    await scanOutputs(this.#session, named, folder, this.#root)
    if (this.#session.config.manifest !== false) {
      const { usesOf } = await import('./bun-usage.ts')
      const uses = usesOf(metafile, this.#uses, this.#importers, this.#root)
      const [consumer, root] = [this.#consumer, this.#root]
      const name = graphName(consumer, root, folder)
      await recordUsage(this.#session, { name, consumer, root, outDir: folder, uses })
    }
    if (outdir !== undefined) new Writer().write(files)
    result.outputs = result.outputs.map((artifact, index) =>
      artifactOf(artifact, files[index]!, outdir === undefined ? artifact.path : files[index]!.path),
    )
  }
}

/** Who imports a module, by absolute paths. Nobody is known in a build that made nothing. */
function importersFrom(metafile: BunMetafile | undefined, base: string): ImportersOf {
  const importers = new Map<string, string[]>()
  for (const [input, { imports }] of Object.entries(metafile?.inputs ?? {})) {
    for (const { path, entryPoint } of imports) {
      const target = resolve(base, entryPoint ?? path)
      importers.set(target, [...(importers.get(target) ?? []), resolve(base, input)])
    }
  }
  return (id) => importers.get(id) ?? []
}
