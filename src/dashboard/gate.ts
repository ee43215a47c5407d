import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Problem } from './api.ts'

/** Whom the dashboard answers. */
export interface GateOptions {
  /** 256 bits, made anew at each start. */
  readonly token: string
  /** Names of this server besides those of the loopback; `.example.com` means what is below it, too. */
  readonly hosts: () => readonly string[]
  /** Whether other machines may come. */
  readonly remote: () => boolean
}

export interface Refusal {
  readonly status: number
  readonly error: Problem
}

/**
 * What of a request tells, before anything is asked of it, that it is not this page's own: it comes from another
 * machine; by a name that somebody has pointed here (DNS rebinding); from another site that is open in the
 * same browser.
 */
export function refusalOf(request: IncomingMessage, options: GateOptions): Refusal | undefined {
  const { remoteAddress } = request.socket
  // Without an address: by a socket file, as frameworks hand requests to their own workers on this machine.
  if (!options.remote() && remoteAddress !== undefined && !isLoopback(remoteAddress))
    return forbidden('The dashboard answers this machine only.', 'docs/dashboard.md has what lets others in.')
  const host = hostOf(request)
  if (host === undefined || !isOwnName(host, options))
    return forbidden(
      'The dashboard does not answer under this name.',
      'Open it as localhost, or add the name to `server.allowedHosts`.',
    )
  const { origin, 'sec-fetch-site': site } = request.headers
  if (origin !== undefined && !isOwnOrigin(origin, host, request))
    return forbidden('The dashboard answers its own page only.')
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return forbidden('The dashboard answers its own page only.', 'Open its address in a tab of its own.')
  return undefined
}

/** Takes the same time however much of it is right. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const [, given] = /^Bearer (\S+)$/i.exec(headers.authorization ?? '') ?? []
  return given !== undefined && timingSafeEqual(digest(given), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function forbidden(message: string, hint?: string): Refusal {
  return { status: 403, error: { code: 'FORBIDDEN', message, hint } }
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address)
}

/** `name` or `name:port`, lower case; `undefined` for none, for two that differ, and for what is no such thing. */
function hostOf({ headers }: IncomingMessage): string | undefined {
  const names = [headers.host, headers[':authority'] as string | undefined].filter(
    (name) => name !== undefined,
  )
  const [name] = names
  if (name === undefined || names.some((other) => other !== name)) return undefined
  return /^([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/i.test(name) ? name.toLowerCase() : undefined
}

function isOwnName(host: string, { hosts, remote }: GateOptions): boolean {
  const name = host.replace(/:\d+$/, '')
  const isLocal = name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || isLoopback(name)
  if (isLocal) return true
  // Nobody can point an address at another machine.
  if (remote() && isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true
  return hosts().some((own) =>
    own.startsWith('.') ? name === own.slice(1) || name.endsWith(own) : name === own.toLowerCase(),
  )
}

function isOwnOrigin(origin: string, host: string, { socket }: IncomingMessage): boolean {
  if (origin === `${'encrypted' in socket && (socket as TLSSocket).encrypted ? 'https' : 'http'}://${host}`)
    return true
  // A proxy in front speaks TLS for us; the loopback has none.
  return origin === `https://${host}` && !/^(localhost|127\.|\[::1\])/.test(host)
}
