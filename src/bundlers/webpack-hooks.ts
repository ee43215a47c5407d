import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { type CompilerRun, type CompilerWays, NAME } from './compiler-hooks.ts'
import type { Compilation, Module } from './compiler-types.ts'
import { fileOf, PACKAGES } from './graph.ts'

/** What webpack has and Rspack has not: hooks for the result of all loaders, and for what its cache may answer. */
interface NormalModuleHooks {
  readonly processResult?: {
    tap(name: string, call: (result: LoaderResult, module: Module) => LoaderResult): void
  }
  readonly beforeParse: { tap(name: string, call: (module: BuiltModule) => void): void }
  readonly needBuild?: { tap(name: string, call: (module: Module) => true | undefined): void }
}
/** What the result of all loaders is kept in, where there is no hook for it yet. */
interface BuiltModule extends Module {
  _source: { source(): string | Buffer; map(options: object): unknown }
  _ast: unknown
  createSource(context: string, code: string, map: unknown, root: object): BuiltModule['_source']
}
type LoaderResult = readonly [source: string | Buffer, map?: unknown, extra?: unknown]

/** The mark that a cached module carries: under which names and policy it was looked at. */
const STAMP = 'unplugin-secrets'

/**
 * Reads are rewritten when all loaders are done and before webpack parses: no loader runs for it, and a module
 * without a secret costs a search for a word.
 */
export const webpackWays: CompilerWays = {
  looksAlways: true,
  waitsForNothing: true,
  compilation(run, compilation) {
    const hooks = normalModule(compilation).getCompilationHooks(compilation)
    const stamp = stampOf(run)
    const rewrite = (module: Module, source: string | Buffer, mapOf: () => unknown) => {
      if (!isOwn(module)) return undefined
      const { buildInfo = {} } = module
      buildInfo[STAMP] = stamp
      if (!mayRead(source, run)) return undefined
      const map = mapOf()
      const rewritten = run.rewriteModule(compilation, {
        code: typeof source === 'string' ? source : source.toString('utf8'),
        map,
        path: fileOf(module.resource ?? ''),
        type: module.type,
        wantsMap: Boolean(module.useSourceMap || module.useSimpleSourceMap),
      })
      // A cached module would not be reported again.
      if (rewritten?.problems) buildInfo.cacheable = false
      return rewritten?.output && { code: rewritten.output.code, map: rewritten.output.map ?? map }
    }
    if (hooks.processResult) {
      hooks.processResult.tap(NAME, (result, module) => {
        const [source, map, extra] = result
        const output = rewrite(module, source, () => map)
        // A loader's syntax tree is of the old text.
        return output ? [output.code, output.map, { ...(extra as object), webpackAST: undefined }] : result
      })
    } else {
      // The webpack that Next carries in itself.
      hooks.beforeParse.tap(NAME, (module) => {
        const { _source } = module
        const output = rewrite(module, _source.source(), () => _source.map({ columns: true }))
        if (!output) return
        const { context, root } = compilation.compiler
        module._source = module.createSource(context, output.code, output.map, root)
        module._ast = null
      })
    }
    hooks.needBuild?.tap(NAME, (module) =>
      isOwn(module) && module.buildInfo?.[STAMP] !== stamp ? true : undefined,
    )
  },
}

/** Packages were not written for these names. */
function isOwn({ type, resource }: Module): boolean {
  return type.startsWith('javascript/') && !PACKAGES.test(resource ?? '')
}

function mayRead(source: string | Buffer, { session }: CompilerRun): boolean {
  const words = session.config.replaceProcessEnv ? ['meta', 'process'] : ['meta']
  return [...words, 'virtual:secrets'].some((word) => source.includes(word))
}

/** Of names alone: which values they have is nobody's business in a cache. */
export function stampOf({ session, consumer }: CompilerRun): string {
  const { policy, names } = session.exposure
  const rules = [
    consumer,
    session.config.replaceProcessEnv,
    names,
    names.filter((name) => policy.allows(name)),
  ]
  return createHash('sha256').update(JSON.stringify(rules)).digest('hex').slice(0, 16)
}

function normalModule(compilation: Compilation): {
  getCompilationHooks(compilation: Compilation): NormalModuleHooks
} {
  const { webpack } = compilation.compiler as unknown as {
    webpack: { NormalModule: ReturnType<typeof normalModule> }
  }
  return webpack.NormalModule
}
