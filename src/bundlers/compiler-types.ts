/**
 * What webpack and Rspack have in common of what is used here. Their own types differ in names and depth
 * though the objects are alike, so the shared hooks are written against these.
 */
import type { Buffer } from 'node:buffer'

export const NAME = 'unplugin-secrets'

type HookOptions = string | { readonly name: string; readonly stage?: number }

interface Hook<Args extends unknown[], Result = void> {
  // biome-ignore lint/suspicious/noConfusingVoidType: a tap that returns nothing passes
  tap(options: HookOptions, call: (...args: Args) => Result | void): void
}

interface AsyncHook<Args extends unknown[], Result = void> extends Hook<Args, Result> {
  tapPromise(options: HookOptions, call: (...args: Args) => Promise<Result>): void
}

export interface ResourceData {
  resource: string
  path?: string | undefined
  query?: string | undefined
  fragment?: string | undefined
}

export interface NormalModuleFactory {
  readonly hooks: {
    readonly resolveForScheme: { for(scheme: string): Hook<[ResourceData], true> }
  }
}

export interface Module {
  readonly type: string
  /** Path and query; only modules that were made from a file have one. */
  readonly resource?: string
  readonly useSourceMap?: boolean
  readonly useSimpleSourceMap?: boolean
  readonly buildInfo?: Record<string, unknown>
  /** Of one that was put together of several. */
  readonly modules?: Iterable<Module>
  identifier(): string
}

/** Why one module needs another; for each name that is taken there is one. */
export interface Dependency {
  readonly type: string
  /** What is taken: the name, and members of it. Empty: the module as a whole. */
  readonly ids?: readonly string[] | undefined
  /** webpack's own, which follows re-exports. */
  getIds?(graph: ModuleGraph): readonly string[] | undefined
}

export interface ModuleGraph {
  getIncomingConnections(
    module: Module,
  ): Iterable<{ readonly originModule?: Module | null; readonly dependency?: Dependency | null }>
  /** `true`: all of them, or as a whole; `null`: nobody looked. */
  getUsedExports(module: Module, runtime: string[]): Iterable<string> | boolean | null
}

export interface Chunk {
  readonly files: Iterable<string>
  readonly runtime?: string | Iterable<string> | undefined
}

/** webpack's `Source`, of which Rspack has its own. */
export interface Source {
  source(): string | Buffer
  buffer(): Buffer
}

export interface Asset {
  readonly name: string
  readonly source: Source
}

interface PathSet {
  add(path: string): unknown
}

export interface Compilation {
  readonly compiler: Compiler
  readonly errors: { push(error: Error): unknown }
  readonly modules: Iterable<Module>
  readonly moduleGraph: ModuleGraph
  readonly chunks: Iterable<Chunk>
  readonly chunkGraph: { getChunkModules(chunk: Chunk): Iterable<Module> }
  readonly fileDependencies: PathSet
  /** What is looked for where nothing is. */
  readonly missingDependencies: PathSet
  readonly hooks: {
    readonly finishModules: Hook<[Iterable<Module>]>
    /** The uses of exports are known, and modules are not yet put together. */
    readonly optimizeModules: Hook<[Iterable<Module>]>
    readonly processAssets: AsyncHook<[unknown]>
  }
  getAssets(): readonly Asset[]
  updateAsset(name: string, source: Source): void
}

export interface Compiler {
  /** The bundler's own package; Rspack has this name too. */
  readonly webpack: {
    readonly rspackVersion?: string
    readonly sources: {
      readonly ReplaceSource: new (
        original: Source,
      ) => Source & { replace(start: number, last: number, text: string): void }
    }
  }
  readonly context: string
  readonly outputPath: string
  readonly root: Compiler
  readonly watchMode: boolean
  readonly modifiedFiles?: Set<string> | undefined
  readonly removedFiles?: ReadonlySet<string> | undefined
  readonly platform: Readonly<Record<string, boolean | null | undefined>>
  readonly options: {
    readonly name?: string | undefined
    readonly mode?: string
    readonly module: { rules?: unknown[] }
    readonly resolve: { alias?: unknown; symlinks?: boolean }
    readonly dotenv?: unknown
    readonly cache?: unknown
  }
  readonly hooks: {
    readonly beforeRun: AsyncHook<[Compiler]>
    readonly run: AsyncHook<[Compiler]>
    readonly watchRun: AsyncHook<[Compiler]>
    readonly thisCompilation: Hook<[Compilation, { readonly normalModuleFactory: NormalModuleFactory }]>
    readonly compilation: Hook<[Compilation, { readonly normalModuleFactory: NormalModuleFactory }]>
    readonly shouldEmit: Hook<[Compilation], boolean>
    readonly emit: AsyncHook<[Compilation]>
    readonly done: AsyncHook<[{ readonly compilation: Compilation }]>
    readonly failed: Hook<[Error]>
    readonly watchClose: Hook<[]>
  }
  getInfrastructureLogger(name: string): Record<'info' | 'warn' | 'debug', (message: string) => void>
}

/** What a loader has for `this`. */
export interface LoaderContext {
  readonly resourcePath: string
  readonly resourceQuery: string
  readonly sourceMap: boolean
  readonly loaderIndex: number
  /** Rspack's own items are no part of its documented interface. */
  readonly loaders: readonly { readonly loaderItem?: { codeFilter?: unknown } }[]
  readonly _compiler: Compiler
  readonly _compilation: Compilation
  readonly _module: Module
  cacheable(flag: boolean): void
  callback(error: Error | null, code?: string | Buffer, map?: unknown): void
  async(): LoaderContext['callback']
}
