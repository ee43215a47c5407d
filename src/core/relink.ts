import { readFile, stat } from 'node:fs/promises'
import type { ResolvedConfig } from './config/resolve.ts'
import { writeAtomic } from './files.ts'
import { createSecrets, type SecretsOptions } from './pipeline.ts'

/**
 * Changes the reference of one name in the file that declares it, where that is one plain piece of text:
 * a configuration is a program, and only this much of it can be changed without understanding it. The
 * changed file is loaded, and put back unless it says what was meant.
 * @returns the file, or `undefined` where a person has to do it
 */
export async function relink(
  config: ResolvedConfig,
  options: SecretsOptions,
  { name, from, to }: { readonly name: string; readonly from: string | undefined; readonly to: string },
): Promise<string | undefined> {
  const file = config.origins.get(`secrets.${name}`)
  if (from === undefined || file === undefined || !config.files.includes(file)) return undefined
  const before = await readFile(file, 'utf8')
  const pattern = new RegExp(`(['"]?${literal(name)}['"]?\\s*:\\s*)(['"\`])${literal(from)}\\2`, 'g')
  if ([...before.matchAll(pattern)].length !== 1) return undefined
  const { mode } = await stat(file)
  await writeAtomic(
    file,
    before.replace(pattern, (_, head: string, quote: string) => `${head}${quote}${to}${quote}`),
    {
      mode: mode & 0o777,
    },
  )
  if (await says(options, name, to)) return file
  await writeAtomic(file, before, { mode: mode & 0o777 })
  return undefined
}

async function says(options: SecretsOptions, name: string, to: string): Promise<boolean> {
  try {
    const secrets = await createSecrets(options)
    await secrets.close()
    return secrets.config.secrets.get(name)?.reference?.source === to
  } catch {
    return false
  }
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
