import { parseDuration } from '../../core/duration.ts'
import { SecretsError } from '../../core/errors.ts'
import { didYouMean } from '../../core/nearest.ts'
import type { Duration, JsonObject } from '../../core/types.ts'

/** How to log in. There is no default: which account a build reads from is a decision. */
export type AwsAuth =
  | {
      /** An access key given here, usually from `process.env`. */
      method: 'keys'
      accessKeyId: string | undefined
      secretAccessKey: string | undefined
      /** Needed with temporary keys (those that begin with `ASIA`). */
      sessionToken?: string | undefined
    }
  | {
      /** A profile of `~/.aws/config` or `~/.aws/credentials`: keys, SSO, an assumed role, a process. */
      method: 'profile'
      profile: string
    }
  | {
      /** The chain of the AWS SDK: environment, shared files, SSO, web identity, container, instance. */
      method: 'default'
    }

export interface AwsOptions {
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, then the region of the profile. */
  region?: string | undefined
  /** The address of a stand-in such as LocalStack. Default: the SDK's (`AWS_ENDPOINT_URL…`, else Amazon's). */
  endpoint?: string | undefined
  /** How to log in. Without it nothing is called, and the first use reports `CONFIG_INVALID`. */
  auth?: AwsAuth | undefined
  /** Default `ttl` of this provider's values. */
  ttl?: Duration | undefined
}

/** The fields of each method: `true` for those without which it means nothing. */
const METHODS = {
  keys: { accessKeyId: false, secretAccessKey: false, sessionToken: false },
  profile: { profile: true },
  default: {},
} as const satisfies Record<AwsAuth['method'], Record<string, boolean>>

const OPTIONS = ['region', 'endpoint', 'auth', 'ttl'] as const

const CHOICES = [
  "auth: { method: 'default' }                    the chain of the AWS SDK (environment, files, SSO, role)",
  "auth: { method: 'profile', profile: 'dev' }    a profile of ~/.aws/config",
  "auth: { method: 'keys', accessKeyId, secretAccessKey, sessionToken }",
].join('\n')

const invalid = (message: string, hint?: string) => new SecretsError('CONFIG_INVALID', message, { hint })

/**
 * Looks at the shape only; a missing `auth` is reported at the first use, because a configuration that
 * nobody asks anything of does no harm.
 * @throws SecretsError `CONFIG_INVALID`
 */
export function checkOptions(options: AwsOptions): void {
  for (const name of Object.keys(options)) {
    if (!(OPTIONS as readonly string[]).includes(name))
      throw invalid(
        `aws() has no option ${name}.${didYouMean(name, OPTIONS)}`,
        `It knows ${OPTIONS.join(', ')}.`,
      )
  }
  const { region, endpoint, auth, ttl } = options
  if (region !== undefined && !isRegion(region))
    throw invalid('aws(): region is not the name of a region.', "Write it like region: 'eu-west-1'.")
  if (endpoint !== undefined) checkEndpoint(endpoint)
  if (auth !== undefined) checkAuth(auth)
  if (ttl !== undefined) parseDuration(ttl, 'aws(): ttl')
}

/** It becomes part of a host name. */
function isRegion(region: unknown): boolean {
  return typeof region === 'string' && /^[a-z\d][a-z\d-]*$/.test(region)
}

function checkEndpoint(endpoint: string): void {
  const url = typeof endpoint === 'string' && URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw invalid('aws(): endpoint is not an address.', "Write it like endpoint: 'http://localhost:4566'.")
  if (url.username || url.password || url.search || url.hash)
    throw invalid(
      'aws(): endpoint has a user name, password, query or fragment.',
      'Give the bare address; credentials belong to auth.',
    )
}

function checkAuth(auth: AwsAuth): void {
  if (typeof auth !== 'object' || auth === null) throw invalid('aws(): auth is not an object.', CHOICES)
  if (!Object.hasOwn(METHODS, String(auth.method)))
    throw invalid(
      `aws(): auth.method is none of the known ones.${didYouMean(String(auth.method), Object.keys(METHODS))}`,
      CHOICES,
    )
  const fields: Record<string, boolean> = METHODS[auth.method]
  for (const [name, value] of Object.entries(auth)) {
    if (name === 'method') continue
    if (!Object.hasOwn(fields, name))
      throw invalid(
        `aws(): auth with method ${auth.method} has no option ${name}.${didYouMean(name, Object.keys(fields))}`,
        CHOICES,
      )
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`aws(): auth.${name} is not text.`, CHOICES)
  }
  for (const [name, required] of Object.entries(fields)) {
    if (required && !(auth as Record<string, unknown>)[name])
      throw invalid(`aws(): auth.${name} is empty.`, CHOICES)
  }
}

/**
 * The chosen method.
 * @throws SecretsError `CONFIG_INVALID` when none was chosen; `CREDENTIALS_MISSING` for keys that are empty,
 *   as a variable that is not set makes them
 */
export function chosenAuth(options: AwsOptions, provider: string): AwsAuth {
  const { auth } = options
  if (!auth)
    throw invalid(
      `The provider ${provider} does not say how to log in to AWS.`,
      `Give aws() one of\n${CHOICES}`,
    )
  if (auth.method !== 'keys') return auth
  const missing = (['accessKeyId', 'secretAccessKey'] as const).filter((name) => !auth[name])
  if (missing.length > 0)
    throw new SecretsError(
      'CREDENTIALS_MISSING',
      `The provider ${provider} has no AWS keys: auth.${missing.join(' and auth.')} ${missing.length > 1 ? 'are' : 'is'} empty.`,
      { hint: 'Set the variable that the configuration takes it from, or choose another auth.method.' },
    )
  return auth
}

/** The region as far as it is known without reading the profile. Empty variables count as unset. */
export function knownRegion(options: AwsOptions): string | undefined {
  return options.region ?? (process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || undefined)
}

/** The address that stands in for Amazon's, without its path; the SDK finds those of the environment itself. */
export function knownEndpoint(options: AwsOptions): string | undefined {
  const address =
    options.endpoint ?? (process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER || process.env.AWS_ENDPOINT_URL || '')
  return URL.canParse(address) ? new URL(address).origin : undefined
}

/**
 * Where it points. The profile belongs to it: the same region of another account is another place, and
 * the cache tells places apart by this.
 */
export function locationOf(options: AwsOptions): string {
  const { auth } = options
  const endpoint = knownEndpoint(options)
  const profile =
    auth?.method === 'profile' ? auth.profile : auth?.method === 'default' && process.env.AWS_PROFILE
  const region = knownRegion(options) ?? 'the default region'
  return `AWS Secrets Manager in ${region}${endpoint === undefined ? '' : ` at ${endpoint}`}${profile ? ` (profile ${profile})` : ''}`
}

/** What may travel in the manifest of a built server: keys stay behind, the server finds its own. */
export function settingsOf({ region, endpoint, auth }: AwsOptions): JsonObject {
  return {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(auth && {
      auth: auth.method === 'profile' ? { method: 'profile', profile: auth.profile } : { method: 'default' },
    }),
  }
}
