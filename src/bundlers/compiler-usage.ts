import { relative } from 'node:path'
import type { ModuleUse } from '../core/expose/usage.ts'
import { type Chunk, type Compilation, type Module, NAME } from './compiler-types.ts'
import { inVirtual } from './compiler-virtual.ts'
import { fileOf } from './graph.ts'

/** An import for its effect alone; each name that is taken has a dependency of its own. Both bundlers' words. */
const EFFECT = /^(?:harmony|esm) (?:side effect evaluation|import|export import)$/

interface Taken {
  readonly from: ModuleUse['from']
  readonly virtual: string
  readonly module: Module
  /** A set that is `undefined` for the virtual module as a whole. */
  names: Set<string> | undefined
}

/**
 * Notes which modules take names from the virtual modules once unused re-exports are passed over and modules
 * are not yet put together.
 * @returns says it with files, when those have their last names
 */
export function filingUses(compilation: Compilation): () => ModuleUse[] {
  let taken: Taken[] = []
  compilation.hooks.optimizeModules.tap(NAME, (modules) => {
    taken = [...modules].flatMap((module) => takenFrom(compilation, module))
  })
  return () => {
    const files = filesByModule(compilation)
    return taken.flatMap(({ from, virtual, module, names }): ModuleUse[] => {
      const own = files.get(module.identifier())
      // Dropped: nothing of it went anywhere.
      if (!own) return []
      const path = relative(compilation.compiler.context, fileOf(module.resource!)).replaceAll('\\', '/')
      return [
        { module: path, from, names: names && [...names], files: [...own, ...(files.get(virtual) ?? [])] },
      ]
    })
  }
}

/** Who takes what from a module, if it is a virtual one. */
function takenFrom({ moduleGraph }: Compilation, virtual: Module): Taken[] {
  const from = virtual.resource === undefined ? undefined : inVirtual(virtual.resource)
  if (from === undefined) return []
  const all = new Map<string, Taken>()
  for (const { originModule: module, dependency } of moduleGraph.getIncomingConnections(virtual)) {
    if (!module || module.resource === undefined || !dependency || EFFECT.test(dependency.type)) continue
    const id = module.identifier()
    const taken = all.get(id) ?? { from, virtual: virtual.identifier(), module, names: new Set<string>() }
    all.set(id, taken)
    const name = (dependency.getIds?.(moduleGraph) ?? dependency.ids)?.[0]
    if (name === undefined) taken.names = undefined
    else taken.names?.add(name)
  }
  return [...all.values()]
}

function filesByModule({ chunks, chunkGraph }: Compilation): Map<string, string[]> {
  const all = new Map<string, string[]>()
  for (const chunk of chunks) {
    const files = scriptsOf(chunk)
    for (const module of chunkGraph.getChunkModules(chunk)) {
      for (const part of [module, ...(module.modules ?? [])]) {
        const id = part.identifier()
        all.set(id, [...(all.get(id) ?? []), ...files])
      }
    }
  }
  return all
}

/** A chunk's style sheets hold no name. */
function scriptsOf({ files }: Chunk): string[] {
  return [...files].filter((file) => !/\.css(?:$|\?)/.test(file))
}
