import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'
import { readDocument, whatOf } from './documents.ts'
import type { Place } from './engines.ts'
import { bodyOf, errorOf } from './errors.ts'
import { gone, isObject } from './kv.ts'
import { forEach } from './many.ts'
import { aboutMetadata, type KvMetadata, metadataFrom, readMetadata } from './metadata.ts'
import type { Reach } from './reach.ts'

/** What a folder holds, by the last segment of its paths; `undefined`: it has to be asked for one by one. */
type Folder = ReadonlyMap<string, KvMetadata> | undefined

/** A folder that holds more than so many times what is wanted of it, and more than this, is not listed. */
const WORTH = { times: 4, atLeast: 100 }

/**
 * The stamps that reads would give: the metadata of KV v2 where the token may see it, since it holds no value;
 * else the reads themselves. Where several documents of a folder are asked for and the server lists a folder's
 * metadata (OpenBao's `detailed-metadata`, with the capability `list`), that is one request for all of them.
 * @param closed engines and folders whose metadata was refused before, added to
 */
export function versionsOf(
  requests: readonly ReadRequest[],
  closed: Set<string>,
  reach: Reach,
  context: ProviderContext,
): Promise<readonly (string | undefined | SecretsError)[]> {
  const wanted = new Map<string, Set<string>>()
  for (const { path } of requests) {
    const folder = folderOf(path)
    wanted.set(folder, (wanted.get(folder) ?? new Set()).add(path))
  }
  const listed = new Map<string, Promise<Folder>>()
  const list = async (request: ReadRequest, place: Place): Promise<Folder> => {
    const folder = folderOf(request.path)
    const count = wanted.get(folder)!.size
    if (count < 2) return undefined
    const listing = listed.get(folder) ?? listFolder(place, count, closed, reach, context)
    listed.set(folder, listing)
    return listing
  }
  return forEach(requests, context, (request) => versionOf(request, list, closed, reach, context))
}

async function versionOf(
  request: ReadRequest,
  list: (request: ReadRequest, place: Place) => Promise<Folder>,
  closed: Set<string>,
  reach: Reach,
  context: ProviderContext,
): Promise<string | undefined> {
  const what = whatOf(request, context)
  const place = await reach.engines.find(request.path, what, context)
  const { engine } = place
  if (engine.version === 2 && !closed.has(engine.path)) {
    try {
      const folder = await list(request, place)
      const metadata = folder
        ? folder.get(place.path.slice(folderOf(place.path).length))
        : await readMetadata(what, place, reach.session, context)
      if (!metadata) return undefined
      const wanted = request.options.version ?? String(metadata.current)
      const entry = metadata.versions.find(({ version }) => version === wanted)
      if (entry?.state === 'deleted' || entry?.state === 'destroyed') {
        const about = aboutMetadata(what, place, reach.session.options.url)
        throw gone(about, engine.path, place.path, entry.number, entry.state === 'destroyed')
      }
      return entry?.version
    } catch (error) {
      if (!(error instanceof SecretsError) || error.code !== 'PERMISSION_DENIED') throw error
      closed.add(engine.path)
    }
  }
  return (await readDocument(request, reach, context))?.version
}

async function listFolder(
  { engine, path }: Place,
  count: number,
  closed: Set<string>,
  { session }: Reach,
  context: ProviderContext,
): Promise<Folder> {
  const at = `${engine.path}/detailed-metadata/${folderOf(path)}`
  if (closed.has(at)) return undefined
  const limit = Math.max(count * WORTH.times, WORTH.atLeast)
  const answer = await session.read(at, context, `?list=true&limit=${limit}`)
  // Not allowed, or a server that cannot; a folder without documents answers like that too.
  if ([400, 403, 404, 405].includes(answer.status)) {
    closed.add(at)
    return undefined
  }
  const what = `list the versions below ${context.name}:${folderOf(path)}`
  if (answer.status !== 200) throw errorOf(answer, { what, url: session.options.url, path: at })
  const { data } = bodyOf(answer)
  const infos = data?.key_info
  if (!isObject(infos) || Object.keys(infos).length >= limit) {
    closed.add(at)
    return undefined
  }
  const folder = new Map<string, KvMetadata>()
  for (const [name, info] of Object.entries(infos)) {
    const metadata = metadataFrom(info)
    if (metadata) folder.set(name, metadata)
  }
  return folder
}

/** With its slash. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1)
}
