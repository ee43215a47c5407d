import type { SecretSource, Snapshot } from '../snapshot.ts'
import type { Consumer } from '../types.ts'
import { isTypeOnly, type Node } from './ast.ts'
import type { Exposure } from './exposure.ts'
import { CLIENT_ID, SERVER_ID } from './ids.ts'

/**
 * What went where: which names a build put into which files, and where they came from. Names and places only;
 * no value, and nothing that is made of one.
 */

/** In clear, asked for at the server's start, or sealed. */
export type Delivery = 'value' | 'runtime' | 'sealed'

/** One module that takes names from a virtual module. */
export interface ModuleUse {
  /** Relative to the root. */
  readonly module: string
  readonly from: typeof CLIENT_ID | typeof SERVER_ID
  /** `undefined`: the virtual module as a whole. */
  readonly names: readonly string[] | undefined
  /** The emitted files that the module is in, relative to the output folder. */
  readonly files: readonly string[]
}

/** One name in one build. */
export interface UsedSecret {
  readonly name: string
  readonly as: Delivery
  /** Of a JSON secret that clients may not have as a whole: the keys that they get. */
  readonly parts?: readonly string[]
  readonly source: SecretSource | null
  readonly provider: string | null
  readonly reference: string | null
  readonly version: string | null
  readonly stale: boolean
  readonly modules: readonly string[]
  readonly files: readonly string[]
}

/** One build of one graph. */
export interface GraphUsage {
  readonly consumer: Consumer
  readonly environment: string
  readonly profile: string | null
  /** Relative to the root. */
  readonly outDir: string
  readonly secrets: readonly UsedSecret[]
}

/** The names that a module imports or re-exports, by virtual module. @param program its ESTree program */
export function importedNames(program: unknown): Pick<ModuleUse, 'from' | 'names'>[] {
  const named = new Map<ModuleUse['from'], Set<string>>()
  const whole = new Set<ModuleUse['from']>()
  for (const node of (program as { readonly body: readonly Node[] }).body) {
    const from = node.source?.value
    if ((from !== CLIENT_ID && from !== SERVER_ID) || isTypeOnly(node)) continue
    const names = named.get(from) ?? new Set()
    named.set(from, names)
    if (node.type === 'ExportAllDeclaration') whole.add(from)
    for (const specifier of node.specifiers ?? []) {
      if (isTypeOnly(specifier)) continue
      const part = node.type === 'ImportDeclaration' ? specifier.imported : specifier.local
      const name = part && (part.name ?? part.value)
      if (typeof name === 'string') names.add(name)
      else if (specifier.type === 'ImportNamespaceSpecifier') whole.add(from)
    }
  }
  return [...named].map(([from, names]) => ({ from, names: whole.has(from) ? undefined : [...names] }))
}

/** @param server how the names of the server module travel */
export function usedSecrets(
  uses: readonly ModuleUse[],
  snapshot: Snapshot,
  { names: all, client, policy }: Exposure,
  server: Exclude<Delivery, 'value'>,
): UsedSecret[] {
  const clientNames = new Set(client.values.keys())
  const serverNames = new Set(all)
  const rows = new Map<string, { name: string; as: Delivery; modules: Set<string>; files: Set<string> }>()
  for (const { from, names, module, files } of uses) {
    const as = from === CLIENT_ID ? 'value' : server
    const known = from === CLIENT_ID ? clientNames : serverNames
    for (const name of names ?? known) {
      // A type, which is gone by now, or the bundler's own error.
      if (!known.has(name)) continue
      const row = rows.get(`${name} ${as}`) ?? { name, as, modules: new Set(), files: new Set() }
      rows.set(`${name} ${as}`, row)
      row.modules.add(module)
      for (const file of files) row.files.add(file)
    }
  }
  return [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { name, as, modules, files }]) => {
      const meta = snapshot.meta(name)
      const isPartial = as === 'value' && !policy.client.has(name)
      return {
        name,
        as,
        ...(isPartial ? { parts: [...policy.client].filter((entry) => entry.startsWith(`${name}.`)) } : {}),
        source: meta?.source ?? null,
        provider: meta?.provider ?? null,
        reference: meta?.reference ?? null,
        version: meta?.version ?? null,
        stale: meta?.stale ?? false,
        modules: [...modules].sort(),
        files: [...files].sort(),
      }
    })
}
