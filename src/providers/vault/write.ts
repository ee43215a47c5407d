import { SecretsError } from '../../core/errors.ts'
import type {
  JsonObject,
  PatchRequest,
  ProviderContext,
  WriteRequest,
  WriteResult,
} from '../../core/types.ts'
import type { KvEngine, Place } from './engines.ts'
import { type About, bodyOf, errorOf, isCasMismatch } from './errors.ts'
import { isNothing, isObject, stampOf, unversioned } from './kv.ts'
import type { Reach } from './reach.ts'

type KvPlace = Place & { readonly engine: KvEngine }

/** How often a change is tried over another one that came between. */
const TRIES = 5

/** A new version; of KV v1, the content. */
export async function writeDocument(
  request: WriteRequest,
  reach: Reach,
  context: ProviderContext,
): Promise<WriteResult> {
  refuseEnvironment(request, context)
  const { url } = reach.session.options
  const what = `write ${context.name}:${request.path}`
  const data = fieldsOf(request.value, what)
  const place = await reach.engines.findKv(request.path, what, context)
  if (place.engine.version === 2)
    return writeVersion(place, data, casOf(request.expected, what), what, reach, context)
  const { engine, path } = place
  if (request.expected !== undefined)
    throw unversioned(what, engine, url, 'has no check-and-set', 'Write without an expected version')
  const about: About = { what, url, path: `${engine.path}/${path}`, capability: 'update' }
  const answer = await reach.session.write(about.path, data, context)
  if (answer.status >= 300) throw errorOf(answer, about)
  return { version: stampOf(data, engine, path) }
}

/** @param cas the version that is replaced, 0: there is none yet */
export async function writeVersion(
  { engine, path }: KvPlace,
  data: JsonObject,
  cas: number | undefined,
  what: string,
  { session }: Reach,
  context: ProviderContext,
): Promise<WriteResult> {
  const about: About = {
    what,
    url: session.options.url,
    path: `${engine.path}/data/${path}`,
    capability: 'update',
  }
  const body = { data, ...(cas === undefined ? {} : { options: { cas } }) }
  const answer = await session.write(about.path, body, context)
  if (isCasMismatch(answer)) throw conflict(about, cas)
  if (answer.status >= 300) throw errorOf(answer, about)
  return { version: versionIn(bodyOf(answer).data) }
}

/**
 * Changes some fields in one step on the server where it can merge and the token may; else reads, changes and
 * writes with check-and-set, again when another change came between.
 * @throws SecretsError `NOT_FOUND`, `CONFLICT`, `UNSUPPORTED` for KV v1, which would lose such a change
 */
export async function patchDocument(
  request: PatchRequest,
  reach: Reach,
  context: ProviderContext,
): Promise<WriteResult> {
  const { session } = reach
  const what = `patch ${context.name}:${request.path}`
  const place = await reach.engines.findKv(request.path, what, context)
  const { engine, path } = place
  if (engine.version === 1)
    throw unversioned(
      what,
      engine,
      session.options.url,
      'has no check-and-set, so a change by somebody else could be lost',
      'Write the whole document',
    )
  const cas = casOf(request.expected, what)
  const { set, unset = [] } = request
  const about: About = {
    what,
    url: session.options.url,
    path: `${engine.path}/data/${path}`,
    capability: 'patch',
  }
  // A merge goes into objects, and takes nulls for removals, in lists too; a field that is set is meant as it is.
  if (Object.values(set).every((value) => typeof value !== 'object')) {
    const data = { ...set, ...Object.fromEntries(unset.map((name) => [name, null])) }
    const body = { data, ...(cas === undefined ? {} : { options: { cas } }) }
    const answer = await session.patch(about.path, body, context)
    if (isCasMismatch(answer)) throw conflict(about, cas)
    if (answer.status < 300) return { version: versionIn(bodyOf(answer).data) }
    // The verb is younger than KV v2, and its capability another one than `update`.
    if (![403, 404, 405, 415].includes(answer.status)) throw errorOf(answer, about)
  }
  for (let left = cas === undefined ? TRIES : 1; ; left--) {
    const { data, version } = await currentOf(place, about, reach, context)
    if (cas !== undefined && cas !== version) throw conflict(about, cas)
    const changed: Record<string, JsonObject[string]> = { ...data, ...set }
    for (const name of unset) delete changed[name]
    try {
      return await writeVersion(place, changed, version, what, reach, context)
    } catch (error) {
      if (left <= 1 || !(error instanceof SecretsError) || error.code !== 'CONFLICT') throw error
    }
  }
}

async function currentOf(
  { path }: KvPlace,
  about: About,
  { session }: Reach,
  context: ProviderContext,
): Promise<{ data: JsonObject; version: number }> {
  const answer = await session.read(about.path, context)
  const { data } = bodyOf(answer)
  const { version } = (data?.metadata ?? {}) as { version?: unknown }
  if (answer.status === 200 && isObject(data?.data) && typeof version === 'number')
    return { data: data.data, version }
  if (isNothing(answer) || typeof version === 'number')
    throw new SecretsError('NOT_FOUND', `Cannot ${about.what} at ${about.url}: there is nothing to change.`, {
      hint: `Write the whole of ${path} first.`,
    })
  throw errorOf(answer, { ...about, capability: 'read' })
}

function conflict(about: About, cas: number | undefined): SecretsError {
  const why = cas === 0 ? 'there is a version already' : `version ${cas} is not the current one any more`
  return new SecretsError('CONFLICT', `Cannot ${about.what} at ${about.url}: ${why}.`, {
    hint: 'Read it again, and decide what its new content should be.',
  })
}

function casOf(expected: string | null | undefined, what: string): number | undefined {
  if (expected === undefined) return undefined
  if (expected === null) return 0
  if (/^[1-9]\d{0,14}$/.test(expected)) return Number(expected)
  throw new SecretsError('CONFLICT', `Cannot ${what}: the expected version is none of KV v2.`, {
    hint: 'A version is a positive number, as `read` gives it.',
  })
}

/** KV holds fields: a text that is no JSON object is the field `value`. */
function fieldsOf(value: WriteRequest['value'], what: string): JsonObject {
  if (value instanceof Uint8Array)
    throw new SecretsError('UNSUPPORTED', `Cannot ${what}: KV holds text, not bytes.`, {
      hint: 'Write them as base64.',
    })
  if (typeof value !== 'string') return value
  try {
    const parsed: unknown = JSON.parse(value)
    if (isObject(parsed)) return parsed
  } catch {
    // Text that is no JSON is the usual case.
  }
  return { value }
}

export function refuseEnvironment(
  { path, environment }: Pick<WriteRequest, 'path' | 'environment'>,
  context: ProviderContext,
): void {
  if (environment === undefined) return
  throw new SecretsError(
    'UNSUPPORTED',
    `Cannot change ${context.name}:${path} for ${environment} only: a document of Vault is the same for all environments.`,
    { hint: `Put the environment into the path, for example ${environment}/${path}.` },
  )
}

function versionIn(data: { readonly [key: string]: unknown } | null | undefined): string | undefined {
  return typeof data?.version === 'number' ? String(data.version) : undefined
}
