import { reasonOf, SecretsError, type SecretsErrorCode } from '../core/errors.ts'
import type { Problem } from './api.ts'

/** What a page is told of an error. Of one that is not ours only the kind: its text may quote anything. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof SecretsError))
    return {
      code: 'INTERNAL',
      message: `This is a mistake in unplugin-secrets itself (${reasonOf(error)}).`,
      hint: 'Run it again with DEBUG=unplugin-secrets and report what it prints.',
    }
  const { code, message, problems } = error
  const hint = problems.length > 0 ? problems.map((problem) => problem.format()).join('\n') : error.hint
  return { code, message, hint }
}

/** The single problems behind an error. */
export function leavesOf(error: SecretsError | undefined): SecretsError[] {
  if (!error) return []
  return error.problems.length === 0 ? [error] : error.problems.flatMap(leavesOf)
}

/** After these it is the provider that does not work, not the one secret that was asked for. */
const OF_PROVIDERS: ReadonlySet<SecretsErrorCode> = new Set([
  'TLS_FAILED',
  'NOT_INITIALISED',
  'RESPONSE_MALFORMED',
  'REDIRECT_REFUSED',
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'DEVICE_REVOKED',
  'NAMESPACE_NOT_FOUND',
  'KEY_MISSING',
  'SEAL_BROKEN',
])

export function isOfProvider(error: SecretsError): boolean {
  return error.transient || OF_PROVIDERS.has(error.code)
}
