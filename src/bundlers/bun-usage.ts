import { relative, resolve } from 'node:path'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import { importedNames, type ModuleUse } from '../core/expose/usage.ts'
import type { BunMetafile } from './bun-types.ts'
import { parseSource, type SourceLanguage } from './source-parser.ts'

/** What one module takes from the virtual modules. */
export interface SourceUses {
  readonly uses: readonly Pick<ModuleUse, 'from' | 'names'>[]
  /** Whether it only hands on what it imports, so that nothing of its own is left in an output. */
  readonly isPassage: boolean
}

/** @param code a module whose reads have become imports */
export async function usesIn(code: string, language: SourceLanguage): Promise<SourceUses> {
  const { body } = (await parseSource(code, language)).ast
  const handsOn = (node: { type: string; declaration?: unknown }): boolean =>
    /^(?:Import|ExportAll|ExportNamed)Declaration$/.test(node.type) && !node.declaration
  return { uses: importedNames({ body }), isPassage: body.every(handsOn) }
}

/**
 * Which modules of a finished build take names from the virtual modules.
 * @param known of the modules that were looked into, by file
 * @param importers who asked for a virtual module, by its id
 */
export function usesOf(
  metafile: BunMetafile,
  known: ReadonlyMap<string, SourceUses>,
  importers: ReadonlyMap<string, ReadonlySet<string>>,
  root: string,
): ModuleUse[] {
  const base = process.cwd()
  const filesWith = (wanted: string): string[] =>
    Object.entries(metafile.outputs)
      .filter(([, { inputs }]) =>
        Object.entries(inputs).some(
          ([input, { bytesInOutput }]) =>
            bytesInOutput > 0 && (input === wanted || resolve(base, input) === wanted),
        ),
      )
      .map(([path]) => path.replace(/^\.\//, ''))
  const all = new Map(known)
  for (const from of [CLIENT_ID, SERVER_ID] as const) {
    for (const file of importers.get(from) ?? []) {
      const { uses, isPassage } = all.get(file) ?? { uses: [], isPassage: false }
      // Asked for on demand, by `require()`, or in words that name nothing: all of it.
      if (!uses.some((use) => use.from === from))
        all.set(file, { uses: [...uses, { from, names: undefined }], isPassage })
    }
  }
  return [...all].flatMap(([file, { uses, isPassage }]) => {
    const own = filesWith(file)
    // Dropped, and nothing of it went anywhere.
    if (own.length === 0 && !isPassage) return []
    const module = relative(root, file).replaceAll('\\', '/')
    return uses.map((use) => ({ ...use, module, files: [...own, ...filesWith(`secrets:${use.from}`)] }))
  })
}
