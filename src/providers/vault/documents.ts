import pLimit from 'p-limit'
import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import { documentKey } from '../../core/reference.ts'
import type {
  JsonObject,
  ListEntry,
  ProviderContext,
  ReadRequest,
  ReadResult,
  SecretDocument,
} from '../../core/types.ts'
import { type Engines, hasVersionedWarning, type Place } from './engines.ts'
import { type About, bodyOf, errorOf, malformedAnswer } from './errors.ts'
import type { Session } from './session.ts'

/** Errors that are about the server or the login: further requests would meet them again. */
const FOR_ALL: ReadonlySet<SecretsErrorCode> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'RATE_LIMITED',
  'SEALED',
  'STANDBY',
  'TLS_FAILED',
  'NOT_INITIALISED',
  'REDIRECT_REFUSED',
  'ABORTED',
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'NAMESPACE_NOT_FOUND',
  'FILE_UNREADABLE',
])

const isForAll = (result: ReadResult): boolean => result instanceof SecretsError && FOR_ALL.has(result.code)

/**
 * Reads each document with as many requests at once as the context allows. The first error that is about
 * all of them stops what has not begun.
 * @throws SecretsError when no request was answered
 */
export async function readDocuments(
  requests: readonly ReadRequest[],
  session: Session,
  engines: Engines,
  context: ProviderContext,
): Promise<readonly ReadResult[]> {
  const limit = pLimit(context.concurrency)
  let stopped: SecretsError | undefined
  const one = async (request: ReadRequest): Promise<ReadResult> => {
    if (stopped) return stopped
    try {
      return await readDocument(request, session, engines, context)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      if (isForAll(error)) stopped ??= error
      return error
    }
  }
  const results = await Promise.all(requests.map((request) => limit(() => one(request))))
  if (stopped && results.every(isForAll)) throw stopped
  return results
}

async function readDocument(
  request: ReadRequest,
  session: Session,
  engines: Engines,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const what = `read ${documentKey({ provider: context.name, ...request })}`
  const place = await engines.find(request.path, what, context)
  return place.engine.version === 2
    ? readVersioned(request, place, what, session, context)
    : readPlain(request, place, what, session, context)
}

async function readVersioned(
  request: ReadRequest,
  { engine, path }: Place,
  what: string,
  session: Session,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const about: About = { what, url: session.options.url, path: `${engine.path}/data/${path}` }
  const { version: wanted } = request.options
  const answer = await session.read(
    about.path,
    context,
    wanted ? `?version=${encodeURIComponent(wanted)}` : '',
  )
  const { data, errors } = bodyOf(answer)
  const metadata = (data?.metadata ?? {}) as { version?: unknown; destroyed?: unknown }
  if (answer.status === 404 && typeof metadata.version === 'number')
    throw gone(about, engine.path, path, metadata.version, metadata.destroyed === true)
  if (answer.status === 404 && Array.isArray(errors) && errors.length === 0) return undefined
  if (answer.status !== 200) throw errorOf(answer, about)
  if (!isObject(data?.data) || typeof metadata.version !== 'number') throw malformedAnswer(about)
  return { value: data.data, version: String(metadata.version) }
}

async function readPlain(
  request: ReadRequest,
  { engine, path }: Place,
  what: string,
  session: Session,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const { url, kv } = session.options
  const about: About = { what, url, path: `${engine.path}/${path}` }
  if (request.options.version)
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot ${what} at ${url}: KV v1 at ${engine.path}/ keeps no versions.`,
      {
        hint: `Leave ?version away, or upgrade the engine: vault kv enable-versioning ${engine.path}`,
      },
    )
  const answer = await session.read(about.path, context)
  if (hasVersionedWarning(answer))
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot ${what} at ${url}: the engine at ${engine.path}/ is KV v2.`,
      {
        hint: kv ? 'Remove kv from the options: the version is found out.' : undefined,
      },
    )
  const { data, errors } = bodyOf(answer)
  if (answer.status === 404 && Array.isArray(errors) && errors.length === 0) return undefined
  if (answer.status !== 200) throw errorOf(answer, about)
  if (!isObject(data)) throw malformedAnswer(about)
  return { value: data }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function gone(about: About, mount: string, path: string, version: number, destroyed: boolean): SecretsError {
  const start = `Cannot ${about.what} at ${about.url}: version ${version} is`
  const at = `-mount=${JSON.stringify(mount)}`
  return destroyed
    ? new SecretsError('DESTROYED', `${start} destroyed; its content is lost.`, {
        hint: `Write a new version, or go back to an older one: vault kv rollback ${at} -version=<n> ${JSON.stringify(path)}`,
      })
    : new SecretsError('DELETED', `${start} deleted.`, {
        hint: `Bring it back: vault kv undelete ${at} -versions=${version} ${JSON.stringify(path)}`,
      })
}

/**
 * One level below a path; a folder ends in a slash.
 * @throws SecretsError `PERMISSION_DENIED` with the policy line, and what `readDocuments` throws
 */
export async function listDocuments(
  path: string,
  session: Session,
  engines: Engines,
  context: ProviderContext,
): Promise<readonly ListEntry[]> {
  const folder = path.replace(/\/+$/, '')
  const what = `list ${context.name}:${folder}/`
  const place = await engines.find(folder, what, context)
  const below = [place.engine.path, ...(place.engine.version === 2 ? ['metadata'] : []), place.path]
  const apiPath = `${below.filter(Boolean).join('/')}/`
  const about: About = { what, url: session.options.url, path: apiPath, capability: 'list' }
  const answer = await session.read(apiPath, context, '?list=true')
  const { data, errors } = bodyOf(answer)
  if (answer.status === 404 && Array.isArray(errors) && errors.length === 0) return []
  if (answer.status !== 200) throw errorOf(answer, about)
  if (!Array.isArray(data?.keys)) throw malformedAnswer(about)
  return data.keys
    .filter((key) => typeof key === 'string')
    .map((key) => ({ path: folder === '' ? key : `${folder}/${key}` }))
}
