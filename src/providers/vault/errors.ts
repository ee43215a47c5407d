import { SecretsError, type SecretsErrorCode } from '../../core/errors.ts'
import type { Answer } from './transport.ts'

/** The parts of an answer that are looked at; each still has to be checked, since nobody vouches for them. */
export interface Body {
  readonly errors?: unknown
  readonly warnings?: unknown
  readonly auth?: { readonly [key: string]: unknown } | null
  readonly lease_id?: unknown
  readonly lease_duration?: unknown
  readonly renewable?: unknown
  readonly data?: { readonly [key: string]: unknown } | null
}

/** @returns the body when it is an object, else an empty one. */
export function bodyOf(answer: Answer): Body {
  const { body } = answer
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Body) : {}
}

/** The server's own words, only to be compared with known ones: they never go into a message. */
function errorText(answer: Answer): string {
  const { errors } = bodyOf(answer)
  return Array.isArray(errors) ? errors.filter((text) => typeof text === 'string').join('\n') : ''
}

/** KV v2 says so with a 400: the current version is another one. */
export function isCasMismatch(answer: Answer): boolean {
  return answer.status === 400 && errorText(answer).includes('did not match the current version')
}

/** 404 for a path that no engine or auth method serves. */
export function isMissingRoute(answer: Answer): boolean {
  return answer.status === 404 && errorText(answer).includes('no handler for route')
}

/**
 * Whether a 403 means that the token is expired, revoked or unknown. A refusal by policy is worded as a
 * list of one (`1 error occurred: …`); newer servers name the invalid token.
 */
export function isTokenInvalid(answer: Answer): boolean {
  if (answer.status !== 403) return false
  const text = errorText(answer).trim()
  return text === 'permission denied' || /\binvalid token\b|\bbad token\b/.test(text)
}

/** What was tried, for the message. */
export interface About {
  /** Completes `Cannot …`: `read vault:myapp/db`. */
  readonly what: string
  readonly url: string
  /** The API path, not encoded, for the policy line. */
  readonly path: string
  /** The capability that the policy line has to name. Default `read`. */
  readonly capability?: 'read' | 'list' | 'create' | 'update' | 'patch' | 'delete'
  /** Added to the hint of a permission error. */
  readonly note?: string | undefined
}

interface Kind {
  readonly code: SecretsErrorCode
  readonly why: string
  readonly hint?: string
}

function kindOf(answer: Answer, about: About): Kind {
  const { status } = answer
  const text = errorText(answer)
  switch (status) {
    case 400:
      if (/upgrading from non-versioned/i.test(text))
        return { code: 'SERVER_ERROR', why: 'the engine is still being upgraded to KV v2' }
      if (/check-and-set parameter required/i.test(text))
        return {
          code: 'CONFLICT',
          why: 'the engine wants to know which version is replaced (400)',
          hint: 'It has cas_required: give the expected version.',
        }
      return { code: 'REQUEST_REFUSED', why: 'the server refused the request (400)' }
    case 403:
      return {
        code: 'PERMISSION_DENIED',
        why: "the token's policies do not allow it (403)",
        hint: permissionHint(about),
      }
    case 404:
      if (text.includes('namespace not found'))
        return {
          code: 'NAMESPACE_NOT_FOUND',
          why: 'the namespace does not exist there (404)',
          hint: 'Check the namespace option and VAULT_NAMESPACE: the whole path from the root, such as admin/team.',
        }
      return {
        code: 'MOUNT_NOT_FOUND',
        why: 'nothing is mounted there (404)',
        hint: 'Set mount to the whole path of the engine; `vault secrets list` shows what there is.',
      }
    case 405:
      return { code: 'UNSUPPORTED', why: 'the engine there does not offer this (405)' }
    case 412:
      return { code: 'SERVER_ERROR', why: 'the node has not caught up yet (412)' }
    case 429:
      return {
        code: 'RATE_LIMITED',
        why: 'a rate limit was reached (429)',
        hint: 'A quota of the server limits it.',
      }
    case 472:
    case 473:
    case 474:
      return {
        code: 'STANDBY',
        why: `the node is a standby that does not serve this (${status})`,
        hint: 'Set url to the active node or to the load balancer.',
      }
    case 501:
      return {
        code: 'NOT_INITIALISED',
        why: 'the server is not initialised (501)',
        hint: 'Run `vault operator init` or `bao operator init`.',
      }
    case 503:
      if (/sealed/i.test(text))
        return { code: 'SEALED', why: 'the server is sealed (503)', hint: SEALED_HINT }
      break
  }
  if (/not active but active|no active (cluster )?node|node is standby/i.test(text))
    return { code: 'STANDBY', why: `the cluster has no active node (${status})` }
  if (status >= 500) return { code: 'SERVER_ERROR', why: `the server failed (${status})` }
  return { code: 'REQUEST_REFUSED', why: `the server answered ${status}` }
}

export const SEALED_HINT =
  'Someone with the unseal keys has to run `vault operator unseal` or `bao operator unseal`.'

/** The least a policy must say. */
function permissionHint({ path, capability = 'read', note }: About): string {
  const line = `path ${JSON.stringify(path)} { capabilities = ["${capability}"] }`
  return `A policy of the token must say:\n${line}${note ? `\n${note}` : ''}`
}

/** The error that an answer of 400 and above means. */
export function errorOf(answer: Answer, about: About): SecretsError {
  const { code, why, hint } = kindOf(answer, about)
  return new SecretsError(code, `Cannot ${about.what} at ${about.url}: ${why}.`, {
    hint,
    retryAfter: answer.retryAfter,
  })
}

/** The server answered 200 with something else than it says it does. */
export function malformedAnswer(about: About): SecretsError {
  return new SecretsError(
    'RESPONSE_MALFORMED',
    `Cannot ${about.what} at ${about.url}: the answer lacks its parts.`,
  )
}
