import { SERVER_ID } from '../core/expose/ids.ts'
import type { ImportersOf } from '../core/guard.ts'
import type { Compilation, Module } from './compiler-types.ts'
import { inVirtual } from './compiler-virtual.ts'
import { fileOf, type Graph } from './graph.ts'

/**
 * Ends the graph of a compilation, in which every importer is known.
 * @param how.mayAsk whether to look for a server module that should not be there
 * @param how.asked somebody asked for one, so that it must be told even if nobody has it any more
 * @throws SecretsError for what was denied
 */
export function finishGraph(
  graph: Graph,
  compilation: Compilation,
  { mayAsk, asked }: { mayAsk: boolean; asked: boolean },
): void {
  const importersOf = (module: Module): string[] =>
    [...compilation.moduleGraph.getIncomingConnections(module)].flatMap(({ originModule }) =>
      originModule ? idOf(originModule) : [],
    )
  if (mayAsk) {
    const denied = [...compilation.modules].filter(
      (module) => module.resource !== undefined && inVirtual(module.resource) === SERVER_ID,
    )
    const by = new Set(denied.flatMap(importersOf))
    for (const importer of by) graph.resolve(SERVER_ID, importer)
    // An entry, or one that the bundler has dropped since.
    if (by.size === 0 && (asked || denied.length > 0)) graph.resolve(SERVER_ID, undefined)
  }
  let byId: Map<string, Module[]> | undefined
  const importers: ImportersOf = (id) => {
    byId ??= groupById(compilation.modules)
    return new Set(
      byId
        .get(id)
        ?.flatMap(importersOf)
        .filter((importer) => importer !== id),
    )
  }
  graph.finish(importers)
}

function idOf(module: Module): string {
  return module.resource === undefined ? module.identifier() : fileOf(module.resource)
}

/** Several modules may come of one file: under queries, in layers. */
function groupById(modules: Iterable<Module>): Map<string, Module[]> {
  const groups = new Map<string, Module[]>()
  for (const module of modules) {
    const id = idOf(module)
    const group = groups.get(id)
    if (group) group.push(module)
    else groups.set(id, [module])
  }
  return groups
}
