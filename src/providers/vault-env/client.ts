import { authKey, signRequest, type VaultEnvKey } from '../../core/crypto/vault-env.ts'
import { SecretsError } from '../../core/errors.ts'
import { type ConnectionWords, connectionError, connectionReason } from '../connection.ts'
import { malformedAnswer } from './malformed.ts'

export interface VaultEnvClientOptions {
  /** The server's address, with or without a path below it. */
  readonly url: string
  readonly key: VaultEnvKey
  readonly signal: AbortSignal
  readonly userAgent: string
}

const WORDS: ConnectionWords = {
  address: 'VAULT_URL',
  authority: 'NODE_EXTRA_CA_CERTS=ca.pem in the environment.',
}

export type VaultEnvAnswer = Readonly<Record<string, unknown>>

/** How long the server may think about one request, in ms. */
const TIMEOUT = 10_000
/** A clock that is further off than this is worth a word, in ms. */
const SKEW = 60_000

/**
 * One signed request of the vault-env protocol. No redirect is followed: the signature covers the body, not
 * the place it is sent to.
 * @returns `undefined` where the server says that there is no such thing
 * @throws SecretsError without any text of the other side
 */
export async function callVaultEnv(
  route: string,
  body: Readonly<Record<string, unknown>>,
  options: VaultEnvClientOptions,
): Promise<VaultEnvAnswer | undefined> {
  const { key, url } = options
  const text = JSON.stringify({ project_id: key.projectId, ...body })
  const signature = signRequest(text, authKey(key.text), Date.now())
  const response = await post(`${url.replace(/\/+$/, '')}/api/v1/${route}`, text, signature, options)
  const answer = (await response.json().catch(() => undefined)) as VaultEnvAnswer | undefined
  if (response.ok) {
    if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer
    throw malformedAnswer(url)
  }
  return refused(response, answer, options)
}

async function post(
  address: string,
  body: string,
  signature: string,
  { url, signal, userAgent }: VaultEnvClientOptions,
): Promise<Response> {
  try {
    return await fetch(address, {
      method: 'POST',
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': userAgent,
        'X-Vault-Signature': signature,
      },
    })
  } catch (error) {
    if (signal.aborted && signal.reason instanceof SecretsError) throw signal.reason
    if (error instanceof Error && error.name === 'TimeoutError')
      throw new SecretsError('TIMEOUT', `${url} did not answer in time.`, {
        hint: 'Check the address (VAULT_URL), and the network on the way to it.',
      })
    if (signal.aborted) throw new SecretsError('ABORTED', `The request to ${url} was given up.`)
    // `fetch failed`: the reason is below.
    const cause = error instanceof Error ? error.cause : undefined
    throw connectionError(connectionReason(cause ?? error), url, WORDS)
  }
}

function refused(
  response: Response,
  answer: VaultEnvAnswer | undefined,
  { url, key }: VaultEnvClientOptions,
): undefined {
  const { status } = response
  // The other side's words are compared, never shown.
  const said = typeof answer?.error === 'string' ? answer.error : ''
  if (
    status === 404 &&
    /^(Environment not found|No secrets stored yet|Version not found|Device not found)$/.test(said)
  )
    return undefined
  if (status === 404)
    throw new SecretsError('MOUNT_NOT_FOUND', `There is no project ${key.projectId} at ${url}.`, {
      hint: 'The project is the part of VAULT_KEY between the first two underscores; check VAULT_URL too.',
    })
  if (status === 401)
    throw new SecretsError('LOGIN_REFUSED', `${url} refuses the signature.`, { hint: why401(response) })
  if (status === 403 && said.includes('pending'))
    throw new SecretsError('PERMISSION_DENIED', `This device waits for its approval at ${url}.`, {
      hint: 'On an approved machine run: npx secrets list-devices, then npx secrets approve-device --id ID',
    })
  if (status === 403)
    throw new SecretsError('DEVICE_REVOKED', `This device is not registered at ${url}, or was revoked.`, {
      hint: 'Run: npx secrets register-device, and have it approved.',
    })
  if (status === 429) {
    const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN)
    throw new SecretsError('RATE_LIMITED', `${url} asks to slow down (429).`, {
      retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    })
  }
  if (status >= 500)
    throw new SecretsError('SERVER_ERROR', `${url} failed (${status}).`, {
      hint: 'Try again; the log of the server says why.',
    })
  if (status >= 300 && status < 400)
    throw new SecretsError('REDIRECT_REFUSED', `${url} redirects, which is not followed.`, {
      hint: 'Set VAULT_URL to where it points.',
    })
  throw new SecretsError('REQUEST_REFUSED', `${url} refused the request (${status}).`, {
    hint: 'The server may be of another version, or something else answers at VAULT_URL.',
  })
}

function why401(response: Response): string {
  const skew = Date.parse(response.headers.get('Date') ?? '') - Date.now()
  if (Math.abs(skew) > SKEW)
    return `This machine's clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'behind' : 'ahead of'} the server's. Set it right.`
  return 'VAULT_KEY is not the key of this project.'
}
