import { SecretsError } from '../../core/errors.ts'
import { documentKey } from '../../core/reference.ts'
import type { ProviderContext, ReadRequest, SecretDocument } from '../../core/types.ts'
import { hasVersionedWarning, type Place } from './engines.ts'
import { type About, bodyOf, errorOf, malformedAnswer } from './errors.ts'
import { gone, isNothing, isObject, stampOf, unversioned } from './kv.ts'
import { readLent } from './lent.ts'
import type { Reach } from './reach.ts'

/** @throws SecretsError why this one could not be known */
export async function readDocument(
  request: ReadRequest,
  reach: Reach,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const what = whatOf(request, context)
  const place = await reach.engines.find(request.path, what, context)
  const { version } = place.engine
  if (version === undefined) return readLent(request, place, what, reach, context)
  const unknown = Object.keys(request.options).find((name) => name !== 'version')
  if (unknown !== undefined)
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot ${what}: KV at ${place.engine.path}/ has no option ${unknown}.`,
    )
  return version === 2
    ? readVersioned(request, place, what, reach, context)
    : readPlain(request, place, what, reach, context)
}

/** For messages: `read vault:myapp/db`. */
export function whatOf(request: ReadRequest, context: ProviderContext): string {
  return `read ${documentKey({ provider: context.name, ...request })}`
}

async function readVersioned(
  request: ReadRequest,
  { engine, path }: Place,
  what: string,
  { session }: Reach,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const about: About = { what, url: session.options.url, path: `${engine.path}/data/${path}` }
  const { version: wanted } = request.options
  const answer = await session.read(
    about.path,
    context,
    wanted ? `?version=${encodeURIComponent(wanted)}` : '',
  )
  const { data } = bodyOf(answer)
  const metadata = (data?.metadata ?? {}) as { version?: unknown; destroyed?: unknown }
  if (answer.status === 404 && typeof metadata.version === 'number')
    throw gone(about, engine.path, path, metadata.version, metadata.destroyed === true)
  if (isNothing(answer)) return undefined
  if (answer.status !== 200) throw errorOf(answer, about)
  if (!isObject(data?.data) || typeof metadata.version !== 'number') throw malformedAnswer(about)
  return { value: data.data, version: String(metadata.version) }
}

async function readPlain(
  request: ReadRequest,
  { engine, path }: Place,
  what: string,
  { session }: Reach,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const { url, kv } = session.options
  const about: About = { what, url, path: `${engine.path}/${path}` }
  if (request.options.version)
    throw unversioned(what, engine, url, 'keeps no versions', 'Leave ?version away')
  const answer = await session.read(about.path, context)
  if (hasVersionedWarning(answer))
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot ${what} at ${url}: the engine at ${engine.path}/ is KV v2.`,
      {
        hint: kv ? 'Remove kv from the options: the version is found out.' : undefined,
      },
    )
  const { data } = bodyOf(answer)
  if (isNothing(answer)) return undefined
  if (answer.status !== 200) throw errorOf(answer, about)
  if (!isObject(data)) throw malformedAnswer(about)
  return { value: data, version: stampOf(data, engine, path) }
}
