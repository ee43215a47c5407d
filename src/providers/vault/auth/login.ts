import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileHint, reasonOf, SecretsError } from '../../../core/errors.ts'
import type { JsonObject } from '../../../core/types.ts'
import { bodyOf, errorOf, isMissingRoute } from '../errors.ts'
import type { Answer } from '../transport.ts'
import type { Login, LoginContext } from './method.ts'

/** The token of a login's answer, and how long it lives. */
export function loginOf(answer: Answer, path: string, url: string): Login {
  const { auth } = bodyOf(answer)
  const { client_token: token, lease_duration: ttl, renewable, token_type: type } = auth ?? {}
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))
    return {
      token,
      ttl: typeof ttl === 'number' ? ttl : undefined,
      renewable: renewable === true,
      ours: type !== 'batch',
    }
  throw new SecretsError('RESPONSE_MALFORMED', `The login at ${path} of ${url} gave no token.`)
}

/**
 * Posts the credentials, once.
 * @param method for messages
 * @param hint for the usual reason of a refusal
 * @throws SecretsError `LOGIN_REFUSED`, or what kept the server from answering
 */
export async function postLogin(
  path: string,
  body: JsonObject,
  { method, hint, context }: { method: string; hint: string; context: LoginContext },
): Promise<Login> {
  const answer = await context.write(path, body)
  if (answer.status >= 400) throw refusedLogin(answer, method, path, context.url, hint)
  return loginOf(answer, path, context.url)
}

/**
 * Why a login did not work. 400, 403 and 404 all mean refused (a wrong secret id is a 400), and none is
 * tried again: a try may use up a secret id, or lock a person out.
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
  if (general.code === 'NAMESPACE_NOT_FOUND' || ![400, 401, 403, 404].includes(answer.status)) return general
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

export function missing(what: string, method: string, hint: string): SecretsError {
  return new SecretsError('CREDENTIALS_MISSING', `There is no ${what} for the ${method} login.`, { hint })
}

/**
 * The content of a file that holds a credential, without the white space around it.
 * @param origin the option or variable that names it
 */
export async function readCredential(file: string, origin: string, { root }: LoginContext): Promise<string> {
  try {
    const text = (await readFile(resolve(root, file), 'utf8')).trim()
    if (text !== '') return text
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file} (${origin}): ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
  throw new SecretsError('CREDENTIALS_MISSING', `${file} (${origin}) is empty.`, {
    hint: 'Write the credential into it, or name another file.',
  })
}
