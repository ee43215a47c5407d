import { type AppRoleAuth, approleMethod } from './approle.ts'
import { type CertAuth, certMethod } from './cert.ts'
import { type GitHubAuth, githubMethod } from './github.ts'
import { type JwtAuth, jwtMethod } from './jwt.ts'
import { type KubernetesAuth, kubernetesMethod } from './kubernetes.ts'
import type { AuthMethod } from './method.ts'
import { type OidcAuth, oidcMethod } from './oidc.ts'
import { type LdapAuth, ldapMethod, type UserpassAuth, userpassMethod } from './password.ts'
import { type TokenAuth, tokenMethod } from './token.ts'

/** How to log in. */
export type VaultAuth =
  | TokenAuth
  | AppRoleAuth
  | KubernetesAuth
  | JwtAuth
  | OidcAuth
  | UserpassAuth
  | LdapAuth
  | GitHubAuth
  | CertAuth

const METHODS: { readonly [Name in VaultAuth['method']]: AuthMethod<Extract<VaultAuth, { method: Name }>> } =
  {
    token: tokenMethod,
    approle: approleMethod,
    kubernetes: kubernetesMethod,
    jwt: jwtMethod,
    oidc: oidcMethod,
    userpass: userpassMethod,
    ldap: ldapMethod,
    github: githubMethod,
    cert: certMethod,
  }

export function methodOf(name: VaultAuth['method']): AuthMethod<VaultAuth> {
  // The table pairs each name with its options; the type system cannot follow a look-up by a variable name.
  return METHODS[name] as AuthMethod<VaultAuth>
}
