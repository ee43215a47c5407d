import { setMaxListeners } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import { createSecureContext, type SecureContext } from 'node:tls'
import { urlToHttpOptions } from 'node:url'
import { reasonOf, SecretsError } from '../../core/errors.ts'
import { type ConnectionWords, connectionError, connectionReason } from '../connection.ts'

/** One answer, whatever its status. */
export interface Answer {
  readonly status: number
  /** Parsed JSON; `undefined` when the body was empty, or no JSON on a 429 or 5xx (a proxy's page). */
  readonly body: unknown
  /** What `Retry-After` asked for, in ms. */
  readonly retryAfter: number | undefined
  /** The other side's time, in ms. */
  readonly date?: number | undefined
}

/** What goes with a request besides its method, path and body. */
export interface Call {
  readonly token?: string | undefined
  readonly namespace?: string | undefined
  readonly signal: AbortSignal
}

export interface TransportOptions {
  /** The origin. */
  readonly url: string
  readonly userAgent: string
  readonly maxSockets: number
  readonly tls: {
    readonly ca?: string | undefined
    readonly cert?: string | undefined
    readonly key?: string | undefined
    readonly verify: boolean
  }
  /** Guard against a server that accepts and never answers, for one request, in ms. Default 10,000. */
  readonly timeout?: number
}

interface Outgoing {
  readonly method: string
  /** Encoded, from the first slash. */
  readonly path: string
  readonly body: string | undefined
  readonly call: Call
}

const MAX_BODY = 32 * 1024 * 1024
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/**
 * Requests to one origin over kept-alive sockets. No redirect leaves that origin, so a token never does.
 * Everything it throws is a `SecretsError` without any text of the other side.
 */
export class Transport {
  readonly #options: TransportOptions
  readonly #secure: boolean
  readonly #agent: http.Agent
  readonly #connection: https.RequestOptions

  /** @throws SecretsError `CONFIG_INVALID` for certificates or a key that cannot be read */
  constructor(options: TransportOptions) {
    this.#options = options
    this.#secure = options.url.startsWith('https:')
    const { protocol, hostname, port } = urlToHttpOptions(new URL(options.url))
    this.#connection = {
      protocol,
      hostname,
      port,
      // Explicit: else NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would turn verification off.
      ...(this.#secure
        ? { secureContext: contextOf(options.tls), rejectUnauthorized: options.tls.verify }
        : {}),
    }
    const { maxSockets } = options
    const { Agent } = this.#secure ? https : http
    this.#agent = new Agent({ keepAlive: true, maxSockets })
  }

  /** Sends one request; follows one redirect, within the origin, keeping method and body. */
  async send(outgoing: Outgoing): Promise<Answer> {
    const first = await this.#once(outgoing, true)
    if (first.location === undefined) return first.answer
    const { url } = this.#options
    const target = URL.canParse(first.location, url) ? new URL(first.location, url) : undefined
    if (target?.origin !== url) throw this.#redirected('to another origin')
    const second = await this.#once({ ...outgoing, path: target.pathname + target.search }, true)
    if (second.location !== undefined) throw this.#redirected('twice')
    return second.answer
  }

  /** Closes every socket. */
  close(): void {
    this.#agent.destroy()
  }

  #redirected(how: string): SecretsError {
    return new SecretsError(
      'REDIRECT_REFUSED',
      `${this.#options.url} redirects ${how}, which is not followed.`,
      {
        hint: 'The token goes to the configured origin only. Set url to the active node or to the load balancer.',
      },
    )
  }

  #once(outgoing: Outgoing, mayRetry: boolean): Promise<{ answer: Answer; location: string | undefined }> {
    const { method, path, body, call } = outgoing
    const { url, userAgent, timeout = 10_000 } = this.#options
    const { token, namespace, signal } = call
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(aborted(signal, url))
      // Each request under way listens, and takes its listener with it: no leak to warn of.
      setMaxListeners(0, signal)
      let timedOut = false
      const request = (this.#secure ? https : http).request({
        ...this.#connection,
        // A second try goes over a socket of its own, since every idle one may be as dead as the first.
        agent: mayRetry && this.#agent,
        method,
        path,
      })
      // Not among the options, which Node prints under NODE_DEBUG=http and net.
      request.setHeader('Accept', 'application/json')
      request.setHeader('User-Agent', userAgent)
      request.setHeader('X-Vault-Request', 'true')
      if (token) request.setHeader('X-Vault-Token', token)
      // The server reads the header as UTF-8; Node writes one byte a character.
      if (namespace) request.setHeader('X-Vault-Namespace', Buffer.from(namespace).toString('latin1'))
      if (body !== undefined) {
        const merges = method === 'PATCH'
        request.setHeader('Content-Type', merges ? 'application/merge-patch+json' : 'application/json')
        request.setHeader('Content-Length', Buffer.byteLength(body))
      }
      const guard = setTimeout(() => {
        timedOut = true
        request.destroy()
      }, timeout)
      // Node's own `signal` option watches the whole stream, which costs as much as the rest of a request.
      const stop = () => void request.destroy()
      signal.addEventListener('abort', stop, { once: true })
      const over = () => {
        clearTimeout(guard)
        signal.removeEventListener('abort', stop)
      }
      const fail = (error: unknown) => {
        over()
        if (error instanceof SecretsError) return reject(error)
        if (timedOut) return reject(timedOutAfter(timeout, url))
        if (signal.aborted) return reject(aborted(signal, url))
        const reason = connectionReason(error)
        // The server closed an idle socket at the moment we took it; nothing was read.
        const raced = request.reusedSocket && (reason === 'ECONNRESET' || reason === 'EPIPE')
        if (raced && mayRetry && method === 'GET') return resolve(this.#once(outgoing, false))
        reject(failedConnection(reason, url))
      }
      request.on('error', fail)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size <= MAX_BODY) return
          fail(malformed(url, `it is larger than ${MAX_BODY / 1024 / 1024} MiB`))
          request.destroy()
        })
        response.on('error', fail)
        response.on('end', () => {
          over()
          const status = response.statusCode ?? 0
          const { location, 'retry-after': retryAfter, date } = response.headers
          if (REDIRECTS.has(status) && location !== undefined)
            return resolve({ answer: { status, body: undefined, retryAfter: undefined }, location })
          const parsed = parse(Buffer.concat(chunks).toString('utf8'))
          if (parsed.failed && status < 500 && status !== 429)
            return reject(malformed(url, `it is no JSON (status ${status})`))
          resolve({
            answer: {
              status,
              body: parsed.body,
              retryAfter: delayOf(retryAfter, date),
              date: Date.parse(date ?? '') || undefined,
            },
            location: undefined,
          })
        })
      })
      // Bytes: Node writes a text in one piece with the headers, in the text's encoding instead of theirs.
      request.end(body === undefined ? undefined : Buffer.from(body))
    })
  }
}

/** Made once: a key among the options of a request would be printed under NODE_DEBUG, and parsed each time. */
function contextOf({ ca, cert, key }: TransportOptions['tls']): SecureContext {
  try {
    return createSecureContext({ ca, cert, key })
  } catch (error) {
    throw new SecretsError(
      'CONFIG_INVALID',
      `vault: the certificates or the key cannot be read: ${reasonOf(error)}.`,
      {
        hint: 'tls.ca (or the file of tls.caFile, VAULT_CACERT), tls.cert and tls.key are PEM text.',
      },
    )
  }
}

function parse(text: string): { body: unknown; failed: boolean } {
  if (text === '') return { body: undefined, failed: false }
  try {
    return { body: JSON.parse(text), failed: false }
  } catch {
    return { body: undefined, failed: true }
  }
}

/**
 * `Retry-After` is a number of seconds or a date (RFC 9110 section 10.2.3).
 * @param date the other side's clock, which that date goes by; ours may be another
 */
function delayOf(header: string | undefined, date: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const now = Date.parse(date ?? '') || Date.now()
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

function malformed(url: string, why: string): SecretsError {
  return new SecretsError('RESPONSE_MALFORMED', `The answer of ${url} cannot be read: ${why}.`, {
    hint: 'Is a Vault or OpenBao server there, and is it http or https?',
  })
}

const SLOW =
  'Look whether the server, a VPN or a firewall on the way is stuck; a slow one needs a longer `timeout`.'

function timedOutAfter(timeout: number, url: string): SecretsError {
  return new SecretsError('TIMEOUT', `${url} did not answer within ${timeout / 1000} s.`, { hint: SLOW })
}

/**
 * For what outlives the caller: the work's result, unless the caller goes first.
 * @throws SecretsError `TIMEOUT`, `ABORTED`, and what the work throws
 */
export async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal, url: string): Promise<T> {
  if (signal.aborted) throw aborted(signal, url)
  let stop = () => {}
  const gone = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal, url))
    setMaxListeners(0, signal)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, gone])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The caller's own reason where it is ours. */
function aborted(signal: AbortSignal, url: string): SecretsError {
  if (signal.reason instanceof SecretsError) return signal.reason
  return signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
    ? new SecretsError('TIMEOUT', `${url} did not answer in time.`, { hint: SLOW })
    : new SecretsError('ABORTED', `The request to ${url} was given up.`)
}

const WORDS: ConnectionWords = {
  address: 'url (or VAULT_ADDR)',
  authority: 'tls: { caFile: "ca.pem" }, or VAULT_CACERT.',
  clientCertificate: 'tls: { certFile, keyFile }, or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY.',
}

function failedConnection(reason: string, url: string): SecretsError {
  return reason.startsWith('HPE_')
    ? malformed(url, `it is no HTTP (${reason})`)
    : connectionError(reason, url, WORDS)
}
