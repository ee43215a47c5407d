import { SecretsError } from '../core/errors.ts'
import { readCache, removeCache, writeCache } from './cache.ts'
import { findPlace, inject, type Place, type PlaceOptions, projectOf, textsIn, type Values } from './place.ts'
import { remember } from './watch.ts'

export interface ConfigOptions extends PlaceOptions {
  /** Whether variables that are set already are replaced. Default `false`. */
  override?: boolean
  /** Whether the last values are kept, encrypted, for a start without the server. Default `true`. */
  cache?: boolean
}

export interface ConfigResult {
  /** What the server, the cache or the file holds; not what was set before. */
  parsed: Record<string, string>
  /** The server's version; absent from the cache and the plain file. */
  version?: number
}

/**
 * Puts the values of one environment into `process.env`: from the server where there is a `VAULT_KEY` (in the
 * environment, else in the file), else from the file as `dotenv` does. The file's other names come first, so
 * they win over the server's unless `override` is set.
 * @throws SecretsError when neither the server nor a cache has them; `DEVICE_REVOKED` removes the cache
 */
export async function config(options: ConfigOptions = {}): Promise<ConfigResult> {
  const { override = false, cache = true } = options
  const place = findPlace(options)
  inject(place.local, override)
  if (place.key === undefined) return { parsed: { ...place.local } }
  const project = projectOf(place)
  remember(place)
  try {
    const pulled = await project.pull()
    if (!pulled) throw nothingThere(place)
    const parsed = textsIn(pulled.values)
    inject(parsed, override)
    if (cache) await writeCache(place, pulled.blob)
    return { parsed: { ...parsed }, version: Number(pulled.version) }
  } catch (error) {
    // Whoever took the device's right to read did not mean the copy on its disk.
    if (error instanceof SecretsError && error.code === 'DEVICE_REVOKED') {
      removeCache(place)
      throw error
    }
    if (!cache) throw error
    const parsed = readCache(place, project)
    if (!parsed) throw withoutCache(error)
    console.warn('[vault-env] Remote fetch failed, using cached secrets')
    inject(parsed, override)
    return { parsed: { ...parsed } }
  }
}

/**
 * As `config`, without the network: the values of the last `config`, else those of the file.
 * @throws SecretsError `FILE_UNREADABLE`, `CONFIG_INVALID`
 */
export function configSync(options: ConfigOptions = {}): ConfigResult {
  const { override = false, cache = true } = options
  const place = findPlace(options)
  inject(place.local, override)
  if (place.key === undefined) return { parsed: { ...place.local } }
  remember(place)
  const parsed: Values | undefined = cache ? readCache(place, projectOf(place)) : undefined
  if (!parsed) {
    console.warn('[vault-env] No cache available, falling back to local .env')
    return { parsed: { ...place.local } }
  }
  inject(parsed, override)
  return { parsed: { ...parsed } }
}

function nothingThere({ environment, url }: Place): SecretsError {
  return new SecretsError('NOT_FOUND', `Nothing has been pushed for ${environment} to ${url}.`, {
    hint: `Push it: npx secrets push --env ${environment}`,
  })
}

function withoutCache(error: unknown): unknown {
  if (!(error instanceof SecretsError)) return error
  const { code, hint } = error
  return new SecretsError(
    code,
    `[vault-env] Failed to fetch secrets and no cache available: ${error.message}`,
    { hint },
  )
}
