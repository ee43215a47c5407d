import type { AwsAuth } from './options.ts'
import { resourceOf } from './reference.ts'
import type { Situation } from './situation.ts'

export const INSTALL = 'npm install @aws-sdk/client-secrets-manager @aws-sdk/credential-providers'

/** The profile in use, which the default chain takes from the environment. */
function profileOf(auth: AwsAuth): string | undefined {
  if (auth.method === 'keys') return undefined
  return auth.method === 'profile' ? auth.profile : process.env.AWS_PROFILE || undefined
}

export function profileFlag(auth: AwsAuth): string {
  const profile = profileOf(auth)
  return profile === undefined ? '' : ` --profile ${quoted(profile)}`
}

const ENVIRONMENT_KEYS = 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN'

export function renewHint(auth: AwsAuth): string {
  if (auth.method === 'keys') return 'Give fresh keys and their session token as auth.'
  if (auth.method === 'default' && process.env.AWS_ACCESS_KEY_ID)
    return `Renew ${ENVIRONMENT_KEYS} in the environment.`
  return `Run: aws sso login${profileFlag(auth)}\nFor a profile with pasted keys, put fresh ones into ~/.aws/credentials.`
}

export function findHint(auth: AwsAuth): string {
  if (auth.method === 'profile')
    return `Run: aws configure sso --profile ${quoted(auth.profile)}\naws configure list-profiles shows the profiles there are.`
  return `Set ${ENVIRONMENT_KEYS}, or AWS_PROFILE, or log in with: aws sso login${profileFlag(auth)}`
}

export function refusedHint({ auth, region }: Situation): string {
  const where = {
    keys: 'Check accessKeyId and secretAccessKey; keys that begin with ASIA need their sessionToken too.',
    profile: `Check with: aws sts get-caller-identity${profileFlag(auth)}`,
    default: `Check with: aws sts get-caller-identity${profileFlag(auth)}`,
  }[auth.method]
  return `${where}\nThe key may be switched off, or the region ${region} not enabled for the account.`
}

export function deniedHint({ action, path, region, auth }: Situation): string {
  const resource = path === undefined || action === 'ListSecrets' ? '*' : resourceOf(path, region)
  return `Allow secretsmanager:${action} on ${resource} for the identity that aws sts get-caller-identity${profileFlag(auth)} names.\nA policy of the secret itself or of the organisation may deny it too.`
}

export function unreachableHint({ region, endpoint, action }: Situation): string {
  if (action === 'login') return 'Check the network, and the SSO or role settings in ~/.aws/config.'
  return endpoint === undefined
    ? `Check the network, and that the region ${region} exists.`
    : `Check the network, and that the endpoint ${endpoint} is right and running (region ${region}).`
}

/** As a word for a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w/+=.@:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
