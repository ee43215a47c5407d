import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { ReadRequest } from '../src/core/types.ts'
import type { VaultOptions } from '../src/providers/vault/index.ts'
import { Bao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const secret = () => watch.secret(canary())
const { url } = server
const kv2 = `policy-${id}/kv2`
const kv1 = `policy-${id}/kv1`
const pki = `policy-${id}/pki`
const nothing = { options: {} }

/** What the configuration names, each as the provider asks for it. */
const configured: ReadRequest[] = [
  { path: 'app/db', options: {} },
  { path: 'app/db', options: { version: '1' } },
  { path: 'odd name/ü "q" ?#%', options: {} },
  { path: 'app/a+b', options: {} },
  { path: `/${kv1}/legacy`, options: {} },
  { path: `/${pki}/issue/web`, options: { common_name: 'a.example.com', ttl: '1h' } },
]
/** Beside, above and below of that. */
const beside = [
  'app',
  'app/db2',
  'app/db/below',
  'app/dbx',
  'app/aXb',
  `/${kv1}/legacy2`,
  `/${kv1}/legacy/below`,
]

beforeAll(async () => {
  await Promise.all([root.mount(kv2, 2), root.mount(kv1, 1)])
  await root.call('POST', `sys/mounts/${pki}`, { type: 'pki' })
  await root.call('POST', `${pki}/root/generate/internal`, { common_name: 'test' })
  for (const role of ['web', 'other'])
    await root.call('POST', `${pki}/roles/${role}`, {
      allowed_domains: ['example.com'],
      allow_subdomains: true,
    })
  for (const { path } of [...configured, ...beside.map((path) => ({ path }))]) {
    if (path.startsWith(`/${kv1}/`)) await root.write1(kv1, path.slice(kv1.length + 2), { value: secret() })
    else if (!path.startsWith('/')) await root.write2(kv2, path, { value: secret() })
  }
})
afterAll(() => watch.finish())

async function policyOf(options: VaultOptions, requests: readonly ReadRequest[], token = server.token) {
  const hcl = await watch.withToken(url, token, options).policy!(requests, watch.context())
  watch.seen.push(hcl)
  return hcl
}

test('a token with exactly this policy reads every configured reference, and nothing beside', async () => {
  const hcl = await policyOf({ mount: kv2 }, configured)
  // One document is one line, however often it is named.
  expect(hcl.match(/kv2\/data\/app\/db"/g)).toHaveLength(1)
  expect(hcl).not.toContain('list')
  await root.policy(`exact-${id}`, hcl)
  const token = watch.secret(await root.token([`exact-${id}`]))
  const provider = watch.withToken(url, token, { mount: kv2 })
  const results = await provider.read(configured, watch.context())
  expect(results.map((result) => (result instanceof SecretsError ? result.format() : typeof result))).toEqual(
    configured.map(() => 'object'),
  )
  for (const result of results) {
    const { private_key: key } = (result as { value: { private_key?: string } }).value
    if (key) watch.secret(key.split('\n')[1]!)
  }
  for (const path of beside)
    expect([path, (await watch.error(provider, path)).code]).toEqual([path, 'PERMISSION_DENIED'])
  const other = await watch.error(provider, `/${pki}/issue/other`, { common_name: 'a.example.com' })
  expect(other.code).toBe('PERMISSION_DENIED')
  const refused = [
    provider.list!('', watch.context()),
    provider.list!('app', watch.context()),
    provider.list!(`/${kv1}`, watch.context()),
    provider.write!({ path: 'app/db', value: { value: secret() } }, watch.context()),
    provider.patch!({ path: 'app/db', set: { value: secret() } }, watch.context()),
    provider.write!({ path: `/${kv1}/legacy`, value: { value: secret() } }, watch.context()),
    provider.remove!({ path: 'app/db' }, watch.context()),
    provider.history!('app/db', watch.context()),
  ]
  for (const result of await Promise.allSettled(refused)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'PERMISSION_DENIED' } })
    if (result.status === 'rejected') watch.keep(result.reason)
  }
  // A policy of KV only holds nothing about tokens and leases.
  const plain = await policyOf({ mount: kv2 }, [{ path: 'app/db', ...nothing }])
  expect(plain).toBe(`path "${kv2}/data/app/db" {\n  capabilities = ["read"]\n}\n`)
  expect(await policyOf({ mount: kv2 }, [])).toBe('')
})

test.each(['end*', '*', 'a/+/b', '+', 'x/{{identity.entity.id}}', 'x/${y}'])(
  'the path %j would stand for others in a policy, which is said instead',
  async (path) => {
    await expect(policyOf({ mount: kv2 }, [{ path, ...nothing }])).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    })
  },
)

test('in a namespace, however it is written', async () => {
  const name = `policy-ns-${id}`
  const inner = await root.namespace(name)
  await inner.mount('team/kv', 2)
  const value = secret()
  await inner.write2('team/kv', 'app', { value })
  await inner.write2('team/kv', 'other', { value: secret() })
  const all = { mount: 'team/kv', namespace: name }
  const login = { mount: `${name}/team/kv`, namespace: name, namespaceScope: 'login' } as const
  const request = [{ path: 'app', ...nothing }]
  const hcl = await policyOf(all, request)
  expect(await policyOf(login, request)).toBe(hcl)
  await inner.policy('exact', hcl)
  const made = await inner.approle('exact', ['exact'])
  watch.secret(made.secretId)
  for (const options of [all, login]) {
    const provider = watch.provider({ url, ...options, auth: { method: 'approle', ...made } })
    expect(await watch.value(provider, 'app')).toEqual({ value })
    expect((await watch.error(provider, 'other')).code).toBe('PERMISSION_DENIED')
  }
})
