import pLimit from 'p-limit'
import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'

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

const isForAll = (result: unknown): boolean => result instanceof SecretsError && FOR_ALL.has(result.code)

/**
 * Does each with as many requests at once as the context allows. The first error that is about all of them
 * stops what has not begun.
 * @throws SecretsError when no request was answered
 */
export async function forEach<Result>(
  requests: readonly ReadRequest[],
  context: ProviderContext,
  work: (request: ReadRequest) => Promise<Result>,
): Promise<readonly (Result | SecretsError)[]> {
  const limit = pLimit(context.concurrency)
  let stopped: SecretsError | undefined
  const one = async (request: ReadRequest): Promise<Result | SecretsError> => {
    if (stopped) return stopped
    try {
      return await work(request)
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
