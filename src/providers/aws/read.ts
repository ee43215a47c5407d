import pLimit from 'p-limit'
import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { documentOf, readBatch } from './batch.ts'
import { malformedError } from './errors.ts'
import { adapt, keyOf, type Memory, widthOf } from './memory.ts'
import { isCurrent } from './reference.ts'
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
export const OF_ALL: ReadonlySet<SecretsErrorCode> = new Set([
  'CONFIG_INVALID',
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'UNREACHABLE',
  'TLS_FAILED',
  'RATE_LIMITED',
  'ABORTED',
])

/** Reads many: in batches what is asked for as it is now, one by one what names a stage or a version. */
export async function readSecrets(
  session: Session,
  memory: Memory,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<readonly ReadResult[]> {
  const limit = pLimit(widthOf(memory, context.concurrency))
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
  const batched = !memory.batchDenied && current.length > 1 ? current : []
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

  for (const [key, result] of results)
    if (!(result instanceof SecretsError)) memory.stamps.set(key, result?.version)
  const errors = [...results.values()].filter((result) => result instanceof SecretsError)
  adapt(
    memory,
    context.concurrency,
    errors.some(({ code }) => code === 'RATE_LIMITED'),
  )
  if (errors.length > 0 && errors.length === distinct.length && !errors.some(({ code }) => OF_ONE.has(code)))
    throw stop ?? errors[0]!
  return requests.map((request) => results.get(keyOf(request)))
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
          ...(version === undefined ? { VersionStage: stage ?? 'AWSCURRENT' } : { VersionId: version }),
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
