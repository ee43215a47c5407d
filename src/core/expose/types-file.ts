import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomic } from '../files.ts'

/** Beside the sources, where TypeScript looks; else beside the configuration. Relative to the root. */
export function defaultTypesFile(root: string): string {
  return existsSync(join(root, 'src')) ? 'src/secrets-env.d.ts' : 'secrets-env.d.ts'
}

/** @returns whether the file says just this already */
export function isUpToDate(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text
  } catch {
    return false
  }
}

/** Writes the generated types, and only when they changed, so that no watcher wakes for nothing. */
export async function writeTypes(file: string, text: string): Promise<boolean> {
  if (isUpToDate(file, text)) return false
  // A folder of the project, so with the modes that the project's folders have.
  await mkdir(dirname(file), { recursive: true })
  await writeAtomic(file, text, { mode: 0o644 })
  return true
}
