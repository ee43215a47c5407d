import { rotateProjectKey } from '../crypto/keys.ts'
import { type OpenCacheOptions, openCache, openGenerations } from './index.ts'

export interface Rekeyed {
  /** Whether `.secrets/project.key` has a new first line; with `SECRETS_KEY` the new key is that variable's. */
  readonly newKey: boolean
  /** How many values were sealed again. */
  readonly values: number
  /** How many older sealed caches were removed. */
  readonly removed: number
}

/**
 * Seals what is cached with a new key and removes what older keys had sealed. Without `SECRETS_KEY` it makes
 * the new project key, and keeps the older ones below it, because they still open the local vault; with it
 * the older ones are those of `SECRETS_KEY_PREVIOUS`. Killed at any moment it leaves a state from which it
 * can be run again.
 * @throws SecretsError as `openCache`
 */
export async function rekeyCache(options: OpenCacheOptions): Promise<Rekeyed> {
  const newKey = rotateProjectKey(options.root)
  const [current, ...older] = openGenerations(options)
  if (!current) {
    await openCache(options).clear()
    return { newKey, values: 0, removed: 0 }
  }
  let values = 0
  let removed = 0
  for (const cache of older) {
    const entries = await cache.read()
    if (entries.size === 0) continue
    await current.update((kept) => {
      for (const [key, entry] of entries) {
        const known = kept.get(key)
        if (!known || known.fetchedAt < entry.fetchedAt) kept.set(key, entry)
      }
      values = kept.size
    })
    removed++
  }
  // Only now: until here the older ones are what a killed run leaves.
  for (const cache of older) await cache.clear()
  await Promise.all([current, ...older].map((cache) => cache.close()))
  return { newKey, values, removed }
}
