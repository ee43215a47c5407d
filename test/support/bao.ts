import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer } from './servers.ts'

/** One answer of the server; `body` is the parsed JSON, or `undefined` when there was none. */
export interface BaoAnswer {
  readonly status: number
  readonly body: unknown
}

export interface BaoOptions {
  readonly url: string
  readonly token?: string
  readonly namespace?: string
  readonly ca?: string
}

const encode = (path: string) => path.split('/').map(encodeURIComponent).join('/')

/** A bare client, so that the tests set things up without the code under test. */
export class Bao {
  readonly options: BaoOptions

  constructor(options: BaoOptions) {
    this.options = options
  }

  /** The same server seen from a namespace. */
  in(namespace: string): Bao {
    return new Bao({ ...this.options, namespace })
  }

  /** @param path below `/v1/`, already encoded. */
  raw(method: string, path: string, body?: unknown): Promise<BaoAnswer> {
    const { url, token, namespace, ca } = this.options
    const text = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const request = (url.startsWith('https:') ? requestHttps : requestHttp)(`${url}/v1/${path}`, {
        method,
        agent: false,
        ...(ca ? { ca } : {}),
        headers: {
          ...(token ? { 'X-Vault-Token': token } : {}),
          ...(namespace ? { 'X-Vault-Namespace': Buffer.from(namespace).toString('latin1') } : {}),
          ...(text === undefined ? {} : { 'Content-Length': Buffer.byteLength(text) }),
        },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const raw = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, body: raw ? JSON.parse(raw) : undefined })
        })
      })
      request.end(text === undefined ? undefined : Buffer.from(text))
    })
  }

  /** As `raw`, with the path encoded segment by segment; anything but 2xx fails the test. */
  async call<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.raw(method, encode(path), body)
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as Body
  }

  /** Mounts a KV engine; returns when it can be written to (a fresh v2 answers 400 for a moment). */
  async mount(path: string, version: 1 | 2): Promise<void> {
    await this.call('POST', `sys/mounts/${path}`, { type: 'kv', options: { version: String(version) } })
    if (version === 1) return
    for (let attempt = 0; attempt < 100; attempt++) {
      if ((await this.raw('GET', `${encode(path)}/config`)).status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${path} did not become ready`)
  }

  write1(mount: string, path: string, data: object): Promise<unknown> {
    return this.call('POST', `${mount}/${path}`, data)
  }

  /** @returns the new version. */
  async write2(mount: string, path: string, data: object): Promise<number> {
    const at = `${mount}/data/${path}`
    return (await this.call<{ data: { version: number } }>('POST', at, { data })).data.version
  }

  policy(name: string, hcl: string): Promise<unknown> {
    return this.call('PUT', `sys/policies/acl/${name}`, { policy: hcl })
  }

  /** A service token with these policies only. */
  async token(policies: string[], options: { ttl?: string; num_uses?: number } = {}): Promise<string> {
    const body = { policies, no_default_policy: true, ...options }
    const made = await this.call<{ auth: { client_token: string } }>('POST', 'auth/token/create', body)
    return made.auth.client_token
  }

  /** Enables AppRole at `mount` if needed and makes a role. */
  async approle(
    name: string,
    policies: string[],
    options: { mount?: string; token_ttl?: string; token_num_uses?: number } = {},
  ): Promise<{ roleId: string; secretId: string }> {
    const { mount = 'approle', ...settings } = options
    const enabled = await this.raw('POST', `sys/auth/${encode(mount)}`, { type: 'approle' })
    if (enabled.status >= 300 && !JSON.stringify(enabled.body).includes('already in use'))
      throw new Error(`approle at ${mount}: ${enabled.status}`)
    const at = `auth/${mount}/role/${name}`
    await this.call('POST', at, { token_policies: policies, token_no_default_policy: true, ...settings })
    const role = await this.call<{ data: { role_id: string } }>('GET', `${at}/role-id`)
    const secret = await this.call<{ data: { secret_id: string } }>('POST', `${at}/secret-id`, {})
    return { roleId: role.data.role_id, secretId: secret.data.secret_id }
  }

  async namespace(name: string): Promise<Bao> {
    await this.call('POST', `sys/namespaces/${name}`, {})
    const parent = this.options.namespace
    return this.in(parent ? `${parent}/${name}` : name)
  }
}

/** `test/.tmp/<name>`, empty. */
export function scratch(name: string): string {
  const folder = fileURLToPath(new URL(`../.tmp/${name}`, import.meta.url))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

/** A certificate authority and a certificate of its for 127.0.0.1 and localhost. */
export function certificates(folder: string): { caFile: string; certFile: string; keyFile: string } {
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    ...['req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.pem')],
    ...['-days', '2', '-subj', '/CN=test authority'],
  )
  openssl('req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=test server')
  writeFileSync(at('server.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
    ...['-CAcreateserial', '-days', '2', '-extfile', at('server.ext'), '-out', at('server.pem')],
  )
  return { caFile: at('ca.pem'), certFile: at('server.pem'), keyFile: at('server.key') }
}

export interface OwnBao {
  /** With the root token; without one while uninitialised. */
  readonly bao: Bao
  readonly url: string
  /** Only with `tls`. */
  readonly caFile: string | undefined
  stop(): Promise<void>
}

/**
 * A server of one's own, in memory, that is not in dev mode.
 * @param name of its scratch folder.
 */
export async function startBao(options: {
  binary: string
  name: string
  tls?: boolean
  state?: 'uninitialised' | 'sealed' | 'open'
}): Promise<OwnBao> {
  const { binary, name, tls = false, state = 'open' } = options
  const folder = scratch(name)
  const files = tls ? certificates(folder) : undefined
  const ca = files && readFileSync(files.caFile, 'utf8')
  const urlOf = (port: number) => `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const server = await startServer({
    command: binary,
    env: { HOME: folder },
    args: (port) => {
      const secure = files
        ? `tls_cert_file = "${files.certFile}"\n  tls_key_file = "${files.keyFile}"`
        : 'tls_disable = true'
      const config = `storage "inmem" {}\nlistener "tcp" {\n  address = "127.0.0.1:${port}"\n  ${secure}\n}\n`
      writeFileSync(join(folder, 'bao.hcl'), config)
      return ['server', `-config=${join(folder, 'bao.hcl')}`]
    },
    answers: async (port) =>
      (await new Bao({ url: urlOf(port), ...(ca ? { ca } : {}) }).raw('GET', 'sys/seal-status')).status ===
      200,
  })
  const url = urlOf(server.port)
  let bao = new Bao({ url, ...(ca ? { ca } : {}) })
  if (state !== 'uninitialised') {
    const made = await bao.call<{ root_token: string; keys: string[] }>('PUT', 'sys/init', {
      secret_shares: 1,
      secret_threshold: 1,
    })
    bao = new Bao({ ...bao.options, token: made.root_token })
    if (state === 'open') await bao.call('PUT', 'sys/unseal', { key: made.keys[0] })
  }
  return { bao, url, caFile: files?.caFile, stop: () => server.stop() }
}
