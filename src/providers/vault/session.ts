import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { reasonOf, SecretsError } from '../../core/errors.ts'
import type { ProviderContext } from '../../core/types.ts'
import { methodOf } from './auth/index.ts'
import { createClient, encodePath, type VaultClient } from './client.ts'
import { isTokenInvalid } from './errors.ts'
import type { ResolvedVaultOptions } from './options.ts'
import { type Answer, Transport } from './transport.ts'

/** A connection with its login, which concurrent requests share and which is renewed once when refused. */
export class Session {
  readonly options: ResolvedVaultOptions
  readonly #transport: Transport
  readonly #client: VaultClient
  #login: { readonly token: Promise<string>; readonly signal: AbortSignal } | undefined

  /** @throws SecretsError `FILE_UNREADABLE` for the file of the authorities */
  static async open(options: ResolvedVaultOptions, context: ProviderContext): Promise<Session> {
    const { url, tls } = options
    if (url.startsWith('https:') && !tls.verify)
      process.emitWarning(
        `${context.name}: the certificate of ${url} is not verified (tls.verify is false). Anyone on the way can read the secrets.`,
        { type: 'SecurityWarning', code: 'UNPLUGIN_SECRETS_TLS_UNVERIFIED' },
      )
    const { userAgent, concurrency: maxSockets } = context
    const ca = await readAuthorities(options, context.root)
    return new Session(options, new Transport({ url, userAgent, maxSockets, tls: { ...tls, ca } }))
  }

  private constructor(options: ResolvedVaultOptions, transport: Transport) {
    this.options = options
    this.#transport = transport
    this.#client = createClient(transport, options.url)
  }

  /** GET without a token and without a namespace, as `sys/health` and `sys/seal-status` want it. */
  readPublic(path: string, { signal }: ProviderContext): Promise<Answer> {
    return this.#client.read(path, { signal })
  }

  /**
   * GET with the token; any status but an invalid token comes back as it is.
   * @param path not encoded
   * @param query encoded, with its `?`
   * @throws SecretsError what keeps every request from an answer: no login, no connection
   */
  async read(path: string, context: ProviderContext, query = ''): Promise<Answer> {
    const { namespace: configured, namespaceScope } = this.options
    const namespace = namespaceScope === 'all' ? configured : undefined
    const send = (token: string) =>
      this.#client.read(encodePath(path) + query, { token, namespace, signal: context.signal })

    const token = await this.#token(context)
    const answer = await send(token)
    if (!isTokenInvalid(answer)) return answer
    await this.#forget(token)
    const renewed = await this.#token(context)
    const second = renewed === token ? answer : await send(renewed)
    if (!isTokenInvalid(second)) return second
    throw this.#tokenRefused()
  }

  close(): void {
    this.#login = undefined
    this.#transport.close()
  }

  /** The token of the login that there is or is under way, else of a new one. */
  async #token(context: ProviderContext): Promise<string> {
    const shared = this.#login
    if (!shared) return this.#begin(context)
    try {
      return await shared.token
    } catch (error) {
      // Who began it may have given up; that is no reason for this caller.
      if (!shared.signal.aborted || context.signal.aborted) throw error
      return this.#token(context)
    }
  }

  #begin({ signal, debug, name }: ProviderContext): Promise<string> {
    const { auth, namespace, url } = this.options
    debug(`${name}: logging in with ${auth.method}`)
    const token = methodOf(auth.method).login(auth, {
      url,
      write: (path, body) => this.#client.write(encodePath(path), body, { namespace, signal }),
    })
    const login = { token, signal }
    this.#login = login
    token.catch(() => {
      // The next fetch may try again; those who wait for this one share its error.
      if (this.#login === login) this.#login = undefined
    })
    return token
  }

  /** The first request that is told so makes room for a new login; the others find that one. */
  async #forget(token: string): Promise<void> {
    const login = this.#login
    const current = await login?.token.catch(() => undefined)
    if (current === token && this.#login === login) this.#login = undefined
  }

  #tokenRefused(): SecretsError {
    const { auth, url } = this.options
    return new SecretsError(
      'TOKEN_INVALID',
      `${url} does not know the token: it is expired, revoked or wrong.`,
      {
        hint: methodOf(auth.method).renewHint,
      },
    )
  }
}

async function readAuthorities(options: ResolvedVaultOptions, root: string): Promise<string | undefined> {
  const { ca, caFile } = options.tls
  if (ca) return ca
  const file = caFile ? resolve(root, caFile) : process.env.VAULT_CACERT
  if (!file) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const origin = caFile ? 'tls.caFile' : 'VAULT_CACERT'
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file} (${origin}): ${reasonOf(error)}.`)
  }
}
