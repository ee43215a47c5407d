import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { VaultAuth } from '../src/providers/vault/index.ts'
import { Bao, certificates, scratch, startBao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { freePort } from './support/servers.ts'
import { may, Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const secret = () => watch.secret(canary())
const { url } = server
const kv = `auth-${id}`
const policy = `auth-${id}`
const value = secret()
const folder = scratch('vault-auth')
const faults: Server[] = []

beforeAll(async () => {
  await root.mount(kv, 2)
  await root.write2(kv, 'app', { value })
  await root.policy(policy, may(`${kv}/data/app`))
})
afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  for (const fault of faults) {
    fault.closeAllConnections()
    fault.close()
  }
  await watch.finish()
})

const read = (auth: VaultAuth, options = {}) =>
  watch.value(watch.provider({ url, mount: kv, auth, ...options }), 'app')
const refusal = (auth: VaultAuth, options = {}) =>
  watch.error(watch.provider({ url, mount: kv, auth, ...options }), 'app')

async function listen(handler: RequestListener): Promise<string> {
  const made = createServer(handler)
  faults.push(made)
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = publicKey.export({ type: 'spki', format: 'pem' })

/** A signed token with these claims, good for some minutes. */
function jwtOf(claims: object): string {
  const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: now, nbf: now, exp: now + 300, ...claims })}`
  return watch.secret(`${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`)
}

describe('on OpenBao', () => {
  test('AppRole with a wrapped secret id: opened once, kept for the next login', async () => {
    const mount = `wrapped-${id}`
    const { roleId } = await root.approle('app', [policy], { mount })
    const wrap = async () => {
      const made = await fetch(`${url}/v1/auth/${mount}/role/app/secret-id`, {
        method: 'POST',
        headers: { 'X-Vault-Token': server.token, 'X-Vault-Wrap-TTL': '60s' },
      })
      const { wrap_info } = (await made.json()) as { wrap_info: { token: string } }
      return watch.secret(wrap_info.token)
    }
    const wrappedSecretId = await wrap()
    const auth = { method: 'approle', roleId, wrappedSecretId, mount } as const
    const provider = watch.provider({ url, mount: kv, auth })
    expect(await watch.value(provider, 'app')).toEqual({ value })
    await root.call('PUT', `sys/leases/revoke-prefix/auth/${mount}/login`, {})
    expect(await watch.value(provider, 'app')).toEqual({ value })

    const opened = await refusal(auth)
    expect(opened.code).toBe('LOGIN_REFUSED')
    expect(opened.hint).toContain('intercepted')
    vi.stubEnv('VAULT_WRAPPED_SECRET_ID', await wrap())
    expect(await read({ method: 'approle', roleId, mount })).toEqual({ value })

    const made = await fetch(`${url}/v1/sys/wrapping/wrap`, {
      method: 'POST',
      headers: { 'X-Vault-Token': server.token, 'X-Vault-Wrap-TTL': '60s' },
      body: JSON.stringify({ secret_id: secret() }),
    })
    const foreign = ((await made.json()) as { wrap_info: { token: string } }).wrap_info.token
    const planted = await refusal({ ...auth, wrappedSecretId: watch.secret(foreign) })
    expect([planted.code, planted.message]).toEqual([
      'LOGIN_REFUSED',
      expect.stringContaining('not made by a role'),
    ])
  })

  test('userpass, and one refusal for a while instead of one more try each time', async () => {
    const mount = `people-${id}`
    const password = secret()
    await root.call('POST', `sys/auth/${mount}`, { type: 'userpass' })
    await root.call('POST', `auth/${mount}/users/ann`, { password, token_policies: [policy] })
    expect(await read({ method: 'userpass', username: 'ann', password, mount })).toEqual({ value })
    vi.stubEnv('VAULT_USERNAME', 'ann')
    vi.stubEnv('VAULT_PASSWORD', password)
    expect(await read({ method: 'userpass', mount })).toEqual({ value })

    const wrong = watch.provider({
      url,
      mount: kv,
      auth: { method: 'userpass', username: 'ann', password: secret(), mount },
    })
    const before = watch.seen.length
    for (let time = 0; time < 3; time++) expect((await watch.error(wrong, 'app')).code).toBe('LOGIN_REFUSED')
    expect(watch.seen.slice(before).filter((line) => line.includes('logging in'))).toHaveLength(1)
    vi.stubEnv('VAULT_PASSWORD', '')
    expect((await refusal({ method: 'userpass', mount })).code).toBe('CREDENTIALS_MISSING')
  })

  test('JWT: from the options, a file, a variable, and asked of GitHub Actions', async () => {
    const mount = `jobs-${id}`
    await root.call('POST', `sys/auth/${mount}`, { type: 'jwt' })
    await root.call('POST', `auth/${mount}/config`, { jwt_validation_pubkeys: [pem], bound_issuer: 'ci' })
    await root.call('POST', `auth/${mount}/role/app`, {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['vault'],
      bound_claims: { repository: 'team/app' },
      token_policies: [policy],
    })
    const claims = { iss: 'ci', sub: 'job', aud: 'vault', repository: 'team/app' }
    const role = { method: 'jwt', role: 'app', mount } as const
    expect(await read({ ...role, jwt: jwtOf(claims) })).toEqual({ value })
    writeFileSync(join(folder, 'jwt'), `${jwtOf(claims)}\n`)
    expect(await read({ ...role, jwtFile: join(folder, 'jwt') })).toEqual({ value })
    vi.stubEnv('VAULT_ID_TOKEN', jwtOf(claims))
    expect(await read(role)).toEqual({ value })
    vi.stubEnv('VAULT_ID_TOKEN', '')
    vi.stubEnv('JOB_TOKEN', jwtOf(claims))
    expect(await read({ ...role, jwtEnv: 'JOB_TOKEN' })).toEqual({ value })
    expect((await refusal({ ...role, jwtEnv: 'NO_SUCH_TOKEN' })).code).toBe('CREDENTIALS_MISSING')
    expect((await refusal(role)).hint).toContain('id-token: write')

    const bearer = secret()
    let answers = true
    const actions = await listen((request, response) => {
      expect(request.headers.authorization).toBe(`Bearer ${bearer}`)
      const audience = new URL(request.url!, 'http://x').searchParams.get('audience')
      if (answers) response.end(JSON.stringify({ value: jwtOf({ ...claims, aud: audience }) }))
      else response.writeHead(500).end(bearer)
    })
    vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_URL', `${actions}/token?api-version=2.0`)
    vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_TOKEN', bearer)
    expect(await read({ ...role, audience: 'vault' })).toEqual({ value })
    expect((await refusal({ ...role, audience: 'another' })).code).toBe('LOGIN_REFUSED')
    answers = false
    expect((await refusal(role)).message).toContain('it answered 500')
    const expired = jwtOf({ ...claims, iat: 1, nbf: 1, exp: 600 })
    expect((await refusal({ ...role, jwt: expired })).hint).toContain('clocks')
  })

  test('Kubernetes, with a cluster that reviews the token', async () => {
    const account = { namespace: 'web', serviceaccount: { name: 'app', uid: 'u1' } }
    const good = jwtOf({
      iss: 'kubernetes',
      sub: 'system:serviceaccount:web:app',
      'kubernetes.io': account,
    })
    const cluster = await listen(async (request, response) => {
      const review = JSON.parse(await bodyOf(request)) as { spec: { token: string } }
      const authenticated = review.spec.token === good
      const user = { username: 'system:serviceaccount:web:app', uid: 'u1', groups: ['system:authenticated'] }
      response.writeHead(201, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ ...review, status: { authenticated, ...(authenticated ? { user } : {}) } }),
      )
    })
    const mount = `cluster-${id}`
    await root.call('POST', `sys/auth/${mount}`, { type: 'kubernetes' })
    await root.call('POST', `auth/${mount}/config`, {
      kubernetes_host: cluster,
      disable_local_ca_jwt: true,
      kubernetes_ca_cert: readFileSync(certificates(scratch('vault-auth-cluster')).caFile, 'utf8'),
      token_reviewer_jwt: jwtOf({ sub: 'reviewer' }),
    })
    await root.call('POST', `auth/${mount}/role/app`, {
      bound_service_account_names: ['app'],
      bound_service_account_namespaces: ['web'],
      token_policies: [policy],
    })
    const jwtFile = join(folder, 'service-account')
    writeFileSync(jwtFile, good)
    const auth = { method: 'kubernetes', role: 'app', jwtFile, mount } as const
    expect(await read(auth)).toEqual({ value })
    vi.stubEnv('VAULT_ROLE', 'app')
    expect(await read({ method: 'kubernetes', jwtFile, mount })).toEqual({ value })
    const missing = { method: 'kubernetes', role: 'app', jwtFile: 'no-such-file', mount } as const
    expect((await refusal(missing)).code).toBe('FILE_UNREADABLE')
    expect((await refusal({ ...auth, role: 'other' })).code).toBe('LOGIN_REFUSED')
    writeFileSync(jwtFile, jwtOf({ iss: 'kubernetes', 'kubernetes.io': account }))
    expect((await refusal(auth)).code).toBe('LOGIN_REFUSED')
  })

  test('a client certificate, by its text, its files and the environment', async () => {
    const own = await startBao({ binary: server.binary, name: 'vault-auth-cert', tls: true })
    try {
      watch.secret(own.bao.options.token!)
      const client = certificates(scratch('vault-auth-client'))
      const [certFile, keyFile] = [client.certFile, client.keyFile]
      const content = (file: string) => readFileSync(file, 'utf8')
      watch.secret(content(keyFile))
      await own.bao.mount('kv', 2)
      await own.bao.write2('kv', 'app', { value })
      await own.bao.policy('app', may('kv/data/app'))
      await own.bao.call('POST', 'sys/auth/machines', { type: 'cert' })
      await own.bao.call('POST', 'auth/machines/certs/app', {
        certificate: content(client.caFile),
        token_policies: ['app'],
      })
      const auth = { method: 'cert', mount: 'machines' } as const
      const options = { url: own.url, mount: 'kv' }
      const { caFile } = own
      const tls = { caFile, certFile, keyFile }
      expect(await read(auth, { ...options, tls })).toEqual({ value })
      expect(await read({ ...auth, role: 'app' }, { ...options, tls })).toEqual({ value })
      const texts = { caFile, cert: content(certFile), key: content(keyFile) }
      expect(await read(auth, { ...options, tls: texts })).toEqual({ value })
      expect((await refusal({ ...auth, role: 'other' }, { ...options, tls })).code).toBe('LOGIN_REFUSED')
      expect((await refusal(auth, { ...options, tls: { caFile } })).code).toBe('CREDENTIALS_MISSING')
      vi.stubEnv('VAULT_CLIENT_CERT', certFile)
      expect((await refusal(auth, { ...options, tls: { caFile } })).code).toBe('CONFIG_INVALID')
      vi.stubEnv('VAULT_CLIENT_KEY', keyFile)
      expect(await read(auth, { ...options, tls: { caFile } })).toEqual({ value })
      // Of an authority that the role does not know.
      const stranger = certificates(scratch('vault-auth-stranger'))
      const foreign = { caFile, certFile: stranger.certFile, keyFile: stranger.keyFile }
      expect((await refusal(auth, { ...options, tls: foreign })).code).toBe('LOGIN_REFUSED')
    } finally {
      await own.stop()
    }
  })

  test('OIDC in the browser, with OpenBao itself as the identity provider', async () => {
    const port = await freePort()
    const redirect = `http://localhost:${port}/oidc/callback`
    const password = secret()
    await root.call('POST', `sys/auth/sso-people-${id}`, { type: 'userpass' })
    await root.call('POST', `auth/sso-people-${id}/users/ann`, { password, token_policies: ['default'] })
    const client = `identity/oidc/client/app-${id}`
    await root.call('POST', client, { redirect_uris: [redirect], assignments: ['allow_all'], key: 'default' })
    const made = await root.call<{ data: { client_id: string; client_secret: string } }>('GET', client)
    const mount = `sso-${id}`
    await root.call('POST', `sys/auth/${mount}`, { type: 'oidc' })
    await root.call('POST', `auth/${mount}/config`, {
      oidc_discovery_url: `${url}/v1/identity/oidc/provider/default`,
      oidc_client_id: made.data.client_id,
      oidc_client_secret: watch.secret(made.data.client_secret),
      default_role: 'app',
    })
    await root.call('POST', `auth/${mount}/role/app`, {
      user_claim: 'sub',
      allowed_redirect_uris: [redirect],
      token_policies: [policy],
    })
    // What a person and a browser do: log in at the provider, agree, follow the redirect back.
    const login = { password }
    const person = await root.call<{ auth: { client_token: string } }>(
      'POST',
      `auth/sso-people-${id}/login/ann`,
      login,
    )
    const browser = join(folder, 'browser.mjs')
    writeFileSync(
      browser,
      `#!${process.execPath}
const asked = new URL(process.argv[2])
const query = asked.search
const back = new URL(asked.searchParams.get('redirect_uri'))
// Another page of the machine, which does not know the login, comes first and must not end it.
await fetch(back + '?code=planted&state=guessed')
await fetch(new URL('/elsewhere', back))
const authorize = '${url}/v1/identity/oidc/provider/default/authorize' + query
const { code, state } = await (await fetch(authorize, { headers: { 'X-Vault-Token': process.env.TEST_PERSON } })).json()
if (process.env.TEST_PERSON_REFUSES) await fetch(back + '?' + new URLSearchParams({ error: 'access_denied', state }))
else await fetch(back + '?' + new URLSearchParams({ code, state }))
`,
      { mode: 0o755 },
    )
    vi.stubEnv('CI', '')
    vi.stubEnv('BROWSER', browser)
    vi.stubEnv('TEST_PERSON', watch.secret(person.auth.client_token))
    const told = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      watch.seen.push(String(text))
      return true
    })
    try {
      const auth = { method: 'oidc', port: String(port), mount } as const
      const provider = watch.provider({ url, mount: kv, auth })
      const requests = Array.from({ length: 5 }, () => ({ path: 'app', options: {} }))
      const results = await provider.read(requests, watch.context())
      expect(results).toMatchObject(requests.map(() => ({ value: { value } })))
      expect(
        told.mock.calls.filter(([text]) => String(text).includes('Log in with the browser')),
      ).toHaveLength(1)

      vi.stubEnv('TEST_PERSON_REFUSES', '1')
      expect((await refusal(auth)).message).toContain('refused')
      expect((await refusal({ ...auth, role: 'other' })).code).toBe('LOGIN_REFUSED')
      // Where nobody can be asked: the address is printed, and the caller's deadline holds.
      vi.stubEnv('BROWSER', '')
      vi.stubEnv('DISPLAY', '')
      vi.stubEnv('WAYLAND_DISPLAY', '')
      const waiting = watch.provider({ url, mount: kv, auth })
      const gone = await waiting
        .read([{ path: 'app', options: {} }], watch.context({ signal: AbortSignal.timeout(300) }))
        .catch((error: unknown) => error)
      expect(watch.keep(gone as SecretsError).code).toBe('TIMEOUT')
      expect((gone as SecretsError).message).toContain('in the browser')
      await waiting.close!()
      vi.stubEnv('CI', 'true')
      expect((await refusal(auth)).hint).toContain("method: 'jwt'")
    } finally {
      told.mockRestore()
    }
  })
})

describe('by their documented exchange', () => {
  /** https://developer.hashicorp.com/vault/api-docs/auth/{ldap,github}: a POST, answered by `auth`. */
  test.each([
    [
      { method: 'ldap', username: 'ann b', password: secret(), mount: 'team/ldap' },
      '/v1/auth/team/ldap/login/ann%20b',
      'password',
    ],
    [{ method: 'ldap', username: 'ann', password: secret() }, '/v1/auth/ldap/login/ann', 'password'],
    [{ method: 'github', token: secret() }, '/v1/auth/github/login', 'token'],
    [{ method: 'github', token: secret(), mount: 'hub' }, '/v1/auth/hub/login', 'token'],
  ] as [VaultAuth, string, string][])('$0.method at $1', async (auth, path, field) => {
    const token = secret()
    const credential = (auth as unknown as Record<string, string>)[field]!
    let refuses = false
    const asked: string[] = []
    const fake = await listen(async (request, response) => {
      asked.push(`${request.method} ${request.url}`)
      if (request.url === path) {
        expect(JSON.parse(await bodyOf(request))).toEqual({ [field]: credential })
        expect(request.headers).not.toHaveProperty('x-vault-token')
        expect(request.headers['x-vault-namespace']).toBe('admin')
        if (refuses) return void response.writeHead(400).end(JSON.stringify({ errors: [credential] }))
        const login = { client_token: token, lease_duration: 3600, renewable: true, token_type: 'service' }
        return void response.end(JSON.stringify({ auth: login }))
      }
      expect(request.headers['x-vault-token']).toBe(token)
      response.end(JSON.stringify({ data: { data: { value }, metadata: { version: 1 } } }))
    })
    const options = { url: fake, mount: 'kv', kv: 2, namespace: 'admin', auth } as const
    const provider = watch.provider(options)
    expect(JSON.stringify(provider.settings)).not.toContain(credential)
    expect(await watch.value(provider, 'app')).toEqual({ value })
    await provider.close!()
    expect(asked).toEqual([`POST ${path}`, 'GET /v1/kv/data/app', 'POST /v1/auth/token/revoke-self'])
    refuses = true
    expect((await watch.error(watch.provider(options), 'app')).code).toBe('LOGIN_REFUSED')
  })

  test('what is missing is said, with where it can come from', async () => {
    for (const [method, names] of [
      ['ldap', 'VAULT_USERNAME'],
      ['github', 'VAULT_AUTH_GITHUB_TOKEN'],
      ['kubernetes', 'VAULT_ROLE'],
    ] as const) {
      const error = await refusal({ method })
      expect(error).toBeInstanceOf(SecretsError)
      expect([error.code, error.hint]).toEqual(['CREDENTIALS_MISSING', expect.stringContaining(names)])
    }
  })
})
