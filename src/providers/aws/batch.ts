import type { GetSecretValueResponse, SecretValueEntry } from '@aws-sdk/client-secrets-manager'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { awsError, malformedError } from './errors.ts'
import { keyOf, type Memory } from './memory.ts'
import { objectsIn, pagesOf } from './pages.ts'
import { answers } from './reference.ts'
import type { About, Session } from './session.ts'

/** @returns what the batch left open, to be read one by one */
export async function readBatch(
  session: Session,
  memory: Memory,
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
      memory.batchDenied = true
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
    const found = value && isCurrentVersion(value) ? documentOf(value) : undefined
    if (found) results.set(keyOf(request), found)
    else if (failure) results.set(keyOf(request), failure.code === 'NOT_FOUND' ? undefined : failure)
    else return true
    return false
  })
}

/** Stand-ins for AWS (moto, LocalStack) give the version written last after AWSCURRENT was moved; a single read is right. */
function isCurrentVersion({ VersionStages: stages }: SecretValueEntry): boolean {
  return !Array.isArray(stages) || stages.includes('AWSCURRENT')
}

/** `undefined` for an answer without a value: the SDK accepts every JSON as an answer. */
export function documentOf(answer: GetSecretValueResponse | SecretValueEntry): ReadResult {
  const { SecretString: text, SecretBinary: bytes, VersionId: id } = answer
  const version = typeof id === 'string' ? id : undefined
  if (typeof text === 'string') return { value: text, version }
  if (bytes instanceof Uint8Array) return { value: Uint8Array.from(bytes), version }
  return undefined
}
