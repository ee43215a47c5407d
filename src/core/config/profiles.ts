import { resolve } from 'node:path'
import { findConfig } from './find.ts'
import { loadConfigFile } from './load.ts'
import { type ConfigLayer, mergeLayers } from './merge.ts'

/**
 * The names of the profiles that the configuration files have, whichever is active.
 * @throws SecretsError for a file that cannot be read
 */
export async function profilesOf(root: string, configFile?: string): Promise<string[]> {
  const files =
    configFile === undefined
      ? findConfig(root).files
      : [{ kind: 'workspace' as const, file: resolve(root, configFile) }]
  const layers: ConfigLayer[] = []
  for (const { kind, file } of files) layers.push({ kind, source: file, config: await loadConfigFile(file) })
  return Object.keys(mergeLayers(layers).config.profiles ?? {})
}
