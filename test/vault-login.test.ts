import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import type { SecretsError } from '../src/core/errors.ts'
import { vault } from '../src/providers/vault/index.ts'
import { Bao, scratch } from './support/bao.ts'
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
const withToken = (token: string, options = {}) => watch.withToken(url, token, options)
const lowToken = (...lines: string[]) => watch.lowToken(root, ...lines)

beforeAll(() => root.mount(kv2, 2))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => watch.finish())

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
    await root.policy(`renew-${id}`, may(`${kv2}/data/renewed`))
    const mount = `team-${id}/renewed`
    const role = await root.approle(`renew-${id}`, [`renew-${id}`], { mount })
    watch.secret(role.secretId)
    const provider = watch.provider({ url, mount: kv2, auth: { method: 'approle', ...role, mount } })
    expect(await watch.value(provider, 'renewed')).toEqual({ value })
    await root.call('PUT', `sys/leases/revoke-prefix/auth/${mount}/login`, {})
    const before = watch.seen.length
    const requests = Array.from({ length: 10 }, () => ({ path: 'renewed', options: {} }))
    const results = await provider.read(requests, watch.context())
    expect(results).toEqual(requests.map(() => ({ value: { value }, version: '1' })))
    expect(watch.seen.slice(before).filter((line) => line.includes('logging in'))).toHaveLength(1)
  })
})

test('a login that was begun by a caller who gave up does not fail the others', async () => {
  const value = secret()
  await root.write2(kv2, 'shared', { value })
  await root.policy(`shared-${id}`, may(`${kv2}/data/shared`))
  const mount = `team-${id}/shared`
  const role = await root.approle('shared', [`shared-${id}`], { mount })
  watch.secret(role.secretId)
  const provider = watch.provider({ url, mount: kv2, auth: { method: 'approle', ...role, mount } })
  const requests = [{ path: 'shared', options: {} }]
  const controller = new AbortController()
  // Loaded first, so that both calls meet in the login.
  await provider.check!([], watch.context({ signal: AbortSignal.abort() }))
  const first = provider.read(requests, watch.context({ signal: controller.signal }))
  const second = provider.read(requests, watch.context())
  setImmediate(() => controller.abort())
  await expect(first).rejects.toMatchObject({ code: 'ABORTED' })
  expect(await second).toEqual([{ value: { value }, version: '1' }])
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

  test('a name beyond ASCII, at the login and with the data', async () => {
    const value = secret()
    const namespace = `té€-${id}`
    const inner = await root.namespace(namespace)
    await inner.mount('kv', 2)
    await inner.write2('kv', 'app', { value })
    await inner.policy('app', may('kv/data/app'))
    const role = await inner.approle('app', ['app'])
    watch.secret(role.secretId)
    const auth = { method: 'approle', ...role } as const
    expect(await watch.value(watch.provider({ url, mount: 'kv', namespace, auth }), 'app')).toEqual({ value })
  })

  test('an unknown one has its own error, at the login and at the data', async () => {
    const options = { url, namespace: `missing-${id}` }
    expect((await watch.error(withToken(server.token, options), 'x')).code).toBe('NAMESPACE_NOT_FOUND')
    const auth = { method: 'approle', roleId: 'a', secretId: watch.secret(canary()) } as const
    expect((await watch.error(watch.provider({ ...options, auth }), 'x')).code).toBe('NAMESPACE_NOT_FOUND')
  })
})
