import { type AppRoleAuth, approleMethod } from './approle.ts'
import type { AuthMethod } from './method.ts'
import { type TokenAuth, tokenMethod } from './token.ts'

/** How to log in. */
export type VaultAuth = TokenAuth | AppRoleAuth

const METHODS: { readonly [Name in VaultAuth['method']]: AuthMethod<Extract<VaultAuth, { method: Name }>> } =
  {
    token: tokenMethod,
    approle: approleMethod,
  }

export const methodNames = Object.keys(METHODS)

/** @param name one of `methodNames` */
export function methodOf(name: VaultAuth['method']): AuthMethod<VaultAuth> {
  // The table pairs each name with its options; the type system cannot follow a look-up by a variable name.
  return METHODS[name] as AuthMethod<VaultAuth>
}
