import type { AwsAuth } from './options.ts'

/** What was being done when it failed, and where. */
export interface Situation {
  /** The key under `providers`. */
  readonly provider: string
  readonly region: string
  /** The address in use when it is not Amazon's. */
  readonly endpoint: string | undefined
  readonly auth: AwsAuth
  /** The call, as IAM names it; `login` while credentials are being fetched. */
  readonly action: Action | 'login'
  /** The secret that it was about; absent for several at once. */
  readonly path?: string | undefined
}

export type Action =
  | 'GetSecretValue'
  | 'BatchGetSecretValue'
  | 'ListSecrets'
  | 'PutSecretValue'
  | 'CreateSecret'
  | 'DeleteSecret'
  | 'RestoreSecret'
  | 'DescribeSecret'
  | 'ListSecretVersionIds'
  | 'UpdateSecretVersionStage'
  | 'TagResource'
  | 'UntagResource'

const VERBS: Record<Situation['action'], string> = {
  login: 'log in for',
  GetSecretValue: 'read',
  BatchGetSecretValue: 'read',
  ListSecrets: 'list',
  PutSecretValue: 'write',
  CreateSecret: 'create',
  DeleteSecret: 'remove',
  RestoreSecret: 'restore',
  DescribeSecret: 'look at',
  ListSecretVersionIds: 'list the versions of',
  UpdateSecretVersionStage: 'move a stage of',
  TagResource: 'annotate',
  UntagResource: 'annotate',
}

export function subject({ action, provider, path }: Situation): string {
  return `${VERBS[action]} ${path === undefined ? `secrets of ${provider}` : `${provider}:${path}`}`
}

export function hostOf({ action, region, endpoint }: Situation): string {
  if (action === 'login') return 'the service that gives AWS credentials'
  return endpoint === undefined ? `Secrets Manager in ${region}` : endpoint
}

export function ofAuth(auth: AwsAuth): string {
  if (auth.method === 'keys') return 'given as auth keys'
  return auth.method === 'profile' ? `of the profile ${auth.profile}` : 'of the default chain'
}
