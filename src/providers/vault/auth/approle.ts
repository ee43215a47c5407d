import { SecretsError } from '../../../core/errors.ts'
import { clientToken, refusedLogin } from './login.ts'
import type { AuthMethod } from './method.ts'

/** AppRole: a role id and, unless the role is bound otherwise, a secret id. */
export interface AppRoleAuth {
  readonly method: 'approle'
  /** Default: `VAULT_ROLE_ID`. */
  readonly roleId?: string | undefined
  /** Default: `VAULT_SECRET_ID`; a role without `bind_secret_id` needs none. */
  readonly secretId?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'approle'`. */
  readonly mount?: string | undefined
}

export const approleMethod: AuthMethod<AppRoleAuth> = {
  options: ['roleId', 'secretId', 'mount'],
  settings: (options) => (options.mount ? { mount: options.mount } : {}),
  renewHint: "Check the role's token_ttl and token_num_uses: its tokens are refused right after the login.",
  async login(options, context) {
    const roleId = options.roleId || process.env.VAULT_ROLE_ID
    const secretId = options.secretId || process.env.VAULT_SECRET_ID
    if (!roleId)
      throw new SecretsError('CREDENTIALS_MISSING', 'There is no role id for the AppRole login.', {
        hint: 'Set auth.roleId or VAULT_ROLE_ID, and auth.secretId or VAULT_SECRET_ID.',
      })
    const path = `auth/${options.mount || 'approle'}/login`
    const answer = await context.write(path, {
      role_id: roleId,
      ...(secretId ? { secret_id: secretId } : {}),
    })
    if (answer.status >= 400)
      throw refusedLogin(
        answer,
        'AppRole',
        path,
        context.url,
        secretId
          ? 'The role id or the secret id is wrong, or the secret id has expired or is used up. A new one:\n' +
              `vault write -f ${path.replace(/login$/, 'role/<role>/secret-id')}`
          : 'No secret id was given: set auth.secretId or VAULT_SECRET_ID, unless the role needs none.',
      )
    return clientToken(answer, path, context.url)
  },
}
