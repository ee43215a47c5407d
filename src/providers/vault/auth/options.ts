import type { JsonObject } from '../../../core/types.ts'
import type { VaultAuth } from './index.ts'

/** What a method is told. All of it is text. */
interface AuthOptions<Name extends string> {
  readonly options: readonly Name[]
  /** Those that are no credentials: they make the same login again, and a built server carries them. */
  readonly settings: readonly Name[]
}

type OptionsOf<Options> = AuthOptions<Exclude<keyof Options & string, 'method'>>

/** Apart from the methods themselves: a configuration is checked at every start, and hardly any start logs in. */
const METHODS: { readonly [Name in VaultAuth['method']]: OptionsOf<Extract<VaultAuth, { method: Name }>> } = {
  token: { options: ['token'], settings: [] },
  approle: { options: ['roleId', 'secretId', 'wrappedSecretId', 'mount'], settings: ['mount'] },
  kubernetes: { options: ['role', 'jwtFile', 'mount'], settings: ['role', 'jwtFile', 'mount'] },
  jwt: {
    options: ['role', 'jwt', 'jwtFile', 'jwtEnv', 'audience', 'mount'],
    settings: ['role', 'jwtFile', 'jwtEnv', 'audience', 'mount'],
  },
  oidc: { options: ['role', 'port', 'mount'], settings: ['role', 'port', 'mount'] },
  userpass: { options: ['username', 'password', 'mount'], settings: ['username', 'mount'] },
  ldap: { options: ['username', 'password', 'mount'], settings: ['username', 'mount'] },
  github: { options: ['token', 'mount'], settings: ['mount'] },
  cert: { options: ['role', 'mount'], settings: ['role', 'mount'] },
}

export const methodNames = Object.keys(METHODS)

/** Every option that there is, besides `method`. @param name one of `methodNames` */
export function authOptions(name: VaultAuth['method']): readonly string[] {
  return METHODS[name].options
}

/** What makes the same login again, without credentials. */
export function authSettings(auth: VaultAuth): JsonObject {
  return { method: auth.method, ...pickSettings(auth, METHODS[auth.method].settings) }
}

/** Those of the options that have a value, as settings. */
export function pickSettings(options: object, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = (options as Readonly<Record<string, unknown>>)[name]
      return typeof value === 'string' && value !== '' ? [[name, value]] : []
    }),
  )
}
