import { SERVER_ID } from '../core/expose/ids.ts'
import { SEAL_MARK } from '../core/expose/seal-marks.ts'
import { type Compilation, type Module, NAME } from './compiler-types.ts'
import { inVirtual } from './compiler-virtual.ts'
import type { Session } from './session.ts'

/** Behind the minifiers of `OPTIMIZE_SIZE` (400), before `DEV_TOOLING` (500) makes maps and `OPTIMIZE_HASH` (2500) the real hash. */
const BEFORE_MAPS = 499

/** Seals the outputs of a server's compilation. */
export function sealing(session: Session, compilation: Compilation): void {
  let used: ReadonlySet<string> | undefined
  compilation.hooks.optimizeModules.tap(NAME, (modules) => {
    used = usedNames(compilation, modules)
  })
  compilation.hooks.processAssets.tapPromise({ name: NAME, stage: BEFORE_MAPS }, async () =>
    sealAssets(session, compilation, used),
  )
}

/**
 * The names that a server really takes, asked for while the bundler knows it: neither drops the others unless
 * it minifies.
 * @returns `undefined` where it does not say, as in development
 */
function usedNames(compilation: Compilation, modules: Iterable<Module>): Set<string> | undefined {
  const runtimes = new Set(
    [...compilation.chunks].flatMap(({ runtime = [] }) =>
      typeof runtime === 'string' ? [runtime] : [...runtime],
    ),
  )
  const names = new Set<string>()
  for (const module of modules) {
    if (module.resource === undefined || inVirtual(module.resource) !== SERVER_ID) continue
    const used = compilation.moduleGraph.getUsedExports(module, [...runtimes])
    if (used === true || used === null) return undefined
    for (const name of used || []) names.add(name)
  }
  return names
}

/** The sources are the bundler's own, so its maps follow. */
function sealAssets(session: Session, compilation: Compilation, used: ReadonlySet<string> | undefined): void {
  const { ReplaceSource } = compilation.compiler.webpack.sources
  for (const { name, source } of compilation.getAssets()) {
    const code = source.source()
    if (typeof code !== 'string' || !SEAL_MARK.test(code)) continue
    const places = session.sealPlaces(code, used && ((each) => used.has(each)))
    if (!places) continue
    const sealed = new ReplaceSource(source)
    for (const { start, end, text } of places) sealed.replace(start, end - 1, text)
    compilation.updateAsset(name, sealed)
  }
}
