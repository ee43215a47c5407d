import { missing, postLogin } from './login.ts'
import type { AuthMethod } from './method.ts'

interface PasswordAuth<Method extends string> {
  readonly method: Method
  /** Default: `VAULT_USERNAME`. */
  readonly username?: string | undefined
  /** Default: `VAULT_PASSWORD`. */
  readonly password?: string | undefined
  /** Where the method is mounted below `auth/`. Default: the method's name. */
  readonly mount?: string | undefined
}

/** A user name and a password that Vault keeps. */
export type UserpassAuth = PasswordAuth<'userpass'>

/** A user name and a password of a directory. */
export type LdapAuth = PasswordAuth<'ldap'>

function passwordMethod<Method extends 'userpass' | 'ldap'>(
  name: Method,
  label: string,
): AuthMethod<PasswordAuth<Method>> {
  return {
    renewHint: "Check the user's token_ttl and token_num_uses: the tokens are refused right after the login.",
    async login(options, context) {
      const username = options.username || process.env.VAULT_USERNAME
      const password = options.password || process.env.VAULT_PASSWORD
      if (!username || !password)
        throw missing(
          username ? 'password' : 'user name',
          label,
          'Set auth.username and auth.password, or VAULT_USERNAME and VAULT_PASSWORD.',
        )
      const path = `auth/${options.mount || name}/login/${username}`
      const hint = 'The user name or the password is wrong, or the user is locked out for a while.'
      return postLogin(path, { password }, { method: label, hint, context })
    },
  }
}

export const userpassMethod = passwordMethod('userpass', 'userpass')
export const ldapMethod = passwordMethod('ldap', 'LDAP')
