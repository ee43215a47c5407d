import { relative, resolve } from 'node:path'
import type { BuildOptions, Metafile, PluginBuild } from 'esbuild'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import { codeLoader, moduleUses, textOf } from './esbuild-sources.ts'
import type { Graph } from './graph.ts'

interface UsageOptions {
  readonly build: PluginBuild
  readonly graph: Graph
  readonly root: string
  readonly outDir: string
  readonly given: BuildOptions
}

/** What stands before the ids of virtual modules in a metafile. */
const OURS = 'secrets:'
type Input = Metafile['inputs'][string]
type Use = Pick<ModuleUse, 'from' | 'names'>

/** Which modules of a finished build take names from the virtual modules, or read the environment. */
export async function usesOf(metafile: Metafile, options: UsageOptions): Promise<ModuleUse[]> {
  const { root, outDir } = options
  const outputs = Object.entries(metafile.outputs).map(([path, { inputs }]) => ({
    file: relative(outDir, resolve(root, path)).replaceAll('\\', '/'),
    inputs,
  }))
  const filesOf = (input: string): string[] =>
    outputs.filter(({ inputs }) => (inputs[input]?.bytesInOutput ?? 0) > 0).map(({ file }) => file)
  const carriers = new Map([CLIENT_ID, SERVER_ID].map((id) => [id, filesOf(OURS + id)]))
  const all = await Promise.all(
    Object.entries(metafile.inputs).map(async ([path, input]): Promise<ModuleUse[]> => {
      if (path.startsWith(OURS)) return []
      const own = filesOf(path)
      const { uses, isPassage } = await usesIn(path, input, options)
      // Dropped, and nothing of it went anywhere; one that only hands names on leaves nothing of its own.
      if (own.length === 0 && !isPassage) return []
      const module = relative(root, resolve(root, path)).replaceAll('\\', '/')
      return uses.map((use) => ({ ...use, module, files: [...own, ...(carriers.get(use.from) ?? [])] }))
    }),
  )
  return all.flat()
}

async function usesIn(
  path: string,
  { imports }: Input,
  { build, graph, root, given }: UsageOptions,
): Promise<{ uses: readonly Use[]; isPassage: boolean }> {
  const direct = imports.flatMap(({ path: to, kind, original }) => {
    const from = [CLIENT_ID, SERVER_ID].find((id) => to === OURS + id)
    return from === undefined ? [] : [{ from: from as Use['from'], kind, original }]
  })
  const isStdin = given.stdin !== undefined && path === (given.stdin.sourcefile ?? '<stdin>')
  const file = resolve(root, path)
  const text = isStdin ? String(given.stdin!.contents) : textOf(file)
  const loader = isStdin ? (given.stdin!.loader ?? 'js') : codeLoader(file, given)
  const options = graph.readsOptions()
  const named = text === undefined ? [] : [...options.names].filter((name) => text.includes(name))
  if (direct.length === 0 && named.length === 0) return { uses: [], isPassage: false }
  const aliases = new Map(direct.map(({ original, from }) => [original ?? from, from]))
  const known =
    text !== undefined && loader ? await moduleUses(build, text, loader, { ...options, aliases }) : undefined
  // Of what esbuild alone or another plugin can read, the names that stand in it.
  const isReader = /\b(?:meta|process)\b/.test(text ?? '')
  const guessed: Use[] = !known && isReader ? [{ from: options.from as Use['from'], names: named }] : []
  const whole = direct
    .filter(({ from, kind }) => kind !== 'import-statement' || !known?.uses.some((use) => use.from === from))
    .map(({ from }) => ({ from, names: undefined }))
  return { uses: [...(known?.uses ?? guessed), ...whole], isPassage: known?.isPassage ?? false }
}
