import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import {
  deniedHint,
  findHint,
  INSTALL,
  profileFlag,
  quoted,
  refusedHint,
  renewHint,
  unreachableHint,
} from './hints.ts'
import { hostOf, ofAuth, type Situation, subject } from './situation.ts'

/** What the SDK's errors have in common; nothing of it is passed on but names we know and the status. */
interface Foreign {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

const REFUSED = new Set([
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidClientTokenIdException',
  'InvalidAccessKeyId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'AuthFailure',
  'OptInRequired',
  'UnauthorizedException',
])
const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'UnauthorizedSSOTokenError'])
const SKEWED = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'])
const DENIED = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'UnauthorizedOperation',
  'NotAuthorizedException',
])
const THROTTLED =
  /^(Throttl|TooManyRequests|RequestThrottled|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded|PriorRequestNotComplete|EC2Throttled)/
/** Entries of a batch have no status to tell. */
const FAULTY = /^(InternalServiceError|InternalFailure|InternalServerError|ServiceUnavailable)/
const KMS = /^(DecryptionFailure|EncryptionFailure|KMS\w*|Kms\w*)$/
/** Names that may be printed although the other side sent them. */
const PRINTABLE = /^[A-Z][A-Za-z]{2,50}(Exception|Error|Failure)$/

/**
 * Our error for one of the SDK's. Theirs is never attached and its text never repeated: both can hold
 * parts of the request and of the answer.
 */
export function awsError(error: unknown, situation: Situation): SecretsError {
  if (error instanceof SecretsError) return error
  const foreign = (typeof error === 'object' && error !== null ? error : {}) as Foreign
  const name = typeof foreign.name === 'string' ? foreign.name : ''
  const text = typeof foreign.message === 'string' ? foreign.message : ''
  const code = typeof foreign.code === 'string' ? foreign.code : ''
  const status = foreign.$metadata?.httpStatusCode
  const { provider, region, auth, action } = situation
  const make = (ours: SecretsErrorCode, why: string, hint: string, retryAfter?: number) =>
    new SecretsError(ours, `Cannot ${subject(situation)}: ${why}.`, { hint, retryAfter })

  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return make('CONFIG_INVALID', 'the AWS SDK is not installed', `Run: ${INSTALL}`)
  if (code === 'ERR_INVALID_URL')
    return make(
      'CONFIG_INVALID',
      'the endpoint in the environment or the profile is not an address',
      'Correct AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL or endpoint_url; or give aws({ endpoint }).',
    )
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return /expired|refresh/i.test(text)
      ? make('TOKEN_INVALID', `the AWS login ${ofAuth(auth)} has expired`, renewHint(auth))
      : make('CREDENTIALS_MISSING', `there are no AWS credentials ${ofAuth(auth)}`, findHint(auth))
  if (SKEWED.has(name) || (REFUSED.has(name) && /not yet current|signature expired/i.test(text)))
    return make(
      'LOGIN_REFUSED',
      'AWS refused the signature because of its time',
      'The clock of this machine is wrong by minutes. Set it (or turn time synchronisation on) and try again.',
    )
  if (EXPIRED.has(name))
    return make('TOKEN_INVALID', `the AWS session ${ofAuth(auth)} has expired`, renewHint(auth))
  if (REFUSED.has(name))
    return make(
      'LOGIN_REFUSED',
      `AWS does not accept the credentials ${ofAuth(auth)} (${name})`,
      refusedHint(situation),
    )
  if (code === 'ERR_INVALID_CHAR')
    return make(
      'LOGIN_REFUSED',
      `the credentials ${ofAuth(auth)} hold a character that cannot be sent`,
      'Look for a line break or a space at the end of a key.',
    )
  if (KMS.test(name) || (DENIED.has(name) && /\bkms\b/i.test(text)))
    return make(
      'PERMISSION_DENIED',
      'AWS may not use its KMS key for the identity in use',
      `Allow kms:${action === 'PutSecretValue' || action === 'CreateSecret' ? 'GenerateDataKey and kms:Decrypt' : 'Decrypt'} on the key of the secret, in IAM and in the policy of the key; and see that the key is enabled.`,
    )
  if (DENIED.has(name)) {
    if (action === 'login')
      return make(
        'LOGIN_REFUSED',
        `AWS refuses the role ${ofAuth(auth)}`,
        'Allow sts:AssumeRole (or sts:AssumeRoleWithWebIdentity) for it, and name this identity in the trust policy of the role.',
      )
    return make(
      'PERMISSION_DENIED',
      `AWS denies secretsmanager:${action} in ${region}`,
      deniedHint(situation),
    )
  }
  if (THROTTLED.test(name) || status === 429)
    return make(
      'RATE_LIMITED',
      'AWS asks to slow down',
      'Too many requests in this account and region; try again later, or raise cache.ttl.',
      retryAfter(foreign),
    )
  if (
    name === 'InvalidRequestException' &&
    /(marked|scheduled) (for deletion|deleted)|marked for delet/i.test(text)
  )
    return deletedError(situation)
  if (name === 'ResourceNotFoundException')
    return make(
      'NOT_FOUND',
      `there is none of this name in ${region}`,
      `aws secretsmanager list-secrets --region ${region}${profileFlag(auth)} shows what is there.`,
    )
  if (
    name === 'ResourceExistsException' ||
    // The stage has left the version that it was to be taken from.
    (name === 'InvalidParameterException' && action === 'UpdateSecretVersionStage')
  )
    return make(
      'CONFLICT',
      'somebody else has just written it',
      'Look at the value there before writing again.',
    )
  if (/^UnknownOperation/.test(name) || status === 501)
    return make(
      'UNSUPPORTED',
      `${hostOf(situation)} does not know ${action}`,
      'Use another endpoint, or a newer version of it.',
    )

  const attempt = status === undefined ? '' : ` (HTTP ${status})`
  if (FAULTY.test(name) || (status !== undefined && status >= 500))
    return make(
      'SERVER_ERROR',
      `${hostOf(situation)} has a fault of its own${attempt}`,
      'Try again; https://health.aws.amazon.com shows disturbances.',
      retryAfter(foreign),
    )
  if (name === 'SyntaxError' || code.startsWith('HPE_'))
    return make(
      'RESPONSE_MALFORMED',
      `${hostOf(situation)} gave an answer that is not one of Secrets Manager${attempt}`,
      'Something in between may have answered (a proxy, a captive portal), or the endpoint is another service.',
    )
  if (code !== '' && /CERT|SIGNATURE|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code))
    return make(
      'TLS_FAILED',
      `no trusted connection to ${hostOf(situation)} (${code})`,
      'Behind a proxy that opens TLS, point NODE_EXTRA_CA_CERTS at its certificate; an endpoint without TLS begins with http://.',
    )
  if (/^E[A-Z\d_]+$/.test(code) && !code.startsWith('ERR_'))
    return make('UNREACHABLE', `${hostOf(situation)} cannot be reached (${code})`, unreachableHint(situation))
  if (name === 'TimeoutError' || name === 'AbortError')
    return make('TIMEOUT', `${hostOf(situation)} did not answer in time`, unreachableHint(situation))
  if (status !== undefined && status >= 300 && status < 400)
    return make(
      'REDIRECT_REFUSED',
      `${hostOf(situation)} redirects${attempt}, which is not followed`,
      'Give the address that it redirects to as endpoint, if it is the right one.',
    )
  const what = PRINTABLE.test(name) ? ` (${name})` : attempt
  return status === undefined && action !== 'login'
    ? make(
        'REQUEST_REFUSED',
        `the AWS SDK did not send the request${what}`,
        `See the options of the provider ${provider} and the files in ~/.aws.`,
      )
    : make(
        'REQUEST_REFUSED',
        `AWS refuses the request${what}`,
        'Check the name, the stage and the version asked for.',
      )
}

/** What our own deadline or the caller's signal means. */
export function abortedError(signal: AbortSignal, situation: Situation): SecretsError {
  const reason: unknown = signal.reason
  const late =
    reason instanceof SecretsError
      ? reason.code === 'TIMEOUT'
      : (reason as Error | undefined)?.name === 'TimeoutError'
  return late
    ? new SecretsError(
        'TIMEOUT',
        `Cannot ${subject(situation)}: ${hostOf(situation)} did not answer in time.`,
        {
          hint: unreachableHint(situation),
        },
      )
    : new SecretsError('ABORTED', `Cannot ${subject(situation)}: the request was given up.`)
}

/** The secret is there until its recovery window ends, and nothing of it can be read. */
export function deletedError(situation: Situation): SecretsError {
  const { path = 'NAME', region, auth } = situation
  return new SecretsError('DELETED', `Cannot ${subject(situation)}: the secret is scheduled for deletion.`, {
    hint: `To have it back: aws secretsmanager restore-secret --secret-id ${quoted(path)} --region ${region}${profileFlag(auth)}`,
  })
}

/** An answer without the parts that every answer has. */
export function malformedError(situation: Situation): SecretsError {
  return awsError({ name: 'SyntaxError' }, situation)
}

/** `Retry-After` in ms: seconds or a date (RFC 9110 section 10.2.3). */
function retryAfter({ $response }: Foreign): number | undefined {
  const header = $response?.headers?.['retry-after']
  if (header === undefined) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return ms >= 0 ? ms : undefined
}
