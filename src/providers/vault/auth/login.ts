import { SecretsError } from '../../../core/errors.ts'
import { bodyOf, errorOf, isMissingRoute } from '../errors.ts'
import type { Answer } from '../transport.ts'

/** The token of a login's answer. */
export function clientToken(answer: Answer, path: string, url: string): string {
  const token = bodyOf(answer).auth?.client_token
  if (typeof token === 'string' && token !== '') return token
  throw new SecretsError('RESPONSE_MALFORMED', `The login at ${path} of ${url} gave no token.`)
}

/**
 * Why a login did not work. 400, 403 and 404 all mean refused (a wrong secret id is a 400), and none is
 * tried again: a try may use up a secret id.
 * @param hint for the usual reason
 */
export function refusedLogin(
  answer: Answer,
  method: string,
  path: string,
  url: string,
  hint: string,
): SecretsError {
  const general = errorOf(answer, { what: `log in with ${method}`, url, path })
  if (general.code === 'NAMESPACE_NOT_FOUND' || ![400, 403, 404].includes(answer.status)) return general
  // Some servers and versions answer 403 for a missing mount.
  const missing = isMissingRoute(answer) || answer.status !== 400
  return new SecretsError(
    'LOGIN_REFUSED',
    `${url} refused the ${method} login at ${path} (${answer.status}).`,
    {
      hint: missing
        ? `Check that ${method} is enabled there and that auth.mount and the namespace are right.\n${hint}`
        : hint,
    },
  )
}
