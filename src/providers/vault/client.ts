import nodeVault from 'node-vault'
import type { JsonObject } from '../../core/types.ts'
import type { Answer, Call, Transport } from './transport.ts'

/** Every request the provider makes; paths are below `/v1/` and encoded. */
export interface VaultClient {
  read(path: string, call: Call): Promise<Answer>
  write(path: string, body: JsonObject, call: Call): Promise<Answer>
  /** A merge of the body (RFC 7396). */
  patch(path: string, body: JsonObject, call: Call): Promise<Answer>
  remove(path: string, call: Call): Promise<Answer>
}

/** What node-vault hands to its request function; `call` is passed through untouched. */
interface Request {
  readonly method: string
  readonly uri: string
  readonly json?: JsonObject
  readonly call: Call
}

/**
 * `node-vault` through its injection points only. Its defaults print written values under `DEBUG`, follow
 * redirects with the token, do not encode paths and keep tokens in errors; with our transport, silent
 * debug, no generated commands and no token or namespace of its own it does none of that.
 */
export function createClient(transport: Transport, url: string): VaultClient {
  const send = ({ method, uri, json, call }: Request): Promise<Answer> =>
    transport.send({ method, path: uri.slice(url.length), body: json && JSON.stringify(json), call })
  const client = nodeVault({
    endpoint: url,
    apiVersion: 'v1',
    debug: () => undefined,
    commands: {},
    'request-promise': { defaults: () => send },
  })
  // The constructor falls back to VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX.
  Object.assign(client, { token: undefined, namespace: undefined, pathPrefix: '' })
  // Statuses are judged where it is known what was asked.
  Object.assign(client, { handleVaultResponse: (answer: Answer) => Promise.resolve(answer) })
  return {
    read: (path, call) => client.read(path, { call }),
    write: (path, body, call) => client.write(path, body, { call }),
    patch: (path, body, call) => client.update(path, body, { call }),
    remove: (path, call) => client.delete(path, { call }),
  }
}

/** Encodes each segment, so that `?`, `#`, `%` and white space are part of the name. */
export function encodePath(path: string): string {
  // Most have nothing to encode.
  if (/^[\w./~-]*$/.test(path)) return path
  return path.split('/').map(encodeURIComponent).join('/')
}
