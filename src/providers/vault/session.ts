import { SecretsError } from '../../core/errors.ts'
import type { JsonObject, ProviderContext } from '../../core/types.ts'
import { methodOf } from './auth/index.ts'
import type { Login } from './auth/method.ts'
import { createClient, encodePath, type VaultClient } from './client.ts'
import { bodyOf, errorOf, isTokenInvalid } from './errors.ts'
import type { ResolvedVaultOptions } from './options.ts'
import { type Life, Renewal } from './renewal.ts'
import { readTls, warnOfUnverified } from './tls.ts'
import { type Answer, beforeAbort, type Call, Transport } from './transport.ts'

/** After a refusal the same credentials are not tried again for so long: a watcher would lock its person out. */
const REFUSAL_HOLDS = 60_000
/** When a token from outside is looked up to be renewed. A build is over by then, and pays nothing for it. */
const LOOK_UP_AFTER = 20_000
/** A server that does not answer must not keep a process from its end. */
const GOODBYE = 3000

interface Shared {
  readonly login: Promise<Login>
  readonly signal: AbortSignal
}

/** A connection with its login: shared by concurrent requests, renewed in time, made anew once when refused. */
export class Session {
  readonly options: ResolvedVaultOptions
  readonly #root: string
  /** Whether the connection shows one. */
  readonly #certificate: boolean
  readonly #transport: Transport
  readonly #client: VaultClient
  readonly #closing = new AbortController()
  readonly #listeners: ((died: boolean) => void)[] = []
  /** What could be got a single time, for the next login. */
  #remembered: Promise<string> | undefined
  /** Of the last caller; what is done between calls is told the same. */
  #context: ProviderContext
  #shared: Shared | undefined
  #current: Login | undefined
  #refused: { readonly error: SecretsError; readonly until: number } | undefined
  #renewal: Renewal | undefined
  #lookUp: NodeJS.Timeout | undefined

  /** @throws SecretsError `FILE_UNREADABLE`, `CONFIG_INVALID` for what `tls` names */
  static async open(options: ResolvedVaultOptions, context: ProviderContext): Promise<Session> {
    warnOfUnverified(options, context.name)
    const tls = await readTls(options.tls, context.root)
    return new Session(options, context, tls)
  }

  private constructor(
    options: ResolvedVaultOptions,
    context: ProviderContext,
    tls: Awaited<ReturnType<typeof readTls>>,
  ) {
    this.options = options
    this.#root = context.root
    this.#certificate = options.url.startsWith('https:') && tls.cert !== undefined
    this.#context = context
    const { userAgent, concurrency: maxSockets } = context
    this.#transport = new Transport({ url: options.url, userAgent, maxSockets, tls })
    this.#client = createClient(this.#transport, options.url)
  }

  /** For work that no caller waits for; given up when the session is closed. */
  background(): ProviderContext {
    return { ...this.#context, signal: this.#closing.signal }
  }

  /** @param listen told after a new login, and whether the old token had died before */
  onNewToken(listen: (died: boolean) => void): void {
    this.#listeners.push(listen)
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
  read(path: string, context: ProviderContext, query = ''): Promise<Answer> {
    return this.#send(path, context, (at, call) => this.#client.read(at + query, call))
  }

  /** POST; else as `read`. */
  write(path: string, body: JsonObject, context: ProviderContext): Promise<Answer> {
    return this.#send(path, context, (at, call) => this.#client.write(at, body, call))
  }

  /** PATCH; else as `read`. */
  patch(path: string, body: JsonObject, context: ProviderContext): Promise<Answer> {
    return this.#send(path, context, (at, call) => this.#client.patch(at, body, call))
  }

  /** DELETE; else as `read`. */
  remove(path: string, context: ProviderContext): Promise<Answer> {
    return this.#send(path, context, (at, call) => this.#client.remove(at, call))
  }

  /**
   * Gives back the token, when it is ours, and with it what it was lent; else that alone.
   * @param leases the ids of what is held
   */
  async close(leases: readonly string[]): Promise<void> {
    this.#stopTimers()
    const { token, ours } = this.#current ?? {}
    this.#shared = this.#current = undefined
    this.#closing.abort()
    try {
      if (token) await this.#giveBack(token, ours === true, leases)
    } catch (error) {
      // Nobody is there to hear of it; all of it ends by itself.
      if (!(error instanceof SecretsError)) throw error
    } finally {
      this.#transport.close()
    }
  }

  async #giveBack(token: string, ours: boolean, leases: readonly string[]): Promise<void> {
    const signal = AbortSignal.timeout(GOODBYE)
    const write = (path: string, body: JsonObject) =>
      this.#client.write(path, body, { token, namespace: this.options.namespace, signal })
    if (ours && (await write('auth/token/revoke-self', {})).status < 300) return
    await Promise.all(leases.map((lease_id) => write('sys/leases/revoke', { lease_id })))
  }

  async #send(
    path: string,
    context: ProviderContext,
    send: (path: string, call: Call) => Promise<Answer>,
  ): Promise<Answer> {
    this.#context = context
    const namespace = this.#namespaceOf(path)
    const attempt = (token: string) => send(encodePath(path), { token, namespace, signal: context.signal })

    const token = await this.#token(context)
    const answer = await attempt(token)
    if (!isTokenInvalid(answer)) return answer
    await this.#forget(token)
    const renewed = await this.#token(context)
    const second = renewed === token ? answer : await attempt(renewed)
    if (!isTokenInvalid(second)) return second
    throw this.#tokenRefused()
  }

  /** The token and its leases belong to the namespace of the login, wherever the data is. */
  #namespaceOf(path: string): string | undefined {
    const { namespace, namespaceScope } = this.options
    return namespaceScope === 'all' || /^(auth\/token|sys\/leases)\//.test(path) ? namespace : undefined
  }

  get #asksPerson(): boolean {
    return methodOf(this.options.auth.method).next === 'person'
  }

  /** The token of the login that there is or is under way, else of a new one. */
  async #token(context: ProviderContext): Promise<string> {
    if (this.#current && !context.signal.aborted) return this.#current.token
    const shared = this.#shared ?? this.#begin(context)
    try {
      return (await beforeAbort(shared.login, context.signal, this.options.url)).token
    } catch (error) {
      if (this.#asksPerson && error instanceof SecretsError && error.code === 'TIMEOUT')
        throw new SecretsError('TIMEOUT', 'The login in the browser was not completed in time.', {
          hint: 'Raise `timeout` in the configuration, to 120000 for example.',
        })
      // Who began it may have given up; that is no reason for this caller.
      if (!shared.signal.aborted || context.signal.aborted) throw error
      return this.#token(context)
    }
  }

  #begin(context: ProviderContext): Shared {
    // A person takes longer than any deadline; the login goes on without the caller who needed it first.
    const signal = this.#asksPerson ? this.#closing.signal : context.signal
    const login = this.#logIn({ ...context, signal })
    const shared = { login, signal }
    this.#shared = shared
    login.then(
      (made) => this.#keep(made),
      () => {
        // The next fetch may try again; those who wait for this one share its error.
        if (this.#shared === shared) this.#shared = undefined
      },
    )
    return shared
  }

  async #logIn({ signal, debug, name, userAgent }: ProviderContext): Promise<Login> {
    const { auth, namespace, url } = this.options
    if (this.#refused && Date.now() < this.#refused.until) throw this.#refused.error
    debug(`${name}: logging in with ${auth.method}`)
    try {
      return await methodOf(auth.method).login(auth, {
        url,
        root: this.#root,
        userAgent,
        signal,
        certificate: this.#certificate,
        write: (path, body, token) =>
          this.#client.write(encodePath(path), body, { namespace, signal, ...(token ? { token } : {}) }),
        read: (path, query) => this.#client.read(encodePath(path) + query, { namespace, signal }),
        remember: (make) => this.#remember(make),
      })
    } catch (error) {
      if (error instanceof SecretsError && error.code === 'LOGIN_REFUSED')
        this.#refused = { error, until: Date.now() + REFUSAL_HOLDS }
      throw error
    }
  }

  #remember(make: () => Promise<string>): Promise<string> {
    const kept = (this.#remembered ??= make())
    kept.catch((error: unknown) => {
      // A server that could not be reached may be asked again; what was refused stays refused.
      if (error instanceof SecretsError && error.transient) this.#remembered = undefined
    })
    return kept
  }

  #keep(login: Login): void {
    const since = Date.now()
    this.#stopTimers()
    if (this.#closing.signal.aborted) return
    this.#current = login
    if (login.ttl === undefined) {
      this.#lookUp = setTimeout(() => void this.#lookUpLife(login.token), LOOK_UP_AFTER).unref()
    } else if (login.ttl > 0) this.#renewInTime({ ttl: login.ttl, renewable: login.renewable }, since)
  }

  #renewInTime(life: Life, since: number): void {
    this.#renewal = new Renewal(life, since, {
      renew: () => this.#renewSelf(),
      replace: () => this.#logInAgain(),
    })
  }

  async #lookUpLife(token: string): Promise<void> {
    const since = Date.now()
    const context = this.background()
    const answer = await this.read('auth/token/lookup-self', context).catch(() => undefined)
    // A token need not be allowed to look at itself; then it is used until it is refused.
    const { ttl, renewable } = (answer && bodyOf(answer).data) || {}
    if (typeof ttl === 'number' && ttl > 0 && renewable === true && this.#current?.token === token)
      this.#renewInTime({ ttl, renewable }, since)
  }

  async #renewSelf(): Promise<Life> {
    const context = this.background()
    const path = 'auth/token/renew-self'
    const answer = await this.write(path, {}, context)
    const { lease_duration: ttl, renewable } = bodyOf(answer).auth ?? {}
    if (answer.status !== 200 || typeof ttl !== 'number')
      throw errorOf(answer, { what: 'renew the token', url: this.options.url, path, capability: 'update' })
    context.debug(`${context.name}: the token was renewed for ${ttl} s`)
    return { ttl, renewable: renewable === true }
  }

  /** A new token before the old one ends; only where nobody has to be asked for it. */
  async #logInAgain(): Promise<void> {
    const { next = 'here' } = methodOf(this.options.auth.method)
    if (next !== 'here') return
    const login = await this.#logIn(this.background())
    this.#shared = { login: Promise.resolve(login), signal: this.#closing.signal }
    this.#keep(login)
    for (const listen of this.#listeners) listen(false)
  }

  /** The first request that is told so makes room for a new login; the others find that one. */
  async #forget(token: string): Promise<void> {
    const shared = this.#shared
    const current = await shared?.login.catch(() => undefined)
    if (current?.token !== token || this.#shared !== shared) return
    this.#shared = this.#current = undefined
    this.#stopTimers()
    for (const listen of this.#listeners) listen(true)
  }

  #stopTimers(): void {
    this.#renewal?.stop()
    this.#renewal = undefined
    clearTimeout(this.#lookUp)
  }

  #tokenRefused(): SecretsError {
    const { auth, url } = this.options
    return new SecretsError(
      'TOKEN_INVALID',
      `${url} does not know the token: it is expired, revoked or wrong.`,
      { hint: methodOf(auth.method).renewHint },
    )
  }
}
