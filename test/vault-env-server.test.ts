import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { authKey, deviceHash, makeDeviceSecret, signRequest } from '../src/core/crypto/vault-env.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { WireClient } from './support/vault-env.ts'

let folder: string
let postgres: Postgres
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vault-env-server-'))
  postgres = await startPostgres(inject('servers').programs.postgres)
})
afterAll(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

const kinds: [name: string, url: () => string][] = [
  ['SQLite', () => `file:${join(folder, 'vault.db')}`],
  ['Postgres', () => postgres.url],
]

describe.each(kinds)('the server on %s', (_name, databaseUrl) => {
  let server: RunningVaultServer
  const start = async (): Promise<WireClient> => new WireClient(server.url).start()
  beforeAll(async () => {
    server = await serve({ port: 0, databaseUrl: databaseUrl(), rateLimit: 0 })
  })
  afterAll(() => server.close())

  test('answers for its health at both addresses', async () => {
    for (const path of ['/health', '/api/v1/health']) {
      const response = await fetch(server.url + path)
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({ status: 'ok', ts: expect.any(Number) })
    }
    const options = await fetch(`${server.url}/api/v1/secrets/pull`, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('access-control-allow-methods')]).toEqual([
      200,
      'POST, GET, OPTIONS',
    ])
    expect((await fetch(`${server.url}/api/v1/secrets/pull`)).status).toBe(404)
  })

  test('makes a project and takes its key once', async () => {
    const client = new WireClient(server.url)
    expect((await client.send('project/create', '{}')).body).toEqual({ error: 'project_name required' })
    const made = await client.send('project/create', JSON.stringify({ project_name: 'x' }))
    expect(made.body.environments).toEqual(['development', 'staging', 'production'])
    const key = (hash: string, id = made.body.project_id) =>
      client.send('project/set-key', JSON.stringify({ project_id: id, auth_key_hash: hash }))
    expect((await key('')).body).toEqual({ error: 'project_id and auth_key_hash required' })
    expect((await key('0'.repeat(64), 'nowhere')).status).toBe(404)
    expect((await key('not hex')).status).toBe(400)
    expect((await key('a'.repeat(64))).body).toEqual({ ok: true })
    expect(await key('b'.repeat(64))).toEqual({ status: 409, body: { error: 'Auth key already set' } })
  })

  test('pushes, pulls, lists and rolls back versions', async () => {
    const client = await start()
    const environment = 'production'
    expect((await client.signed('secrets/pull', { environment })).body.error).toBe('No secrets stored yet')
    expect((await client.signed('secrets/current-version', { environment })).body).toEqual({
      version: 0,
      updated_at: null,
    })
    const push = (secrets: string, more = {}) =>
      client.signed('secrets/push', { environment, secrets, ...more })
    expect((await push('one', { key_names: ['A', 'B'], key_count: 2 })).body).toEqual({ version: 1 })
    expect((await push('two')).body).toEqual({ version: 2 })
    expect((await client.signed('secrets/pull', { environment })).body).toEqual({
      secrets: 'two',
      version: 2,
    })
    const rolled = await client.signed('secrets/rollback', { environment, version: '1' })
    expect(rolled.body).toEqual({ version: 3 })
    expect((await client.signed('secrets/pull', { environment })).body).toEqual({
      secrets: 'one',
      version: 3,
    })
    const { versions } = (await client.signed('secrets/versions', { environment })).body
    expect(versions).toEqual([
      { version: 3, changed_keys: ['rollback_from_v1'], created_at: expect.any(String) },
      { version: 2, changed_keys: null, created_at: expect.any(String) },
      { version: 1, changed_keys: ['A', 'B'], created_at: expect.any(String) },
    ])
    expect((await client.signed('secrets/rollback', { environment, version: 9 })).body.error).toBe(
      'Version not found',
    )
    expect((await client.signed('secrets/pull', { environment: 'nowhere' })).body.error).toBe(
      'Environment not found',
    )
    // Any name is an environment once somebody has pushed to it.
    const other = await client.signed('secrets/push', { environment: 'preview/42', secrets: 'x' })
    expect(other.body).toEqual({ version: 1 })
  })

  test('gives parallel pushes versions of their own, without gaps', async () => {
    const client = await start()
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        client.signed('secrets/push', { environment: 'development', secrets: `blob ${index}` }),
      ),
    )
    expect(answers.map(({ body }) => body.version).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 24 }, (_, index) => index + 1),
    )
  })

  test('lets only approved devices through, once there is one', async () => {
    const client = await start()
    const environment = 'development'
    const [first, second] = [deviceHash(makeDeviceSecret()), deviceHash(makeDeviceSecret())]
    expect((await client.signed('secrets/push', { environment, secrets: 'x' })).status).toBe(200)
    expect((await client.signed('devices/register', { device_name: 'laptop' })).body.error).toBe(
      'project_id, device_name, and device_hash required',
    )
    const register = (name: string, hash: string) =>
      client.signed('devices/register', { device_name: name, device_hash: hash })
    expect((await register('laptop', first)).body.status).toBe('approved')
    const waiting = (await register('desktop', second)).body
    expect(waiting.status).toBe('pending')
    expect((await register('desktop again', second)).body).toEqual(waiting)
    const pull = (hash?: string) => client.signed('secrets/pull', { environment, device_hash: hash })
    expect((await pull()).body.error).toBe('Device not registered or revoked')
    expect((await pull(second)).body.error).toBe('Device pending approval')
    expect((await pull(first)).status).toBe(200)
    const id = waiting.device_id
    expect((await client.signed('devices/approve', { device_id: id })).body).toEqual({
      device_id: id,
      status: 'approved',
    })
    expect((await pull(second)).status).toBe(200)
    expect((await client.signed('devices/revoke', { device_id: id })).body.status).toBe('revoked')
    expect((await pull(second)).body.error).toBe('Device not registered or revoked')
    expect((await register('desktop', second)).body.status).toBe('revoked')
    expect((await client.signed('devices/approve', { device_id: 'nobody' })).body.error).toBe(
      'Device not found',
    )
    const { devices } = (await client.signed('devices/list')).body
    expect(devices).toHaveLength(2)
    expect(JSON.stringify(devices)).not.toContain(first)
  })

  test('refuses wrong, old and repeated signatures', async () => {
    const client = await start()
    const text = JSON.stringify({ project_id: client.projectId, environment: 'development', secrets: 'x' })
    const sign = (now: number, key = client.key) => ({
      'X-Vault-Signature': signRequest(text, authKey(key), now),
    })
    const unauthorized = { status: 401, body: { error: 'Unauthorized' } }
    expect(await client.send('secrets/push', text)).toEqual(unauthorized)
    expect(await client.send('secrets/push', text, sign(Date.now(), 'vk_other_key'))).toEqual(unauthorized)
    expect(await client.send('secrets/push', text, sign(Date.now() - 301_000))).toEqual(unauthorized)
    expect(await client.send('secrets/push', text, sign(Date.now() + 70_000))).toEqual(unauthorized)
    expect(await client.send('secrets/push', `${text} `, sign(Date.now()))).toEqual(unauthorized)
    const once = sign(Date.now())
    expect((await client.send('secrets/push', text, once)).status).toBe(200)
    expect(await client.send('secrets/push', text, once)).toEqual(unauthorized)
    // Reading twice is no harm, and clients do it within one millisecond.
    const pull = JSON.stringify({ project_id: client.projectId, environment: 'development' })
    const header = { 'X-Vault-Signature': signRequest(pull, authKey(client.key), Date.now()) }
    for (let time = 0; time < 2; time++)
      expect((await client.send('secrets/pull', pull, header)).status).toBe(200)
  })

  test('answers 400 to what is malformed, and says nothing of what it got', async () => {
    const client = await start()
    const bad: Record<string, unknown>[] = [
      { environment: 'development' },
      { secrets: 'x' },
      { environment: 7, secrets: 'x' },
      { environment: 'a\0b', secrets: 'x' },
      { environment: '\ud800', secrets: 'x' },
      { environment: 'development', secrets: { a: 1 } },
      { environment: 'development', secrets: 'x', key_names: 'A' },
    ]
    for (const body of bad)
      expect([body, (await client.signed('secrets/push', body)).status]).toEqual([body, 400])
    for (const version of [undefined, 'x', 1.5, -1, null, 1e99, {}])
      expect((await client.signed('secrets/rollback', { environment: 'development', version })).status).toBe(
        400,
      )
    for (const text of ['', '{', '[]', 'null', '"x"'])
      expect((await client.send('secrets/pull', text)).status).toBe(400)
    const large = await client.signed('secrets/push', {
      environment: 'development',
      secrets: 'x'.repeat(5_000_000),
    })
    expect(large).toEqual({ status: 413, body: { error: 'Body too large' } })
    const fits = await client.signed('secrets/push', {
      environment: 'development',
      secrets: 'x'.repeat(2_100_000),
    })
    expect(fits.status).toBe(200)
  })

  test('a strict server lets nobody approve themselves', async () => {
    const strict = await serve({ port: 0, databaseUrl: databaseUrl(), strict: true, rateLimit: 0 })
    try {
      const client = await new WireClient(strict.url).start()
      const [first, second] = [deviceHash(makeDeviceSecret()), deviceHash(makeDeviceSecret())]
      await client.signed('devices/register', { device_name: 'a', device_hash: first })
      const { device_id: id } = (
        await client.signed('devices/register', { device_name: 'b', device_hash: second })
      ).body
      const approve = (hash?: string) =>
        client.signed('devices/approve', { device_id: id, device_hash: hash })
      expect((await approve()).status).toBe(403)
      expect((await approve(second)).status).toBe(403)
      expect((await approve(first)).status).toBe(200)
      await client.signed('secrets/push', { environment: 'development', secrets: 'x', device_hash: first })
      const rollback = (hash?: string) =>
        client.signed('secrets/rollback', { environment: 'development', version: 1, device_hash: hash })
      expect((await rollback()).status).toBe(403)
      expect((await rollback(second)).status).toBe(200)
    } finally {
      await strict.close()
    }
  })

  test('slows down who asks too often', async () => {
    const slow = await serve({ port: 0, databaseUrl: databaseUrl(), rateLimit: 5 })
    try {
      const client = await new WireClient(slow.url).start()
      const answers: number[] = []
      for (let time = 0; time < 7; time++) answers.push((await client.signed('devices/list')).status)
      expect(answers.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2)
      // Another project is not held up by it.
      const other = await new WireClient(server.url).start()
      expect((await other.signed('devices/list')).status).toBe(200)
    } finally {
      await slow.close()
    }
  })
})

test('a database address that cannot be is told without what stands in it', async () => {
  await expect(serve({ port: 0, databaseUrl: 'mysql://u:geheim@h/x' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.not.stringContaining('geheim'),
  })
  await expect(serve({ port: 0, databaseUrl: 'postgres://u:geheim@127.0.0.1:1/x' })).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.not.stringContaining('geheim'),
  })
})
