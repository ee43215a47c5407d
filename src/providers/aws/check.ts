import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import type { CheckResult, ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { regionsOf } from './elsewhere.ts'
import { createMemory } from './memory.ts'
import { type AwsOptions, knownEndpoint } from './options.ts'
import { readSecrets } from './read.ts'
import type { Session } from './session.ts'

/** Errors that only somebody who was reached can give. */
const REACHED: ReadonlySet<SecretsErrorCode> = new Set([
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'PERMISSION_DENIED',
  'RATE_LIMITED',
])

/** The lines of `doctor`: credentials, region, endpoint, login, then every reference. */
export async function checkProvider(
  session: Session,
  options: AwsOptions,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  const identity = await caught(session.identify(context))
  if (identity instanceof SecretsError) return [failed('credentials', identity)]
  const until = identity.expires ? `, valid until ${identity.expires.toISOString()}` : ''
  results.push({ label: 'credentials', ok: true, detail: `found in ${identity.source}${until}` })
  results.push({ label: 'region', ok: true, detail: identity.region })

  const listed = await caught(
    session.call(context, { action: 'ListSecrets' }, (api, call) => api.listSecrets({ MaxResults: 1 }, call)),
  )
  const problem = listed instanceof SecretsError ? listed : undefined
  if (problem && !REACHED.has(problem.code)) return [...results, failed('reachable', problem)]
  results.push({ label: 'reachable', ok: true, detail: knownEndpoint(options) })
  if (problem && problem.code !== 'PERMISSION_DENIED') return [...results, failed('logged in', problem)]
  results.push({
    label: 'logged in',
    ok: true,
    detail: problem && 'without secretsmanager:ListSecrets, which only secrets list needs',
  })
  if (requests.length === 0) return results

  const memory = createMemory()
  const read = await caught(readSecrets(session, memory, requests, context))
  let looked: string[] | undefined
  for (const [index, request] of requests.entries()) {
    const result = read instanceof SecretsError ? read : read[index]
    // One name tells where the others are.
    if (result === undefined) looked ??= await regionsOf(request.path, options, identity.region, context)
    results.push(readLine(`read ${context.name}:${request.path}`, result, identity.region, looked))
  }
  if (memory.batchDenied)
    results.push({
      label: 'batches',
      ok: true,
      detail: 'BatchGetSecretValue is not allowed: one request a secret instead of one for twenty',
      hint: 'Allow secretsmanager:BatchGetSecretValue on *.',
    })
  return results
}

/** @param elsewhere regions in which there is such a name */
function readLine(
  label: string,
  result: ReadResult,
  region: string,
  elsewhere: readonly string[] = [],
): CheckResult {
  if (result instanceof SecretsError) return failed(label, result)
  if (result) return { label, ok: true, detail: result.version && `version ${result.version}` }
  return {
    label,
    ok: false,
    detail: `there is none of this name in ${region}`,
    hint:
      elsewhere.length > 0
        ? `It is in ${elsewhere.join(', ')}: aws({ region: '${elsewhere[0]}' }), or AWS_REGION.`
        : 'Check the name and the region; the stage or version asked for may not exist.',
  }
}

function failed(label: string, error: SecretsError): CheckResult {
  return { label, ok: false, detail: error.message, hint: error.hint }
}

async function caught<T>(work: Promise<T>): Promise<T | SecretsError> {
  try {
    return await work
  } catch (error) {
    if (error instanceof SecretsError) return error
    throw error
  }
}
