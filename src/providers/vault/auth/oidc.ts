import { randomBytes, timingSafeEqual } from 'node:crypto'
import { SecretsError } from '../../../core/errors.ts'
import { bodyOf } from '../errors.ts'
import { loginOf, missing, refusedLogin } from './login.ts'
import type { AuthMethod } from './method.ts'

/** A person who logs in with the browser. */
export interface OidcAuth {
  readonly method: 'oidc'
  /** The role of the method. Default: `VAULT_ROLE`, else the method's own default. */
  readonly role?: string | undefined
  /** Where the answer of the browser is awaited, on this machine only. Default `'8250'`, as `vault login` has it. */
  readonly port?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'oidc'`. */
  readonly mount?: string | undefined
}

export const oidcMethod: AuthMethod<OidcAuth> = {
  renewHint: "Check the role's token_ttl: its tokens are refused right after the login.",
  next: 'person',
  async login(options, context) {
    const { CI } = process.env
    if (CI && CI !== 'false' && CI !== '0')
      throw missing('person', 'OIDC', "A CI has no browser: use auth: { method: 'jwt' } or 'approle' there.")
    const port = Number(options.port ?? 8250)
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      throw new SecretsError('CONFIG_INVALID', 'vault: auth.port must be the number of a port.')
    // Neither the server nor the way to the browser is needed by the other methods.
    const { awaitCallback, openBrowser } = await import('./browser.ts')
    const { url, signal } = context
    const mount = `auth/${options.mount || 'oidc'}`
    const role = options.role || process.env.VAULT_ROLE
    const redirect = `http://localhost:${port}/oidc/callback`
    // Binds the answer to this process: who intercepts the code cannot use it without.
    const nonce = randomBytes(20).toString('hex')
    const asked = await context.write(`${mount}/oidc/auth_url`, {
      redirect_uri: redirect,
      client_nonce: nonce,
      ...(role ? { role } : {}),
    })
    const hint = `The role must be there and allow the redirect to ${redirect} (allowed_redirect_uris).`
    const { auth_url: address } = bodyOf(asked).data ?? {}
    if (asked.status >= 400) throw refusedLogin(asked, 'OIDC', mount, url, hint)
    // The server answers so for a role or a redirect that it does not know.
    if (typeof address !== 'string' || !/^https?:\/\//.test(address) || !URL.canParse(address))
      throw new SecretsError('LOGIN_REFUSED', `${url} gave no address for the OIDC login at ${mount}.`, {
        hint,
      })
    const state = new URL(address).searchParams.get('state') ?? ''
    const answered = awaitCallback(port, signal, (query) => sameText(query.get('state') ?? '', state))
    openBrowser(address)
    const query = new URLSearchParams({ state, client_nonce: nonce })
    for (const [name, value] of await answered)
      if (name === 'code' || name === 'id_token') query.set(name, value)
    const path = `${mount}/oidc/callback`
    const answer = await context.read(path, `?${query}`)
    if (answer.status >= 400)
      throw refusedLogin(answer, 'OIDC', path, url, 'Your account may not use this role, or took too long.')
    return loginOf(answer, path, url)
  },
}

/** Whether two texts are one, in a time that does not tell where they differ. */
function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length > 0 && a.length === b.length && timingSafeEqual(a, b)
}
