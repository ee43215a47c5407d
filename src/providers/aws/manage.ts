import { SecretsError } from '../../core/errors.ts'
import type {
  ListEntry,
  ProviderContext,
  RemoveRequest,
  WriteRequest,
  WriteResult,
} from '../../core/types.ts'
import { malformedError } from './errors.ts'
import { objectsIn, pagesOf } from './pages.ts'
import type { About, Session } from './session.ts'

/** All secrets whose names begin with `prefix`; those scheduled for deletion are left out. */
export async function listSecrets(
  session: Session,
  prefix: string,
  context: ProviderContext,
): Promise<ListEntry[]> {
  const about: About = { action: 'ListSecrets' }
  const entries: ListEntry[] = []
  const filter = prefix === '' ? {} : { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
  const pages = pagesOf(
    (token) =>
      session.call(context, about, (api, options) =>
        api.listSecrets({ MaxResults: 100, ...filter, ...token }, options),
      ),
    () => malformedError(session.situation(context, about)),
  )
  for await (const page of pages) {
    for (const entry of objectsIn(page.SecretList)) {
      const { Name: path, SecretVersionsToStages: versions = {}, LastChangedDate: changed } = entry
      // A stand-in may filter by another rule than AWS.
      if (path === undefined || !path.startsWith(prefix)) continue
      const version = Object.keys(versions).find((id) => versions[id]?.includes('AWSCURRENT'))
      entries.push({ path, version, updatedAt: changed?.getTime() })
    }
  }
  return entries
}

/** A new current version; the secret is made when there is none. */
export async function writeSecret(
  session: Session,
  request: WriteRequest,
  context: ProviderContext,
): Promise<WriteResult> {
  refuseEnvironment(request, context)
  const { path } = request
  const content = contentOf(request.value)
  try {
    const put = await session.call(context, { action: 'PutSecretValue', path }, (api, options) =>
      api.putSecretValue({ SecretId: path, ...content }, options),
    )
    return { version: put.VersionId }
  } catch (error) {
    // AWS gives an ARN its last characters itself, so one that is not there cannot be made.
    if (!(error instanceof SecretsError) || error.code !== 'NOT_FOUND' || path.startsWith('arn:')) throw error
    const made = await session.call(context, { action: 'CreateSecret', path }, (api, options) =>
      api.createSecret({ Name: path, ...content }, options),
    )
    return { version: made.VersionId }
  }
}

function contentOf(value: WriteRequest['value']): { SecretString: string } | { SecretBinary: Uint8Array } {
  if (value instanceof Uint8Array) return { SecretBinary: value }
  return { SecretString: typeof value === 'string' ? value : JSON.stringify(value) }
}

/** Schedules the deletion; `aws secretsmanager restore-secret` takes it back within AWS's 30 days. */
export async function removeSecret(
  session: Session,
  request: RemoveRequest,
  context: ProviderContext,
): Promise<boolean> {
  refuseEnvironment(request, context)
  const { path } = request
  try {
    await session.call(context, { action: 'DeleteSecret', path }, (api, options) =>
      api.deleteSecret({ SecretId: path }, options),
    )
    return true
  } catch (error) {
    if (error instanceof SecretsError && (error.code === 'NOT_FOUND' || error.code === 'DELETED'))
      return false
    throw error
  }
}

function refuseEnvironment(
  { path, environment }: Pick<WriteRequest, 'path' | 'environment'>,
  context: ProviderContext,
): void {
  if (environment !== undefined)
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot write ${context.name}:${path} for ${environment} only: an AWS secret has one value for all environments.`,
      { hint: `Put the environment into the name, for example ${environment}/${path}.` },
    )
}
