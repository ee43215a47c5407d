import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import type { SecretsError } from '../src/core/errors.ts'
import { parseReference } from '../src/core/reference.ts'
import { vault } from '../src/providers/vault/index.ts'
import { Bao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { may, Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const secret = () => watch.secret(canary())
const { url } = server
const kv2 = `team-${id}/deep/kv2`
const kv1 = `team-${id}/kv1`
const withToken = (token: string, options = {}) => watch.withToken(url, token, options)
const lowToken = (...lines: string[]) => watch.lowToken(root, ...lines)

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
    expect(one).toEqual({ value: { password: b }, version: expect.stringMatching(/^[0-9a-f]{16}$/) })
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

  test('where a proxy closes sys/, v2 and then v1 are tried, and the result is remembered', async () => {
    const [a, b] = [secret(), secret()]
    await root.write2(kv2, 'tried', { a })
    await root.write1(kv1, 'tried', { b })
    const paths: string[] = []
    const proxy = createServer(async (request, response) => {
      paths.push(request.url!.slice('/v1/'.length))
      if (request.url!.startsWith('/v1/sys/'))
        return void response.writeHead(403).end('{"errors":["closed"]}')
      const headers = { 'X-Vault-Token': String(request.headers['x-vault-token']) }
      const answer = await fetch(url + request.url, { headers })
      response.writeHead(answer.status).end(await answer.text())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const proxied = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const token = await lowToken(may(`${kv2}/data/tried`), may(`${kv2}/data/none`), may(`${kv1}/tried`))
    const two = watch.withToken(proxied, token, { mount: kv2 })
    expect(await watch.value(two, 'tried')).toEqual({ a })
    const one = watch.withToken(proxied, token, { mount: kv1 })
    expect(await watch.value(one, 'tried')).toEqual({ b })
    const before = paths.length
    expect(await watch.value(one, 'tried')).toEqual({ b })
    expect(await watch.read(two, 'none')).toBeUndefined()
    expect(paths.slice(before)).toEqual([`${kv1}/tried`, `${kv2}/data/none`])
    const denied = await watch.error(watch.withToken(proxied, token, { mount: kv2 }), 'other')
    expect(denied.code).toBe('PERMISSION_DENIED')
    const nowhere = await watch.error(watch.withToken(proxied, server.token, { mount: `none-${id}` }), 'x')
    expect(nowhere.code).toBe('MOUNT_NOT_FOUND')
    await Promise.all([one.close!(), two.close!()])
    proxy.closeAllConnections()
    await new Promise((resolve) => proxy.close(resolve))
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

  test('list gives every document below a path', async () => {
    for (const [mount, write] of [
      [kv2, 'write2'],
      [kv1, 'write1'],
    ] as const) {
      await root[write](mount, 'tree/leaf one', { value: secret() })
      await root[write](mount, 'tree/branch/leaf', { value: secret() })
      const provider = withToken(server.token, { mount })
      const paths = async (path: string) =>
        (await provider.list!(path, watch.context())).map((entry) => entry.path)
      expect(await paths('tree')).toEqual(['tree/branch/leaf', 'tree/leaf one'])
      expect(await paths('tree/branch/')).toEqual(['tree/branch/leaf'])
      expect(await paths('tree/nothing')).toEqual([])
      expect(await paths('')).toContain('tree/branch/leaf')
      const whole = (await provider.list!(`/${mount}`, watch.context())).map((entry) => entry.path)
      expect(whole).toContain(`/${mount}/tree/branch/leaf`)
    }
    const denied = withToken(await lowToken(may(`${kv2}/data/*`)), { mount: kv2 })
    const error = watch.keep(
      (await denied.list!('tree', watch.context()).catch((reason: SecretsError) => reason)) as SecretsError,
    )
    expect(error.code).toBe('PERMISSION_DENIED')
    expect(error.hint).toContain(`path "${kv2}/metadata/tree/" { capabilities = ["list"] }`)
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
    [{ ttl: '5 minutes' }, 'ttl'],
    [{ namespace: 'a\nb' }, 'namespace'],
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
      ttl: '5m',
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
    ['vault:/a', undefined],
    ['vault:/pki/issue/web?common_name=a.example', undefined],
    ['vault:/a?verson%23=1', 'verson#'],
    ['vault://a', 'segment'],
    ['vault:a/', 'segment'],
    ['vault:a/../b', 'segment'],
    ['vault:a/%2E%2E/b', 'segment'],
  ])('validate(%s)', (source, problem) => {
    const found = vault({ url }).validate!(parseReference(source, 'test'))
    if (problem) expect(found).toContain(problem)
    else expect(found).toBeUndefined()
  })
})
