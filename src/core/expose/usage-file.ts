import { dirname, join, resolve } from 'node:path'
import { ignoreFolder } from '../crypto/keys.ts'
import { lock, readIfExists, writeAtomic } from '../files.ts'
import type { GraphUsage } from './usage.ts'

/** The file of the `manifest` setting: every graph that was built, each as its last build left it. */
export interface UsageFile {
  readonly version: 1
  readonly graphs: Readonly<Record<string, GraphUsage>>
}

/** Beside the project's key: ignored by git and not served, because names and references are nobody else's business. */
const DEFAULT_FILE = join('.secrets', 'manifest.json')

/** @param setting `manifest` of the configuration */
export function usageFile(root: string, setting: string | true): string {
  return resolve(root, setting === true ? DEFAULT_FILE : setting)
}

/**
 * Puts one graph into the file and leaves the others, which another process may be writing.
 * @throws SecretsError FILE_UNREADABLE, TIMEOUT
 */
export async function writeUsage(
  root: string,
  file: string,
  graph: string,
  usage: GraphUsage,
): Promise<void> {
  await lock(file, async () => {
    const graphs = { ...graphsOf((await readIfExists(file))?.toString()), [graph]: usage }
    const content: UsageFile = {
      version: 1,
      graphs: Object.fromEntries(Object.entries(graphs).sort(([a], [b]) => (a < b ? -1 : 1))),
    }
    await writeAtomic(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o644 })
    if (dirname(file) === join(root, '.secrets')) ignoreFolder(root)
  })
}

/** What is no such file of ours is replaced: builds make it anew. */
function graphsOf(text: string | undefined): UsageFile['graphs'] {
  try {
    const { version, graphs } = JSON.parse(text ?? '') as Partial<UsageFile>
    return version === 1 && typeof graphs === 'object' ? graphs : {}
  } catch {
    return {}
  }
}
