import { reasonOf, SecretsError } from '../core/errors.ts'
import type { CheckResult } from '../core/types.ts'

/** What the user can change about a connection, as the provider calls it. */
export interface ConnectionWords {
  /** Where the address comes from: `url (or VAULT_ADDR)`. */
  readonly address: string
  /** How an authority is named. */
  readonly authority: string
  /** How a client certificate is given; `undefined`: it cannot be. */
  readonly clientCertificate?: string
}

const TLS_REASON =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|CRL_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_|EPROTO)/

/**
 * Node's code for a connection that failed. What some versions of Node only call `EPROTO` has OpenSSL's own
 * reason in its text, a constant of that library.
 */
export function connectionReason(error: unknown): string {
  const reason = reasonOf(error)
  if (reason !== 'EPROTO') return reason
  const told = /:SSL routines:\w*:([a-z0-9 /]+):/.exec((error as Error).message)?.[1]
  return told === undefined ? reason : `ERR_SSL_${told.toUpperCase().replaceAll(' ', '_')}`
}

/** @param reason from `connectionReason` */
export function connectionError(reason: string, url: string, words: ConnectionWords): SecretsError {
  if (TLS_REASON.test(reason))
    return new SecretsError('TLS_FAILED', `The connection to ${url} is not trusted: ${reason}.`, {
      hint: tlsHint(reason, words),
    })
  return new SecretsError('UNREACHABLE', `Cannot reach ${url}: ${reason}.`, {
    hint: unreachableHint(reason, words),
  })
}

function unreachableHint(reason: string, { address }: ConnectionWords): string {
  switch (reason) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name is not found: check the spelling in ${address}, then the DNS and the VPN.`
    case 'ECONNREFUSED':
      return `Nothing listens there: start the server, or mend the port in ${address}.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `The way to it is closed: check the network, the VPN and the firewall, and ${address}.`
    case 'ECONNRESET':
    case 'EPIPE':
      return `It was cut off: by a proxy or a firewall, or because it speaks https and ${address} says http.`
  }
  return `Check ${address}, and that the network, VPN or proxy lets it through.`
}

function tlsHint(reason: string, { address, authority, clientCertificate }: ConnectionWords): string {
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `The certificate is for another host name. Use the name it was made for in ${address}.`
  if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(reason))
    return "Renew the server's certificate; check this machine's clock."
  if (/^(UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|CERT_)/.test(reason))
    return `Name the authority that signed its certificate: ${authority}`
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(reason))
    return `The server speaks no TLS on this port: write http:// in ${address}, or the port that does.`
  if (/ALERT/.test(reason) && clientCertificate !== undefined)
    return `The server wants a client certificate that it accepts: ${clientCertificate}`
  return `Does the server speak https on this port${clientCertificate === undefined ? '' : `, and does it ask for a client certificate (${clientCertificate})`}?`
}

/** A clock that is off by more is worth a word, in ms. */
const SKEW = 60_000

/**
 * A line of `doctor` where this machine's clock is not the server's.
 * @param server its time in ms, as its `Date` header has it
 */
export function clockChecks(server: number | undefined): CheckResult[] {
  const skew = server === undefined ? 0 : server - Date.now()
  if (Math.abs(skew) < SKEW) return []
  return [
    {
      label: 'clock',
      ok: true,
      detail: `this machine is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'behind' : 'ahead of'} the server`,
      hint: 'Set it, or turn time synchronisation on: certificates, identity tokens and signatures go by it.',
    },
  ]
}
