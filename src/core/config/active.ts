import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where `secrets use` keeps its choice: this working copy's own, beside the keys that git ignores. */
export function activeProfileFile(root: string): string {
  return join(root, '.secrets', 'profile')
}

/** The profile that was chosen for this working copy. A file that cannot be read chooses nothing. */
export function activeProfile(root: string): string | undefined {
  try {
    return readFileSync(activeProfileFile(root), 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
