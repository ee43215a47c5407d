import { SecretsError } from '../../../core/errors.ts'
import { bodyOf } from '../errors.ts'
import { missing, postLogin, refusedLogin } from './login.ts'
import type { AuthMethod, LoginContext } from './method.ts'

/** AppRole: a role id and, unless the role is bound otherwise, a secret id. */
export interface AppRoleAuth {
  readonly method: 'approle'
  /** Default: `VAULT_ROLE_ID`. */
  readonly roleId?: string | undefined
  /** Default: `VAULT_SECRET_ID`; a role without `bind_secret_id` needs none. */
  readonly secretId?: string | undefined
  /** A wrapping token that holds the secret id, opened once. Default: `VAULT_WRAPPED_SECRET_ID`. */
  readonly wrappedSecretId?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'approle'`. */
  readonly mount?: string | undefined
}

export const approleMethod: AuthMethod<AppRoleAuth> = {
  renewHint: "Check the role's token_ttl and token_num_uses: its tokens are refused right after the login.",
  async login(options, context) {
    const roleId = options.roleId || process.env.VAULT_ROLE_ID
    if (!roleId)
      throw missing(
        'role id',
        'AppRole',
        'Set auth.roleId or VAULT_ROLE_ID, and auth.secretId or VAULT_SECRET_ID.',
      )
    const mount = options.mount || 'approle'
    const secretId = await secretIdOf(options, mount, context)
    const path = `auth/${mount}/login`
    const hint = secretId
      ? 'The role id or the secret id is wrong, or the secret id has expired or is used up. A new one:\n' +
        `vault write -f auth/${mount}/role/<role>/secret-id`
      : 'No secret id was given: set auth.secretId or VAULT_SECRET_ID, unless the role needs none.'
    const body = { role_id: roleId, ...(secretId ? { secret_id: secretId } : {}) }
    return postLogin(path, body, { method: 'AppRole', hint, context })
  },
}

/** What is written in the options comes before what stands in the environment, and a plain one before a wrapped one. */
function secretIdOf(
  options: AppRoleAuth,
  mount: string,
  context: LoginContext,
): Promise<string> | string | undefined {
  const { VAULT_SECRET_ID, VAULT_WRAPPED_SECRET_ID } = process.env
  const wrapped = options.wrappedSecretId || (VAULT_SECRET_ID ? undefined : VAULT_WRAPPED_SECRET_ID)
  if (options.secretId || !wrapped) return options.secretId || VAULT_SECRET_ID
  return context.remember(() => unwrap(wrapped, mount, context))
}

/**
 * A wrapping token can be opened once, so that whoever opens it knows that nobody did before. Where it was made
 * is looked at first: another one, put in its place, would hold a secret id of somebody else's choice.
 */
async function unwrap(token: string, mount: string, context: LoginContext): Promise<string> {
  const { url } = context
  const refuse = (why: string, hint: string) =>
    new SecretsError('LOGIN_REFUSED', `The wrapped secret id was not opened at ${url}: ${why}.`, { hint })
  const used = () =>
    refuse(
      'the wrapping token has expired or was opened before',
      `If nobody of yours opened it, the secret id may have been intercepted: revoke it. A new one:\nvault write -wrap-ttl=5m -f auth/${mount}/role/<role>/secret-id`,
    )
  const looked = await context.write('sys/wrapping/lookup', { token })
  const { creation_path: path } = bodyOf(looked).data ?? {}
  if (looked.status === 400 || looked.status === 403) throw used()
  if (looked.status !== 200 || typeof path !== 'string')
    throw refusedLogin(looked, 'AppRole', 'sys/wrapping/lookup', url, '')
  const below = path.split(`auth/${mount}/role/`).at(-1)!
  if (below === path || !/^[^/]+\/secret-id$/.test(below))
    throw refuse(
      `it was not made by a role of auth/${mount}`,
      'The wrapping token is not the one that was handed out. Ask for a new one, and how it got there.',
    )
  const opened = await context.write('sys/wrapping/unwrap', {}, token)
  const { secret_id: secretId } = bodyOf(opened).data ?? {}
  if (opened.status === 400 || opened.status === 403) throw used()
  if (opened.status === 200 && typeof secretId === 'string') return secretId
  throw refusedLogin(opened, 'AppRole', 'sys/wrapping/unwrap', url, '')
}
