import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CommonFlags } from './command.ts'
import { loadVisibly, optionsOf, rootOf } from './context.ts'
import { readEnvFile } from './env-file.ts'
import { textsOf } from './reveal.ts'

/** One side of a comparison: the values of an environment at their providers, or those of a file. */
export async function sideOf(flags: CommonFlags, word: string): Promise<ReadonlyMap<string, string>> {
  const file = resolve(rootOf(flags), word)
  if (/[/\\.]/.test(word) || existsSync(file)) return readEnvFile(file)
  const { createSecrets } = await import('../core/pipeline.ts')
  // What the shell has set is no difference between two environments.
  const secrets = await createSecrets({ ...optionsOf(flags), environment: word, processEnv: false })
  try {
    return textsOf(await loadVisibly(secrets))
  } finally {
    await secrets.close()
  }
}
