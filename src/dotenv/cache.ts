import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { VaultEnvProject } from '../providers/vault-env/project.ts'
import { type Place, textsIn, type Values } from './place.ts'

/**
 * The last blob of one environment, encrypted as the server keeps it. Other clients have one `.vault-cache` for
 * all environments, so that a failed start in production may find the values of development; that one is
 * neither read nor written.
 */
function fileOf({ file, environment }: Place): string {
  return join(dirname(file), `.vault-cache.${encodeURIComponent(environment)}`)
}

/** @returns `undefined` for a cache that is missing or does not open: then there is none. */
export function readCache(place: Place, project: VaultEnvProject): Values | undefined {
  try {
    return textsIn(project.open(readFileSync(fileOf(place), 'utf8').trim()))
  } catch {
    return undefined
  }
}

/** Mode 0600. A folder that cannot be written has no cache; that is no reason to fail. */
export async function writeCache(place: Place, blob: string): Promise<void> {
  const { writeAtomic } = await import('../core/files.ts')
  await writeAtomic(fileOf(place), blob).catch(() => undefined)
}

export function removeCache(place: Place): void {
  try {
    rmSync(fileOf(place), { force: true })
  } catch {}
}
