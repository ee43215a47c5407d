import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import type { SecretsError } from '../src/core/errors.ts'
import { parseReference } from '../src/core/reference.ts'
import { vault } from '../src/providers/vault/index.ts'
import { Bao, type OwnBao, scratch, startBao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const secret = () => watch.secret(canary())
const { url } = server
const kv2 = `team-${id}/deep/kv2`
const kv1 = `team-${id}/kv1`
const withToken = (token: string, options = {}) =>
  watch.provider({ url, auth: { method: 'token', token }, ...options })

/** A token that may do only this. */
async function lowToken(...lines: string[]): Promise<string> {
  const policy = `low-${randomBytes(6).toString('hex')}`
  await root.policy(policy, lines.join('\n'))
  return watch.secret(await root.token([policy]))
}
const may = (path: string, ...capabilities: string[]) =>
  `path "${path}" { capabilities = ${JSON.stringify(capabilities.length ? capabilities : ['read'])} }`

beforeAll(async () => {
  await Promise.all([root.mount(kv2, 2), root.mount(kv1, 1)])
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => watch.finish())

describe('reading', () => {
  test('KV v2 and v1 are told apart with the same call, at mounts of any depth', async () => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, 'app/db', { password: a, nested: { port: 5432 } })
    await root.write1(kv1, 'app/db', { password: b })
    const context = watch.context()
    const [two] = await withToken(server.token, { mount: kv2 }).read(
      [{ path: 'app/db', options: {} }],
      context,
    )
    expect(two).toEqual({ value: { password: a, nested: { port: 5432 } }, version: '1' })
    const [one] = await withToken(server.token, { mount: `/${kv1}/` }).read(
      [{ path: 'app/db', options: {} }],
      context,
    )
    expect(one).toEqual({ value: { password: b } })
  })

  test('a token that may read one path finds out the version and reads it', async () => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, 'low', { a })
    await root.write1(kv1, 'low', { b })
    const token = await lowToken(may(`${kv2}/data/low`), may(`${kv1}/low`))
    expect((await new Bao({ url, token }).raw('GET', 'sys/mounts')).status).toBe(403)
    expect(await watch.value(withToken(token, { mount: kv2 }), 'low')).toEqual({ a })
    expect(await watch.value(withToken(token, { mount: kv1 }), 'low')).toEqual({ b })
  })

  test("with mount '' the mount is found in the path, also for two mounts with the same start", async () => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, 'whole', { a })
    await root.write1(kv1, 'whole', { b })
    const provider = withToken(server.token, { mount: '' })
    const requests = [kv2, kv1, kv2, kv1].map((mount) => ({ path: `${mount}/whole`, options: {} }))
    const documents = await provider.read(requests, watch.context())
    expect(documents.map((document) => document && 'value' in document && document.value)).toEqual([
      { a },
      { b },
      { a },
      { b },
    ])
    expect((await watch.error(provider, 'nowhere/x')).code).toBe('MOUNT_NOT_FOUND')
  })

  test.each([
    'a b?c#d',
    'ä/€/ключ',
    "q'u&o%<x>{{y}}",
    'a+b;c=d,e~@:$!()*',
    'x\\y',
    'literal %2F and %09',
    '-dash/.hidden',
  ])('the name %j is the name that was written', async (name) => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, `odd/${name}`, { a })
    await root.write1(kv1, `odd/${name}`, { b })
    expect(await watch.value(withToken(server.token, { mount: kv2 }), `odd/${name}`)).toEqual({ a })
    expect(await watch.value(withToken(server.token, { mount: kv1 }), `odd/${name}`)).toEqual({ b })
  })

  test('many documents come in the order of their requests, each with its own result', async () => {
    const values = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const value = secret()
        await root.write2(kv2, `many/${index}`, { value })
        return value
      }),
    )
    const requests = values.map((_, index) => ({ path: `many/${index}`, options: {} }))
    requests.splice(7, 0, { path: 'many/missing', options: {} })
    const results = await withToken(server.token, { mount: kv2 }).read(
      requests,
      watch.context({ concurrency: 4 }),
    )
    expect(results[7]).toBeUndefined()
    expect(results.filter((_, index) => index !== 7)).toEqual(
      values.map((value) => ({ value: { value }, version: '1' })),
    )
  })

  test('?version reads an older one; KV v1 has none', async () => {
    const [first, second] = [secret(), secret()]
    await root.write2(kv2, 'versions', { value: first })
    await root.write2(kv2, 'versions', { value: second })
    const provider = withToken(server.token, { mount: kv2 })
    expect(await watch.value(provider, 'versions')).toEqual({ value: second })
    expect(await watch.value(provider, 'versions', { version: '1' })).toEqual({ value: first })
    expect(await watch.read(provider, 'versions', { version: '99' })).toBeUndefined()
    await root.write1(kv1, 'versions', { value: first })
    const error = await watch.error(withToken(server.token, { mount: kv1 }), 'versions', { version: '1' })
    expect(error.code).toBe('UNSUPPORTED')
  })

  test('deleted, destroyed and missing are three things', async () => {
    const provider = withToken(server.token, { mount: kv2 })
    await root.write2(kv2, 'gone/deleted', { value: secret() })
    await root.write2(kv2, 'gone/destroyed', { value: secret() })
    await root.call('DELETE', `${kv2}/data/gone/deleted`)
    await root.call('POST', `${kv2}/destroy/gone/destroyed`, { versions: [1] })
    const deleted = await watch.error(provider, 'gone/deleted')
    expect(deleted.code).toBe('DELETED')
    expect(deleted.hint).toContain(`vault kv undelete -mount="${kv2}" -versions=1 "gone/deleted"`)
    expect((await watch.error(provider, 'gone/destroyed')).code).toBe('DESTROYED')
    expect(await watch.read(provider, 'gone/missing')).toBeUndefined()
    expect(await watch.read(withToken(server.token, { mount: kv1 }), 'gone/missing')).toBeUndefined()
  })

  test('where the preflight is closed, v2 and then v1 are tried, and the result is remembered', async () => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, 'tried', { a })
    await root.write1(kv1, 'tried', { b })
    const closed = 'path "sys/internal/ui/mounts/*" { capabilities = ["deny"] }'
    const token = await lowToken(closed, may(`${kv2}/data/tried`), may(`${kv1}/tried`))
    expect(await watch.value(withToken(token, { mount: kv2 }), 'tried')).toEqual({ a })
    expect(await watch.value(withToken(token, { mount: kv1 }), 'tried')).toEqual({ b })
  })

  test('kv: 1 on a v2 engine is said, not read as nothing', async () => {
    expect((await watch.error(withToken(server.token, { mount: kv2, kv: 1 }), 'any')).code).toBe(
      'UNSUPPORTED',
    )
  })

  test('an engine that is not KV is said', async () => {
    await root.call('POST', `sys/mounts/pki-${id}`, { type: 'pki' })
    expect((await watch.error(withToken(server.token, { mount: `pki-${id}` }), 'any')).code).toBe(
      'UNSUPPORTED',
    )
  })

  test('list gives one level, folders with their slash', async () => {
    for (const [mount, write] of [
      [kv2, 'write2'],
      [kv1, 'write1'],
    ] as const) {
      await root[write](mount, 'tree/leaf one', { value: secret() })
      await root[write](mount, 'tree/branch/leaf', { value: secret() })
      const provider = withToken(server.token, { mount })
      const paths = async (path: string) =>
        (await provider.list!(path, watch.context())).map((entry) => entry.path)
      expect((await paths('tree')).sort()).toEqual(['tree/branch/', 'tree/leaf one'])
      expect(await paths('tree/branch/')).toEqual(['tree/branch/leaf'])
      expect(await paths('tree/nothing')).toEqual([])
      expect(await paths('')).toContain('tree/')
    }
    const denied = withToken(await lowToken(may(`${kv2}/data/*`)), { mount: kv2 })
    const error = watch.keep(
      (await denied.list!('tree', watch.context()).catch((reason: SecretsError) => reason)) as SecretsError,
    )
    expect(error.code).toBe('PERMISSION_DENIED')
    expect(error.hint).toContain(`path "${kv2}/metadata/tree/" { capabilities = ["list"] }`)
  })
})

describe('who asks', () => {
  test('a policy that denies is told with the line that allows, and the others are read', async () => {
    const value = secret()
    await root.write2(kv2, 'allowed', { value })
    const provider = withToken(await lowToken(may(`${kv2}/data/allowed`)), { mount: kv2 })
    const requests = ['denied', 'allowed'].map((path) => ({ path, options: {} }))
    const [denied, allowed] = await provider.read(requests, watch.context())
    expect(allowed).toMatchObject({ value: { value } })
    expect(denied).toMatchObject({ code: 'PERMISSION_DENIED' })
    const { hint } = watch.keep(denied as SecretsError)
    expect(hint).toContain(`path "${kv2}/data/denied" { capabilities = ["read"] }`)
  })

  test('a mount that is not there: said so to a strong token, both reasons to a weak one', async () => {
    const strong = await watch.error(withToken(server.token, { mount: `none-${id}` }), 'x')
    expect(strong.code).toBe('MOUNT_NOT_FOUND')
    const weak = await watch.error(withToken(await lowToken(may('other/*')), { mount: `none-${id}` }), 'x')
    expect(weak.code).toBe('PERMISSION_DENIED')
    expect(weak.message).toContain('no engine is mounted there')
  })

  test('an unknown token is TOKEN_INVALID', async () => {
    const error = await watch.error(withToken(watch.secret(canary('hvs'))), 'x').catch((reason) => reason)
    expect(error.code).toBe('TOKEN_INVALID')
    expect(error.hint).toContain('vault login')
  })

  test('the token comes from VAULT_TOKEN, BAO_TOKEN, ~/.vault-token or ~/.bao-token', async () => {
    const value = secret()
    await root.write2(kv2, 'ambient', { value })
    const token = await lowToken(may(`${kv2}/data/ambient`))
    const home = scratch('vault-home')
    vi.stubEnv('HOME', home)
    const read = () => watch.value(watch.provider({ url, mount: kv2 }), 'ambient')
    await expect(read()).rejects.toMatchObject({ code: 'CREDENTIALS_MISSING' })
    for (const name of ['.vault-token', '.bao-token']) {
      writeFileSync(join(home, name), `${token}\n`)
      expect(await read()).toEqual({ value })
      rmSync(join(home, name))
    }
    for (const name of ['VAULT_TOKEN', 'BAO_TOKEN']) {
      vi.stubEnv(name, token)
      expect(await read()).toEqual({ value })
      vi.stubEnv(name, '')
    }
    vi.stubEnv('VAULT_TOKEN', `${token}\nX: y`)
    await expect(read()).rejects.toMatchObject({ code: 'CREDENTIALS_MISSING' })
  })

  test('the address comes from VAULT_ADDR, then BAO_ADDR', async () => {
    vi.stubEnv('BAO_ADDR', 'https://bao.example.com:8200/ui/')
    expect(vault().location).toBe('https://bao.example.com:8200')
    vi.stubEnv('VAULT_ADDR', `${url}/v1/`)
    expect(vault().location).toBe(url)
    vi.stubEnv('VAULT_ADDR', '')
    vi.stubEnv('BAO_ADDR', '')
    expect(vault().location).toBe('https://127.0.0.1:8200')
  })

  test('AppRole at a mount of its own; one login for many requests', async () => {
    const value = secret()
    await root.write2(kv2, 'approle', { value })
    await root.policy(`approle-${id}`, may(`${kv2}/data/approle`))
    const mount = `team-${id}/roles`
    const role = await root.approle('app', [`approle-${id}`], { mount })
    watch.secret(role.secretId)
    const provider = watch.provider({ url, mount: kv2, auth: { method: 'approle', ...role, mount } })
    const before = watch.seen.length
    const requests = Array.from({ length: 20 }, () => ({ path: 'approle', options: {} }))
    const results = await provider.read(requests, watch.context())
    expect(results).toEqual(requests.map(() => ({ value: { value }, version: '1' })))
    expect(watch.seen.slice(before).filter((line) => line.includes('logging in'))).toHaveLength(1)

    vi.stubEnv('VAULT_ROLE_ID', role.roleId)
    vi.stubEnv('VAULT_SECRET_ID', role.secretId)
    const again = watch.provider({ ...(provider.settings as object) })
    expect(await watch.value(again, 'approle')).toEqual({ value })
  })

  test('a wrong secret id, a wrong mount and a missing role id are refused, once', async () => {
    const { roleId } = await root.approle(`wrong-${id}`, ['default'])
    const secretId = watch.secret(canary())
    const wrong = await watch.error(
      watch.provider({ url, auth: { method: 'approle', roleId, secretId } }),
      'x',
    )
    expect(wrong.code).toBe('LOGIN_REFUSED')
    expect(wrong.transient).toBe(false)
    expect(wrong.message).toContain('auth/approle/login')
    const auth = { method: 'approle', roleId, secretId, mount: `none-${id}` } as const
    const nowhere = await watch.error(watch.provider({ url, auth }), 'x')
    expect(nowhere.code).toBe('LOGIN_REFUSED')
    expect(nowhere.hint).toContain('is enabled there')
    const missing = await watch.error(watch.provider({ url, auth: { method: 'approle' } }), 'x')
    expect(missing.code).toBe('CREDENTIALS_MISSING')
  })

  test('a token that was revoked is replaced by one new login, shared by concurrent requests', async () => {
    const value = secret()
    await root.write2(kv2, 'renewed', { value })
    await root.policy(
      `renew-${id}`,
      `${may(`${kv2}/data/renewed`)}\n${may('auth/token/revoke-self', 'update')}`,
    )
    const role = await root.approle(`renew-${id}`, [`renew-${id}`])
    watch.secret(role.secretId)
    const provider = watch.provider({ url, mount: kv2, auth: { method: 'approle', ...role } })
    expect(await watch.value(provider, 'renewed')).toEqual({ value })
    await root.call('PUT', 'sys/leases/revoke-prefix/auth/approle/login', {})
    const before = watch.seen.length
    const requests = Array.from({ length: 10 }, () => ({ path: 'renewed', options: {} }))
    const results = await provider.read(requests, watch.context())
    expect(results).toEqual(requests.map(() => ({ value: { value }, version: '1' })))
    expect(watch.seen.slice(before).filter((line) => line.includes('logging in'))).toHaveLength(1)
  })
})

describe('namespaces', () => {
  test('sent with everything, or at the login only with the namespace in the mount', async () => {
    const value = secret()
    const inner = await (await root.namespace(`ns-${id}`)).namespace('team')
    const namespace = `ns-${id}/team`
    await inner.mount('kv', 2)
    await inner.write2('kv', 'app', { value })
    await inner.policy('app', may('kv/data/app'))
    const role = await inner.approle('app', ['app'])
    watch.secret(role.secretId)
    const auth = { method: 'approle', ...role } as const
    const all = watch.provider({ url, mount: 'kv', namespace: `/${namespace}/`, auth })
    expect(await watch.value(all, 'app')).toEqual({ value })
    const login = watch.provider({ url, mount: `${namespace}/kv`, namespace, namespaceScope: 'login', auth })
    expect(await watch.value(login, 'app')).toEqual({ value })
    expect(
      (await login.check!([{ path: 'app', options: {} }], watch.context())).map(({ ok }) => ok),
    ).not.toContain(false)

    vi.stubEnv('VAULT_NAMESPACE', namespace)
    expect(await watch.value(watch.provider({ url, mount: 'kv', auth }), 'app')).toEqual({ value })
    const none = await watch.error(watch.provider({ url, mount: 'kv', namespace: '', auth }), 'app')
    expect(none.code).toBe('LOGIN_REFUSED')
  })

  test('an unknown one has its own error, at the login and at the data', async () => {
    const options = { url, namespace: `missing-${id}` }
    expect((await watch.error(withToken(server.token, options), 'x')).code).toBe('NAMESPACE_NOT_FOUND')
    const auth = { method: 'approle', roleId: 'a', secretId: watch.secret(canary()) } as const
    expect((await watch.error(watch.provider({ ...options, auth }), 'x')).code).toBe('NAMESPACE_NOT_FOUND')
  })
})

describe('other states of a server', () => {
  let tls: OwnBao
  let sealed: OwnBao
  let empty: OwnBao
  beforeAll(async () => {
    const { binary } = server
    ;[tls, sealed, empty] = await Promise.all([
      startBao({ binary, name: 'vault-tls', tls: true }),
      startBao({ binary, name: 'vault-sealed', state: 'sealed' }),
      startBao({ binary, name: 'vault-empty', state: 'uninitialised' }),
    ])
    watch.secret(tls.bao.options.token!)
    watch.secret(sealed.bao.options.token!)
  })
  afterAll(() => Promise.all([tls, sealed, empty].map((own) => own?.stop())))

  test('a private authority is trusted when it is named, and only then', async () => {
    const value = secret()
    await tls.bao.mount('kv', 2)
    await tls.bao.write2('kv', 'app', { value })
    const options = {
      url: tls.url,
      mount: 'kv',
      auth: { method: 'token', token: tls.bao.options.token },
    } as const
    const caFile = tls.caFile!
    expect(await watch.value(watch.provider({ ...options, tls: { caFile } }), 'app')).toEqual({ value })
    expect(await watch.value(watch.provider({ ...options, tls: { ca: tls.bao.options.ca } }), 'app')).toEqual(
      { value },
    )
    vi.stubEnv('VAULT_CACERT', caFile)
    expect(await watch.value(watch.provider(options), 'app')).toEqual({ value })
    vi.stubEnv('VAULT_CACERT', '')
    vi.stubEnv('VAULT_SKIP_VERIFY', 'true')
    const error = await watch.error(watch.provider(options), 'app')
    expect(error.code).toBe('TLS_FAILED')
    expect(error.hint).toContain('caFile')
    const missing = await watch.error(watch.provider({ ...options, tls: { caFile: 'no-such.pem' } }), 'app')
    expect(missing.code).toBe('FILE_UNREADABLE')
    const plain = await watch.error(
      watch.provider({ ...options, url: tls.url.replace('https', 'http') }),
      'app',
    )
    expect(plain.code).toBe('RESPONSE_MALFORMED')
    expect(plain.hint).toContain('https')
    const wrong = await watch.error(watch.provider({ ...options, url: url.replace('http', 'https') }), 'app')
    expect(wrong.code).toBe('TLS_FAILED')
  })

  test('verify: false works, warns and shows in the check', async () => {
    const warned: Error[] = []
    const listen = (warning: Error) => warned.push(warning)
    process.on('warning', listen)
    const auth = { method: 'token', token: tls.bao.options.token } as const
    const provider = watch.provider({ url: tls.url, mount: 'kv', auth, tls: { verify: false } })
    expect(await watch.read(provider, 'missing')).toBeUndefined()
    expect(await watch.read(provider, 'missing')).toBeUndefined()
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(warned.map(({ name }) => name)).toEqual(['SecurityWarning'])
    watch.seen.push(...warned.map(({ message }) => message))
    const [certificate] = await provider.check!([], watch.context())
    expect(certificate).toMatchObject({ label: 'certificate verified', ok: false })
  })

  test('sealed and uninitialised', async () => {
    const token = sealed.bao.options.token!
    const error = await watch.error(withToken(token, { url: sealed.url }), 'x')
    expect(error.code).toBe('SEALED')
    expect(error.transient).toBe(true)
    const [health, ...rest] = await withToken(token, { url: sealed.url }).check!([], watch.context())
    expect(rest).toEqual([])
    expect(health).toMatchObject({ ok: false, hint: expect.stringContaining('unseal') })
    const [uninitialised] = await withToken(token, { url: empty.url }).check!([], watch.context())
    expect(uninitialised).toMatchObject({ ok: false, hint: expect.stringContaining('operator init') })
  })
})

describe('check', () => {
  test('says what was found, with a hint for what is wrong', async () => {
    await root.write2(kv2, 'checked', { one: secret(), two: secret() })
    const requests = ['checked', 'missing', 'denied'].map((path) => ({ path, options: {} }))
    const policy = [may(`${kv2}/data/checked`), may(`${kv2}/data/missing`), may('auth/token/lookup-self')]
    const full = await withToken(await lowToken(...policy), { mount: kv2 }).check!(requests, watch.context())
    watch.seen.push(JSON.stringify(full))
    expect(full.map(({ label, ok }) => [label, ok])).toEqual([
      ['reachable', true],
      ['logged in', true],
      [`mount ${kv2}/`, true],
      ['read vault:checked', true],
      ['read vault:missing', false],
      ['read vault:denied', false],
    ])
    expect(full[0]!.detail).toContain('2.7.2, active')
    expect(full[1]!.detail).toMatch(/with token; policies low-\w+; ends in \d+ min/)
    expect(full[3]!.detail).toBe('2 fields, version 1')
    expect(full[5]!.hint).toContain('capabilities')
  })

  test('never throws for what it finds, and does not need lookup-self', async () => {
    await root.write2(kv2, 'quiet', { value: secret() })
    const weak = withToken(await lowToken(may(`${kv2}/data/quiet`)), { mount: kv2 })
    const results = await weak.check!([{ path: 'quiet', options: {} }], watch.context())
    expect(results.every(({ ok }) => ok)).toBe(true)
    const [nobody, ...rest] = await withToken(server.token, { url: 'http://127.0.0.1:1' }).check!(
      [],
      watch.context(),
    )
    expect(nobody).toMatchObject({ label: 'reachable', ok: false })
    expect(rest).toEqual([])
    const wrong = await withToken(watch.secret(canary('hvs'))).check!([], watch.context())
    expect(wrong.at(-1)).toMatchObject({ label: 'logged in', ok: false })
    watch.seen.push(JSON.stringify([results, nobody, wrong]))
  })
})

describe('options', () => {
  test.each([
    [{ urll: 'x' }, 'url'],
    [{ auth: { method: 'aprole' } }, 'approle'],
    [{ auth: { method: 'approle', roleID: 'x' } }, 'roleId'],
    [{ tls: { cafile: 'x' } }, 'caFile'],
    [{ url: 'vault.example.com' }, 'no http or https address'],
    [{ url: 'ftp://vault.example.com' }, 'no http or https address'],
    [{ url: 'https://me:hunter2@vault.example.com' }, 'user name or password'],
    [{ kv: 3 }, 'kv'],
    [{ mount: 'a//b' }, 'mount'],
    [{ mount: '../sys' }, 'mount'],
    [{ tls: { cert: 'x' } }, 'tls.key'],
    [{ tls: { verify: 'no' } }, 'tls.verify'],
    [{ namespaceScope: 'some' }, 'namespaceScope'],
  ])('%j is CONFIG_INVALID', (options, text) => {
    const make = () => vault(options as Parameters<typeof vault>[0])
    expect(make).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(text) }),
    )
    expect(make).not.toThrow(/hunter2/)
  })

  test.each([
    'https://h.example',
    'https://h.example/',
    'https://h.example/v1',
    'https://H.example:443/ui/vault/?x=1#y',
  ])('%s is tolerated', (given) => {
    expect(vault({ url: given }).location).toBe('https://h.example')
  })

  test('settings make the same provider again and hold no credential', () => {
    const credentials = { roleId: canary('role'), secretId: secret() }
    const options = {
      url: 'https://h.example',
      mount: 'a/b',
      namespace: '',
      namespaceScope: 'login',
      kv: 2,
      tls: { caFile: 'ca.pem', cert: 'CERT', key: secret() },
    } as const
    const { settings } = watch.provider({
      ...options,
      auth: { method: 'approle', ...credentials, mount: 'm' },
    })
    expect(settings).toEqual({
      ...options,
      tls: { caFile: 'ca.pem' },
      auth: { method: 'approle', mount: 'm' },
    })
    expect(vault(settings as object).settings).toEqual(settings)
  })

  test.each([
    ['vault:a/b?version=3#f', undefined],
    ['vault:a/b?version=0', 'positive'],
    ['vault:a/b?version=x', 'positive'],
    ['vault:a/b?verson=1', 'version'],
    ['vault:a//b', 'segment'],
    ['vault:/a', 'segment'],
    ['vault:a/', 'segment'],
    ['vault:a/../b', 'segment'],
    ['vault:a/%2E%2E/b', 'segment'],
  ])('validate(%s)', (source, problem) => {
    const found = vault({ url }).validate!(parseReference(source, 'test'))
    if (problem) expect(found).toContain(problem)
    else expect(found).toBeUndefined()
  })
})
