import { randomUUID } from 'node:crypto'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, WriteRequest, WriteResult } from '../../core/types.ts'
import { CURRENT, describeSecret, versionAt } from './describe.ts'
import { malformedError } from './errors.ts'
import { refuse } from './manage.ts'
import type { Session } from './session.ts'
import { moveCurrent } from './stages.ts'

/**
 * A new current version; the secret is made when there is none. `expected: null` makes it or fails, in one
 * step of AWS's own.
 */
export async function writeSecret(
  session: Session,
  request: WriteRequest,
  context: ProviderContext,
): Promise<WriteResult> {
  refuse(request.environment !== undefined, request, context, 'environment')
  const { path, expected } = request
  const content = contentOf(request.value)
  if (typeof expected === 'string') {
    return writeExpecting(session, { path, content, expected }, context)
  }
  if (expected === null) return create(session, path, content, context)
  try {
    const put = await session.call(context, { action: 'PutSecretValue', path }, (api, options) =>
      api.putSecretValue({ SecretId: path, ...content }, options),
    )
    return { version: put.VersionId }
  } catch (error) {
    // AWS gives an ARN its last characters itself, so one that is not there cannot be made.
    if (!(error instanceof SecretsError) || error.code !== 'NOT_FOUND' || path.startsWith('arn:')) throw error
    return create(session, path, content, context)
  }
}

async function create(
  session: Session,
  path: string,
  content: Content,
  context: ProviderContext,
): Promise<WriteResult> {
  const made = await session.call(context, { action: 'CreateSecret', path }, (api, options) =>
    api.createSecret({ Name: path, ...content }, options),
  )
  return { version: made.VersionId }
}

export type Content = { SecretString: string } | { SecretBinary: Uint8Array }

export function contentOf(value: WriteRequest['value']): Content {
  if (value instanceof Uint8Array) return { SecretBinary: value }
  return { SecretString: typeof value === 'string' ? value : JSON.stringify(value) }
}

/**
 * Check-and-set: AWS has none, but AWSCURRENT only moves from the version that is named. The new version
 * is put under a stage of its own first, which nobody reads.
 */
export async function writeExpecting(
  session: Session,
  request: { readonly path: string; readonly content: Content; readonly expected: string },
  context: ProviderContext,
): Promise<WriteResult> {
  const { path, content, expected } = request
  const current = versionAt((await describeSecret(session, path, context))?.VersionIdsToStages, CURRENT)
  if (current !== expected) throw conflict(path, context)
  const stage = `unplugin-secrets-${randomUUID()}`
  const put = await session.call(context, { action: 'PutSecretValue', path }, (api, options) =>
    api.putSecretValue({ SecretId: path, ...content, VersionStages: [stage] }, options),
  )
  const version = put.VersionId
  if (version === undefined)
    throw malformedError(session.situation(context, { action: 'PutSecretValue', path }))
  try {
    await moveCurrent(session, { path, from: expected, to: version }, context)
  } finally {
    // Without a stage a version that has lost goes by itself. A stage that stays does no harm.
    await session
      .call(context, { action: 'UpdateSecretVersionStage', path }, (api, options) =>
        api.updateSecretVersionStage(
          { SecretId: path, VersionStage: stage, RemoveFromVersionId: version },
          options,
        ),
      )
      .catch(() => context.debug(`${context.name}: a stage of a write stays on ${path}`))
  }
  return { version }
}

export function conflict(path: string, context: ProviderContext): SecretsError {
  return new SecretsError(
    'CONFLICT',
    `Cannot write ${context.name}:${path}: its current version is another one.`,
    { hint: 'Somebody else has written it. Look at the value there before writing again.' },
  )
}
