import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { SecretsError, type SecretsErrorCode } from '../src/core/errors.ts'
import type { JsonObject, Provider } from '../src/core/types.ts'
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
const kv2 = `ops-${id}/kv2`
const kv1 = `ops-${id}/kv1`
const two = () => watch.withToken(url, server.token, { mount: kv2 })
const one = () => watch.withToken(url, server.token, { mount: kv1 })
const context = () => watch.context()

beforeAll(() => Promise.all([root.mount(kv2, 2), root.mount(kv1, 1)]))
afterAll(() => watch.finish())

/** The code with which a change fails. */
async function code(work: Promise<unknown>): Promise<SecretsErrorCode | undefined> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return undefined
  expect(error).toBeInstanceOf(SecretsError)
  return watch.keep(error as SecretsError).code
}

describe('KV v2', () => {
  test('write with check-and-set', async () => {
    const provider = two()
    const [a, b, c] = [secret(), secret(), secret()]
    const path = 'write/doc'
    const write = (value: JsonObject | string, expected?: string | null) =>
      provider.write!({ path, value, expected }, context())
    expect(await write({ a }, null)).toEqual({ version: '1' })
    expect(await code(write({ a: b }, null))).toBe('CONFLICT')
    expect(await write({ a: b }, '1')).toEqual({ version: '2' })
    expect(await code(write({ a: c }, '1'))).toBe('CONFLICT')
    expect(await code(write({ a: c }, 'latest'))).toBe('CONFLICT')
    expect(await watch.value(provider, path)).toEqual({ a: b })
    // A text is the field `value`, unless it is an object in JSON.
    await write(c)
    expect(await watch.value(provider, path)).toEqual({ value: c })
    await write(JSON.stringify({ a, deep: { list: [1] } }))
    expect(await watch.value(provider, path)).toEqual({ a, deep: { list: [1] } })
    expect(await code(provider.write!({ path, value: new Uint8Array([1]) }, context()))).toBe('UNSUPPORTED')
    expect(await code(provider.write!({ path, value: c, environment: 'production' }, context()))).toBe(
      'UNSUPPORTED',
    )
    await root.call('POST', `${kv2}/metadata/write/strict`, { cas_required: true })
    expect(await code(provider.write!({ path: 'write/strict', value: c }, context()))).toBe('CONFLICT')
    const denied = watch.withToken(url, await watch.lowToken(root, may(`${kv2}/data/write/doc`)), {
      mount: kv2,
    })
    const error = await denied.write!({ path, value: c }, context()).catch((reason: SecretsError) => reason)
    expect(watch.keep(error as SecretsError).hint).toContain(
      `path "${kv2}/data/write/doc" { capabilities = ["update"] }`,
    )
  })

  test('patch keeps the other fields', async () => {
    const provider = two()
    const [a, b, c] = [secret(), secret(), secret()]
    const path = 'patch/doc'
    expect(await code(provider.patch!({ path, set: { a } }, context()))).toBe('NOT_FOUND')
    await root.write2(kv2, path, { a, b, nested: { x: 1, y: 2 }, old: 1 })
    const set = { a: c }
    expect(await provider.patch!({ path, set, unset: ['old', 'none'] }, context())).toEqual({ version: '2' })
    expect(await watch.value(provider, path)).toEqual({ a: c, b, nested: { x: 1, y: 2 } })
    // What is set is set as it is: an object is not merged into, a null is no removal.
    const whole = { nested: { y: 3 }, nothing: null, list: [1, { z: null }] }
    expect(await provider.patch!({ path, set: whole, expected: '2' }, context())).toEqual({ version: '3' })
    expect(await watch.value(provider, path)).toEqual({ ...set, b, ...whole })
    expect(await code(provider.patch!({ path, set: { a }, expected: '2' }, context()))).toBe('CONFLICT')
    expect(await code(provider.patch!({ path, set: whole, expected: '2' }, context()))).toBe('CONFLICT')
  })

  test('a token without the capability patch reads and writes instead, and loses nothing to others', async () => {
    const path = 'patch/shared'
    await root.write2(kv2, path, { count: 0 })
    const token = await watch.lowToken(root, may(`${kv2}/data/${path}`, 'read', 'update'))
    const writers = Array.from({ length: 4 }, () => watch.withToken(url, token, { mount: kv2 }))
    await Promise.all(
      writers.map((writer, index) => writer.patch!({ path, set: { [`w${index}`]: index } }, context())),
    )
    expect(await watch.value(two(), path)).toEqual({ count: 0, w0: 0, w1: 1, w2: 2, w3: 3 })
    await root.call('DELETE', `${kv2}/data/${path}`)
    expect(await code(writers[0]!.patch!({ path, set: { a: 1 } }, context()))).toBe('NOT_FOUND')
  })

  test('a server that knows no PATCH', async () => {
    const path = 'patch/older'
    const value = secret()
    await root.write2(kv2, path, { kept: value })
    const methods: string[] = []
    const older = createServer(async (request, response) => {
      methods.push(request.method!)
      if (request.method === 'PATCH') return void response.writeHead(405).end('{"errors":["unsupported"]}')
      let body = ''
      for await (const chunk of request) body += chunk
      const headers = { 'X-Vault-Token': String(request.headers['x-vault-token']) }
      const { method, url: at } = request
      const answer = await fetch(url + at, { method: method!, headers, ...(body ? { body } : {}) })
      response.writeHead(answer.status).end(await answer.text())
    })
    await new Promise<void>((resolve) => older.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(older.address() as AddressInfo).port}`
    const provider = watch.withToken(address, server.token, { mount: kv2 })
    await provider.patch!({ path, set: { more: 1 } }, context())
    await provider.annotate!({ path, custom: { owner: 'team' } }, context())
    await provider.annotate!({ path, custom: { owner: '', environment: 'test' } }, context())
    expect(await watch.value(provider, path)).toEqual({ kept: value, more: 1 })
    expect((await provider.metadata!(path, context()))?.custom).toEqual({ environment: 'test' })
    expect(methods.filter((method) => method === 'PATCH')).toHaveLength(3)
    await provider.close!()
    older.closeAllConnections()
    await new Promise((resolve) => older.close(resolve))
  })

  test('history: what there was, newest first', async () => {
    const path = 'history/doc'
    const provider = two()
    expect(await provider.history!(path, context())).toBeUndefined()
    for (let count = 0; count < 11; count++) await root.write2(kv2, path, { value: secret() })
    await provider.remove!({ path, versions: ['3', '11'] }, context())
    await provider.remove!({ path, versions: ['4'], forever: true }, context())
    const history = (await provider.history!(path, context()))!
    // The engine keeps ten.
    expect(history.map(({ version, state }) => `${version} ${state}`)).toEqual([
      '11 deleted',
      ...['10', '9', '8', '7', '6', '5'].map((version) => `${version} previous`),
      '4 destroyed',
      '3 deleted',
      '2 previous',
    ])
    for (const { createdAt } of history) expect(Math.abs(createdAt! - Date.now())).toBeLessThan(600_000)
    await provider.restore!({ path }, context())
    expect((await provider.history!(path, context()))![0]).toMatchObject({ version: '11', state: 'current' })
    watch.seen.push(JSON.stringify(history))
  })

  test('removed, restored, destroyed', async () => {
    const provider = two()
    const [a, b] = [secret(), secret()]
    const path = 'remove/doc'
    const remove = (options: object = {}) => provider.remove!({ path, ...options }, context())
    const restore = (versions?: string[]) => provider.restore!({ path, versions }, context())
    expect(await remove()).toBe(false)
    expect(await restore()).toBe(false)
    await root.write2(kv2, path, { a })
    await root.write2(kv2, path, { a: b })
    expect(await restore()).toBe(false)
    expect(await remove()).toBe(true)
    expect(await remove()).toBe(false)
    expect((await watch.error(provider, path)).code).toBe('DELETED')
    expect(await watch.value(provider, path, { version: '1' })).toEqual({ a })
    expect(await restore()).toBe(true)
    expect(await watch.value(provider, path)).toEqual({ a: b })
    expect(await remove({ versions: ['1'] })).toBe(true)
    expect(await remove({ versions: ['1', '9'] })).toBe(false)
    expect((await watch.error(provider, path, { version: '1' })).code).toBe('DELETED')
    expect(await restore(['1'])).toBe(true)
    expect(await remove({ versions: ['1'], forever: true })).toBe(true)
    expect((await watch.error(provider, path, { version: '1' })).code).toBe('DESTROYED')
    expect(await code(restore(['1']))).toBe('DESTROYED')
    expect(await code(remove({ versions: ['x'] }))).toBe(undefined)
    expect(await remove({ forever: true })).toBe(true)
    expect(await watch.read(provider, path)).toBeUndefined()
    expect(await provider.history!(path, context())).toBeUndefined()
  })

  test('a token without rights on the metadata can remove and restore all the same', async () => {
    const path = 'remove/quiet'
    await root.write2(kv2, path, { value: secret() })
    const lines = [may(`${kv2}/data/${path}`, 'read', 'delete'), may(`${kv2}/undelete/${path}`, 'update')]
    const provider = watch.withToken(url, await watch.lowToken(root, ...lines), { mount: kv2 })
    expect(await provider.remove!({ path }, context())).toBe(true)
    expect((await watch.error(provider, path)).code).toBe('DELETED')
    expect(await provider.restore!({ path }, context())).toBe(true)
    expect(await watch.read(provider, path)).toMatchObject({ version: '1' })
  })

  test('rollback writes the older content anew', async () => {
    const provider = two()
    const [a, b] = [secret(), secret()]
    const path = 'rollback/doc'
    const back = (version: string) => provider.rollback!({ path, version }, context())
    expect(await code(back('1'))).toBe('NOT_FOUND')
    await root.write2(kv2, path, { a })
    await root.write2(kv2, path, { a: b })
    expect(await back('1')).toEqual({ version: '3' })
    expect(await watch.value(provider, path)).toEqual({ a })
    expect(await code(back('9'))).toBe('NOT_FOUND')
    expect(await code(back('first'))).toBe('NOT_FOUND')
    await root.call('DELETE', `${kv2}/data/${path}`)
    expect(await back('2')).toEqual({ version: '4' })
    await provider.remove!({ path, versions: ['1'], forever: true }, context())
    expect(await code(back('1'))).toBe('DESTROYED')
  })

  test('metadata and annotations', async () => {
    const provider = two()
    const path = 'meta/doc'
    expect(await provider.metadata!(path, context())).toBeUndefined()
    expect(await code(provider.annotate!({ path, custom: { a: 'b' } }, context()))).toBe('NOT_FOUND')
    await root.write2(kv2, path, { value: secret() })
    await root.call('POST', `${kv2}/metadata/${path}`, { max_versions: 5 })
    await provider.annotate!(
      { path, custom: { owner: 'team a', created: '2026', environment: 'test' } },
      context(),
    )
    await provider.annotate!({ path, custom: { created: '', owner: 'team b' } }, context())
    const metadata = await provider.metadata!(path, context())
    expect(metadata).toMatchObject({ custom: { owner: 'team b', environment: 'test' }, maxVersions: 5 })
    expect(metadata!.custom).not.toHaveProperty('created')
    expect(metadata!.createdAt).toBeLessThanOrEqual(metadata!.updatedAt!)
  })
})

test('KV v1 says what it cannot do, and does the rest', async () => {
  const provider = one()
  const [a, b] = [secret(), secret()]
  const path = 'doc'
  const written = await provider.write!({ path, value: { a } }, context())
  expect(await watch.read(provider, path)).toEqual({ value: { a }, version: written.version })
  const cannot: ((provider: Provider) => Promise<unknown>)[] = [
    (each) => each.write!({ path, value: { a: b }, expected: '1' }, context()),
    (each) => each.write!({ path, value: { a: b }, expected: null }, context()),
    (each) => each.patch!({ path, set: { a: b } }, context()),
    (each) => each.restore!({ path }, context()),
    (each) => each.remove!({ path, versions: ['1'] }, context()),
    (each) => each.history!(path, context()),
    (each) => each.rollback!({ path, version: '1' }, context()),
    (each) => each.metadata!(path, context()),
    (each) => each.annotate!({ path, custom: {} }, context()),
  ]
  for (const work of cannot)
    expect([work.toString(), await code(work(provider))]).toEqual([work.toString(), 'UNSUPPORTED'])
  expect(await watch.value(provider, path)).toEqual({ a })
  expect(await provider.remove!({ path }, context())).toBe(true)
  expect(await provider.remove!({ path }, context())).toBe(false)
  expect(await watch.read(provider, path)).toBeUndefined()
})

describe('versions', () => {
  const stamps = async (provider: Provider, ...paths: string[]) => {
    const requests = paths.map((path) => ({ path, options: {} }))
    const found = await provider.versions!(requests, context())
    const read = await provider.read(requests, context())
    // The same that a read gives, error by error.
    expect(found.map((each) => (each instanceof SecretsError ? each.code : each))).toEqual(
      read.map((each) => (each instanceof SecretsError ? each.code : each?.version)),
    )
    return found
  }

  test('KV v2: from the metadata, without reading a value; where that is closed, by reading', async () => {
    await root.write2(kv2, 'stamp/a', { value: secret() })
    await root.write2(kv2, 'stamp/a', { value: secret() })
    await root.write2(kv2, 'stamp/gone', { value: secret() })
    await root.call('DELETE', `${kv2}/data/stamp/gone`)
    const paths = ['stamp/a', 'stamp/none', 'stamp/gone']
    expect(await stamps(two(), ...paths)).toEqual(['2', undefined, expect.any(SecretsError)])
    expect(await two().versions!([{ path: 'stamp/a', options: { version: '1' } }], context())).toEqual(['1'])

    const metadataOnly = await watch.lowToken(root, may(`${kv2}/metadata/stamp/*`))
    const cheap = watch.withToken(url, metadataOnly, { mount: kv2 })
    expect(await cheap.versions!([{ path: 'stamp/a', options: {} }], context())).toEqual(['2'])
    const dataOnly = await watch.lowToken(root, may(`${kv2}/data/stamp/*`))
    const poor = watch.withToken(url, dataOnly, { mount: kv2 })
    expect(await stamps(poor, ...paths)).toEqual(['2', undefined, expect.any(SecretsError)])
  })

  test('KV v1: the same in every process, another for another content, and no way back to a short value', async () => {
    const write = (value: object) => root.write1(kv1, 'stamp', value)
    await write({ pin: '1234' })
    const [first] = await stamps(one(), 'stamp')
    expect(await stamps(one(), 'stamp')).toEqual([first])
    const token = await watch.lowToken(root, may(`${kv1}/stamp`))
    expect(await stamps(watch.withToken(url, token, { mount: kv1 }), 'stamp')).toEqual([first])
    await write({ pin: '1235' })
    const [second] = await stamps(one(), 'stamp')
    expect(second).not.toBe(first)
    await write({ pin: '1234' })
    expect(await stamps(one(), 'stamp', 'none')).toEqual([first, undefined])
    // Keyed with what only the server tells: the same content below another mount is another stamp.
    await root.mount(`${kv1}b`, 1)
    await root.write1(`${kv1}b`, 'stamp', { pin: '1234' })
    expect(await stamps(watch.withToken(url, server.token, { mount: `${kv1}b` }), 'stamp')).not.toEqual([
      first,
    ])
  })
})
