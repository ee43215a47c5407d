import { relative } from 'node:path'
import type { Rollup } from 'vite'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import { importedNames, type ModuleUse } from '../core/expose/usage.ts'
import { fileOf } from './graph.ts'

/** Which modules of a finished bundle take names from the virtual modules, for bundlers that speak Rollup's language. */
export function usesOf(
  context: Pick<Rollup.PluginContext, 'getModuleInfo' | 'parse'>,
  bundle: Rollup.OutputBundle,
  root: string,
  parse: (code: string, id: string) => unknown = (code) => context.parse(code),
): ModuleUse[] {
  const filesOf = new Map<string, string[]>()
  for (const output of Object.values(bundle)) {
    if (output.type !== 'chunk') continue
    for (const id of Object.keys(output.modules))
      filesOf.set(id, [...(filesOf.get(id) ?? []), output.fileName])
  }
  return ([CLIENT_ID, SERVER_ID] as const).flatMap((from) => {
    const virtual = `\0${from}`
    const info = context.getModuleInfo(virtual)
    const carriers = filesOf.get(virtual)
    // Without it nothing of it is left: constants that were inlined stand where they are used.
    if (!info) return []
    const dynamic = new Set(info.dynamicImporters)
    return [...new Set([...info.importers, ...dynamic])].flatMap((id): ModuleUse[] => {
      const own = filesOf.get(id)
      // Dropped: nothing of it went anywhere.
      if (!own) return []
      const files = [...own, ...(carriers ?? [])]
      const module = relative(root, fileOf(id)).replaceAll('\\', '/')
      const code = context.getModuleInfo(id)?.code
      const named = code ? namesIn(code, (text) => parse(text, id)) : undefined
      const found = named?.filter((use) => use.from === from) ?? []
      const whole: typeof found = dynamic.has(id) || !named ? [{ from, names: undefined }] : []
      return [...found, ...whole].map((use) => ({ ...use, module, files }))
    })
  })
}

/** @returns `undefined` for what the bundler will compile in a way that only it knows */
function namesIn(
  code: string,
  parse: (code: string) => unknown,
): ReturnType<typeof importedNames> | undefined {
  try {
    return importedNames(parse(code))
  } catch {
    return undefined
  }
}
