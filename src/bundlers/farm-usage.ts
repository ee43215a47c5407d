import { relative, resolve } from 'node:path'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import { type SourceUses, usesIn } from './bun-usage.ts'
import { fileOf } from './graph.ts'
import type { SourceLanguage } from './source-parser.ts'

/** What of a resource tells where modules went; those that were dropped are missing in it. */
interface PlacedResource {
  readonly name: string
  readonly emitted: boolean
  readonly info?: { readonly moduleIds: readonly string[] }
}

/** Which modules of a build take names from the virtual modules, by Farm's own ids. */
export class FarmUsage {
  readonly #known = new Map<string, SourceUses>()
  /** Who asked for a virtual module, by its id. */
  readonly #importers = new Map<string, Set<string>>()

  asked(id: string, importer: string | null): void {
    if (importer === null) return
    this.#importers.set(id, (this.#importers.get(id) ?? new Set()).add(importer))
  }

  /** @param code a module whose reads have become imports */
  async look(code: string, language: SourceLanguage, moduleId: string): Promise<void> {
    this.#known.set(moduleId, await usesIn(code, language))
  }

  uses(resources: Iterable<PlacedResource>, root: string): ModuleUse[] {
    const written = [...resources].filter(({ emitted }) => !emitted)
    const filesWith = (id: string): string[] =>
      written.filter(({ info }) => info?.moduleIds.includes(id)).map(({ name }) => name)
    const all = new Map(this.#known)
    for (const from of [CLIENT_ID, SERVER_ID] as const) {
      for (const id of this.#importers.get(from) ?? []) {
        const { uses, isPassage } = all.get(id) ?? { uses: [], isPassage: false }
        // Asked for on demand, by `require()`, or in words that name nothing: all of it.
        if (!uses.some((use) => use.from === from))
          all.set(id, { uses: [...uses, { from, names: undefined }], isPassage })
      }
    }
    return [...all].flatMap(([id, { uses, isPassage }]) => {
      const own = filesWith(id)
      // Dropped, and nothing of it went anywhere.
      if (own.length === 0 && !isPassage) return []
      const module = relative(root, resolve(root, fileOf(id))).replaceAll('\\', '/')
      return uses.map((use) => ({ ...use, module, files: [...own, ...filesWith(use.from)] }))
    })
  }
}
