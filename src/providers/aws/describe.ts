import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext } from '../../core/types.ts'
import { awsError } from './errors.ts'
import type { Session } from './session.ts'

export const CURRENT = 'AWSCURRENT'

/** Everything about a secret but its value; `undefined`: there is none. One that is going to be deleted is there. */
export async function describeSecret(
  session: Session,
  path: string,
  context: ProviderContext,
): Promise<DescribeSecretResponse | undefined> {
  try {
    return await session.call(context, { action: 'DescribeSecret', path }, (api, options) =>
      api.describeSecret({ SecretId: path }, options),
    )
  } catch (error) {
    if (error instanceof SecretsError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** The version that a stage is on. */
export function versionAt(
  stages: Readonly<Record<string, readonly string[]>> | undefined,
  stage: string,
): string | undefined {
  return Object.entries(stages ?? {}).find(([, names]) => Array.isArray(names) && names.includes(stage))?.[0]
}

/** The error of a change for which there has to be something. */
export function missing(session: Session, path: string, context: ProviderContext): SecretsError {
  return awsError(
    { name: 'ResourceNotFoundException' },
    session.situation(context, { action: 'DescribeSecret', path }),
  )
}
