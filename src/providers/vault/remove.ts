import { SecretsError } from '../../core/errors.ts'
import type { JsonObject, ProviderContext, RemoveRequest } from '../../core/types.ts'
import type { Place } from './engines.ts'
import { type About, bodyOf, errorOf } from './errors.ts'
import { gone, isNothing, unversioned } from './kv.ts'
import { aboutMetadata, type KvMetadata, readMetadata } from './metadata.ts'
import type { Reach } from './reach.ts'
import type { Session } from './session.ts'
import { refuseEnvironment } from './write.ts'

/** The current version, or those named, so that they can come back; `forever`: destroyed, all of it when none is named. */
export async function removeDocument(
  request: RemoveRequest,
  reach: Reach,
  context: ProviderContext,
): Promise<boolean> {
  refuseEnvironment(request, context)
  const { session } = reach
  const { url } = session.options
  const { versions, forever = false } = request
  const what = `remove ${context.name}:${request.path}`
  const place = await reach.engines.findKv(request.path, what, context)
  const { engine, path } = place
  if (engine.version === 1) {
    if (versions) throw unversioned(what, engine, url, 'keeps no versions', 'Remove the whole document')
    const about: About = { what, url, path: `${engine.path}/${path}`, capability: 'delete' }
    if (isNothing(await session.read(about.path, context))) return false
    await removeAt(about, session, context)
    return true
  }
  const metadata = await metadataOrNone(what, place, session, context)
  if (metadata === undefined) return false
  const isOpen = (state: string) =>
    forever ? state !== 'destroyed' : state !== 'deleted' && state !== 'destroyed'
  if (versions) {
    const found = metadata?.versions.filter(({ version }) => versions.includes(version))
    if (found && !found.some(({ state }) => isOpen(state))) return false
    await postVersions(forever ? 'destroy' : 'delete', place, versions, what, session, context)
    return true
  }
  if (forever) {
    await removeAt({ ...aboutMetadata(what, place, url), capability: 'delete' }, session, context)
    return true
  }
  const current = metadata?.versions.find(({ number }) => number === metadata.current)
  if (metadata && !(current && isOpen(current.state))) return false
  const about: About = { what, url, path: `${engine.path}/data/${path}`, capability: 'delete' }
  await removeAt(about, session, context)
  return true
}

/** Brings back the current version, or those named. @throws SecretsError `DESTROYED` */
export async function restoreDocument(
  request: Pick<RemoveRequest, 'path' | 'versions'>,
  reach: Reach,
  context: ProviderContext,
): Promise<boolean> {
  const { session } = reach
  const { url } = session.options
  const what = `restore ${context.name}:${request.path}`
  const place = await reach.engines.findKv(request.path, what, context)
  const { engine, path } = place
  if (engine.version === 1) throw unversioned(what, engine, url, 'removes for good')
  const metadata = await metadataOrNone(what, place, session, context)
  if (metadata === undefined) return false
  const wanted = request.versions ?? [String(metadata?.current ?? (await newestOf(place, session, context)))]
  const found = metadata?.versions.filter(({ version }) => wanted.includes(version))
  const destroyed = found?.find(({ state }) => state === 'destroyed')
  if (destroyed) throw gone(aboutMetadata(what, place, url), engine.path, path, destroyed.number, true)
  if (found && !found.some(({ state }) => state === 'deleted')) return false
  await postVersions('undelete', place, wanted, what, session, context)
  return true
}

/** `null`: the token may not see it, which is no reason to do nothing. */
async function metadataOrNone(
  what: string,
  place: Place,
  session: Session,
  context: ProviderContext,
): Promise<KvMetadata | undefined | null> {
  try {
    return await readMetadata(what, place, session, context)
  } catch (error) {
    if (error instanceof SecretsError && error.code === 'PERMISSION_DENIED') return null
    throw error
  }
}

/** A deleted version still tells its number. */
async function newestOf(
  { engine, path }: Place,
  session: Session,
  context: ProviderContext,
): Promise<number> {
  const about: About = {
    what: `restore ${context.name}:${path}`,
    url: session.options.url,
    path: `${engine.path}/data/${path}`,
  }
  const answer = await session.read(about.path, context)
  const { version } = (bodyOf(answer).data?.metadata ?? {}) as { version?: unknown }
  if (typeof version === 'number') return version
  throw errorOf(answer, about)
}

async function removeAt(about: About, session: Session, context: ProviderContext): Promise<void> {
  const answer = await session.remove(about.path, context)
  if (answer.status >= 300) throw errorOf(answer, about)
}

async function postVersions(
  action: 'delete' | 'undelete' | 'destroy',
  { engine, path }: Place,
  versions: readonly string[],
  what: string,
  session: Session,
  context: ProviderContext,
): Promise<void> {
  const about: About = {
    what,
    url: session.options.url,
    path: `${engine.path}/${action}/${path}`,
    capability: 'update',
  }
  const body: JsonObject = { versions: versions.map((version) => numberOf(version, what)) }
  const answer = await session.write(about.path, body, context)
  if (answer.status >= 300) throw errorOf(answer, about)
}

export function numberOf(version: string, what: string): number {
  if (/^[1-9]\d{0,14}$/.test(version)) return Number(version)
  throw new SecretsError('NOT_FOUND', `Cannot ${what}: ${JSON.stringify(version)} is no version of KV v2.`, {
    hint: 'A version is a positive number.',
  })
}
