import { join, relative } from 'node:path'
import { outputFile, withoutOwnSources } from './esbuild-outputs.ts'
import { scanOutputs } from './outputs.ts'
import type { Session } from './session.ts'

interface FarmResource {
  readonly name: string
  bytes: number[]
  /** Farm's word for what has become a part of another resource and is not written itself. */
  readonly emitted: boolean
}

/**
 * Resources as they may be written: without the text of our modules in maps, sealed, and looked through.
 * @throws SecretsError LEAK_FOUND
 */
export async function finalizeFarm<R extends FarmResource>(
  session: Session,
  resources: Record<string, R>,
  { outDir, root, seals }: { outDir: string; root: string; seals: boolean },
): Promise<Record<string, R>> {
  const written = Object.entries(resources).filter(([, { emitted }]) => !emitted)
  const given = written.map(([, { name, bytes }]) => outputFile(join(outDir, name), Uint8Array.from(bytes)))
  let files = given.map(withoutOwnSources)
  if (seals) {
    const { sealOutputs } = await import('./esbuild-sealing.ts')
    files = sealOutputs(session, files, { inputs: {}, outputs: {} }, outDir)
  }
  const named = files.map(({ path, contents }) => ({ name: relative(outDir, path), content: contents }))
  await scanOutputs(session, named, outDir, root)
  const changed = written.flatMap(([key, resource], index): [string, R][] => {
    const { contents } = files[index]!
    return contents === given[index]!.contents ? [] : [[key, { ...resource, bytes: [...contents] }]]
  })
  return { ...resources, ...Object.fromEntries(changed) }
}
