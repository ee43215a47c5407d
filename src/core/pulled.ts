import { rm, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { ignoreFolder } from './crypto/keys.ts'
import { lock, readIfExists, writeAtomic } from './files.ts'

/** A file that values were written to in clear, and how it looked then; nothing of what it holds. */
interface Pulled {
  readonly environment: string
  readonly size: number
  readonly mtimeMs: number
}

/** Which files of this working copy hold pulled values, so that `unlink` can clear them. */
function recordFile(root: string): string {
  return join(root, '.secrets', 'pulled.json')
}

/** @param file that was just written for an environment; absolute */
export async function notePulled(root: string, file: string, environment: string): Promise<void> {
  const { size, mtimeMs } = await stat(file)
  await change(root, (pulled) => pulled.set(relative(root, file), { environment, size, mtimeMs }))
}

export interface PulledFile {
  /** Absolute. */
  readonly file: string
  /** It is not what was written: somebody has worked on it, and it is theirs. */
  readonly changed: boolean
}

/** The files that were pulled for an environment and are still there. */
export async function pulledFiles(root: string, environment: string): Promise<PulledFile[]> {
  const found: PulledFile[] = []
  for (const [name, entry] of await read(root)) {
    if (entry.environment !== environment) continue
    const file = resolve(root, name)
    const now = await stat(file).catch(() => undefined)
    if (now) found.push({ file, changed: now.size !== entry.size || now.mtimeMs !== entry.mtimeMs })
  }
  return found
}

/** Removes them, and what is known of them. */
export async function removePulled(root: string, files: readonly string[]): Promise<void> {
  if (files.length === 0) return
  for (const file of files) await rm(file, { force: true })
  await change(root, (pulled) => {
    for (const file of files) pulled.delete(relative(root, file))
  })
}

async function change(root: string, work: (pulled: Map<string, Pulled>) => void): Promise<void> {
  const file = recordFile(root)
  ignoreFolder(root)
  await lock(file, async () => {
    const pulled = await read(root)
    work(pulled)
    await writeAtomic(file, `${JSON.stringify(Object.fromEntries(pulled), undefined, 2)}\n`)
  })
}

/** A record that cannot be read knows of nothing. */
async function read(root: string): Promise<Map<string, Pulled>> {
  const content = await readIfExists(recordFile(root))
  try {
    return new Map(Object.entries(JSON.parse(content?.toString() ?? '{}') as Record<string, Pulled>))
  } catch {
    return new Map()
  }
}
