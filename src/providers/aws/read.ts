import type { GetSecretValueResponse, SecretValueEntry } from '@aws-sdk/client-secrets-manager'
import pLimit from 'p-limit'
import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { awsError, malformedError } from './errors.ts'
import { objectsIn, pagesOf } from './pages.ts'
import { answers, isCurrent } from './reference.ts'
import type { About, Session } from './session.ts'

/** The most secrets that one BatchGetSecretValue takes. */
const BATCH_SIZE = 20

/** Errors about one secret; every other one is about the way to all of them. */
const OF_ONE: ReadonlySet<SecretsErrorCode> = new Set([
  'PERMISSION_DENIED',
  'DELETED',
  'NOT_FOUND',
  'REQUEST_REFUSED',
])

/** After these the requests that have not begun would only meet the same. */
const OF_ALL: ReadonlySet<SecretsErrorCode> = new Set([
  'CONFIG_INVALID',
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'UNREACHABLE',
  'TLS_FAILED',
  'RATE_LIMITED',
  'ABORTED',
])

/** What a provider remembers between reads. */
export interface BatchMemory {
  /** Whether BatchGetSecretValue turned out to be not allowed, or not known to the endpoint. */
  denied: boolean
}

/** Reads many: in batches what is asked for as it is now, one by one what names a stage or a version. */
export async function readSecrets(
  session: Session,
  memory: BatchMemory,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<readonly ReadResult[]> {
  const limit = pLimit(context.concurrency)
  const results = new Map<string, ReadResult>()
  let stop: SecretsError | undefined

  /** Gives a call its turn; what it throws becomes the answer for the requests it was about. */
  const attempt = (about: readonly ReadRequest[], work: () => Promise<void>): Promise<void> =>
    limit(async () => {
      try {
        if (stop) throw stop
        await work()
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        if (OF_ALL.has(error.code)) stop = error
        for (const request of about) results.set(keyOf(request), error)
      }
    })
  const readAlone = (request: ReadRequest) =>
    attempt([request], async () => {
      results.set(keyOf(request), await readOne(session, request, context))
    })

  const distinct = [...new Map(requests.map((request) => [keyOf(request), request])).values()]
  const current = distinct.filter(isCurrent)
  const batched = !memory.denied && current.length > 1 ? current : []
  const alone = batched.length > 0 ? distinct.filter((request) => !isCurrent(request)) : distinct
  const left: ReadRequest[] = []
  await Promise.all([
    ...chunksOf(batched, BATCH_SIZE).map((chunk) =>
      attempt(chunk, async () => {
        left.push(...(await readBatch(session, memory, chunk, results, context)))
      }),
    ),
    ...alone.map(readAlone),
  ])
  await Promise.all(left.map(readAlone))
  context.debug(
    `${context.name}: ${distinct.length} secrets, ${batched.length - left.length} of them in batches`,
  )

  const errors = [...results.values()].filter((result) => result instanceof SecretsError)
  if (errors.length > 0 && errors.length === distinct.length && !errors.some(({ code }) => OF_ONE.has(code)))
    throw stop ?? errors[0]!
  return requests.map((request) => results.get(keyOf(request)))
}

function keyOf({ path, options }: ReadRequest): string {
  return JSON.stringify([path, options.stage, options.version])
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

async function readOne(
  session: Session,
  request: ReadRequest,
  context: ProviderContext,
): Promise<ReadResult> {
  const about: About = { action: 'GetSecretValue', path: request.path }
  const { stage, version } = request.options
  try {
    const answer = await session.call(context, about, (api, options) =>
      api.getSecretValue(
        {
          SecretId: request.path,
          ...(stage !== undefined && { VersionStage: stage }),
          ...(version !== undefined && { VersionId: version }),
        },
        options,
      ),
    )
    return documentOf(answer) ?? malformedError(session.situation(context, about))
  } catch (error) {
    if (error instanceof SecretsError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** @returns what the batch left open, to be read one by one */
async function readBatch(
  session: Session,
  memory: BatchMemory,
  chunk: readonly ReadRequest[],
  results: Map<string, ReadResult>,
  context: ProviderContext,
): Promise<readonly ReadRequest[]> {
  const values: SecretValueEntry[] = []
  const failures = new Map<string, SecretsError>()
  const about: About = { action: 'BatchGetSecretValue' }
  const ids = [...new Set(chunk.map(({ path }) => path))]
  const pages = pagesOf(
    (token) =>
      session.call(context, about, (api, options) =>
        api.batchGetSecretValue({ SecretIdList: ids, ...token }, options),
      ),
    () => malformedError(session.situation(context, about)),
  )
  try {
    for await (const page of pages) {
      values.push(...objectsIn(page.SecretValues))
      for (const { SecretId: path, ErrorCode: name, Message: message } of objectsIn(page.Errors)) {
        if (path === undefined) continue
        const situation = session.situation(context, { action: 'GetSecretValue', path })
        failures.set(path, awsError({ name, message }, situation))
      }
    }
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    const unknown = error.code === 'UNSUPPORTED'
    if (error.code === 'PERMISSION_DENIED' || unknown) {
      memory.denied = true
      context.debug(
        `${context.name}: no BatchGetSecretValue (${unknown ? 'unknown there' : 'denied'}), reading one by one`,
      )
      return chunk
    }
    // One impossible name makes AWS refuse the whole batch.
    if (error.code === 'REQUEST_REFUSED') return chunk
    throw error
  }
  return chunk.filter((request) => {
    const value = values.find(({ Name, ARN }) => answers(request.path, Name, ARN))
    const failure = failures.get(request.path)
    const found = value && documentOf(value)
    if (found) results.set(keyOf(request), found)
    else if (failure) results.set(keyOf(request), failure.code === 'NOT_FOUND' ? undefined : failure)
    else return true
    return false
  })
}

/** `undefined` for an answer without a value: the SDK accepts every JSON as an answer. */
function documentOf(answer: GetSecretValueResponse | SecretValueEntry): ReadResult {
  const { SecretString: text, SecretBinary: bytes, VersionId: id } = answer
  const version = typeof id === 'string' ? id : undefined
  if (typeof text === 'string') return { value: text, version }
  if (bytes instanceof Uint8Array) return { value: Uint8Array.from(bytes), version }
  return undefined
}
