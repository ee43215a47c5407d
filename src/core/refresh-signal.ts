import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, writeAtomic } from './files.ts'
import { watchFiles } from './watch-files.ts'

/**
 * `secrets refresh` and the dev servers of a project have no port between them: a file in the user's cache
 * folder is touched, and whoever works on that project looks at it. It holds a time, and its name is a hash
 * of the folder.
 */
function signalFile(root: string): string {
  const project = createHash('sha256').update(realpathSync.native(root)).digest('hex').slice(0, 24)
  return join(cacheFolder(), 'signals', project)
}

/** Makes every watching process of a project ask its providers at once. @throws SecretsError FILE_UNREADABLE */
export async function signalRefresh(root: string): Promise<void> {
  await writeAtomic(signalFile(root), `${Date.now()}\n`)
}

/** @returns how to stop. Without a folder that can be written, nobody can signal, and nothing is watched. */
export function onRefreshSignal(root: string, refreshed: () => void): () => void {
  try {
    mkdirSync(join(cacheFolder(), 'signals'), { recursive: true, mode: 0o700 })
    return watchFiles([signalFile(root)], refreshed)
  } catch {
    return () => {}
  }
}
