import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authKey, deviceHash, makeDeviceSecret, signRequest } from '../../src/core/crypto/vault-env.ts'
import { type Answer, WireClient } from './vault-env.ts'

/** A way to run the server. */
export interface ServerKind {
  readonly name: string
  start(options: { strict?: boolean; rateLimit?: number }): Promise<{ url: string; close(): Promise<void> }>
  /** The longest blob that it has to take, in bytes. */
  readonly longest: number
}

const unauthorized = { status: 401, body: { error: 'Unauthorized' } }
const hash = () => deviceHash(makeDeviceSecret())

/** What every way to run the server has to do. */
export function testServer(kind: ServerKind): void {
  describe(`the server on ${kind.name}`, () => {
    let server: Awaited<ReturnType<ServerKind['start']>>
    const start = (): Promise<WireClient> => new WireClient(server.url).start()
    beforeAll(async () => {
      server = await kind.start({})
    })
    afterAll(() => server.close())

    test('answers for its health at both addresses', async () => {
      for (const path of ['/health', '/api/v1/health']) {
        const response = await fetch(server.url + path)
        expect(response.status).toBe(200)
        expect(await response.json()).toEqual({ status: 'ok', ts: expect.any(Number) })
      }
      expect((await fetch(`${server.url}/health`, { method: 'POST', body: 'x' })).status).toBe(200)
    })

    test('says to browsers what they may do, and to everybody what is not there', async () => {
      for (const path of ['/api/v1/secrets/pull', '/anything']) {
        const options = await fetch(server.url + path, { method: 'OPTIONS' })
        expect(options.status).toBe(200)
        expect(await options.text()).toBe('')
        expect(options.headers.get('access-control-allow-methods')).toBe('POST, GET, OPTIONS')
        expect(options.headers.get('access-control-allow-headers')).toBe(
          'Content-Type, X-Vault-Signature, Authorization',
        )
      }
      const asks = [
        ['GET', '/api/v1/secrets/pull'],
        ['POST', '/api/v1/secrets/nothing'],
        ['PUT', '/api/v1/secrets/push'],
        ['GET', '/'],
      ] as const
      for (const [method, path] of asks) {
        const response = await fetch(server.url + path, { method })
        expect([path, response.status, await response.json()]).toEqual([path, 404, { error: 'Not found' }])
        expect(response.headers.get('access-control-allow-origin')).toBe('*')
        expect(response.headers.get('content-type')).toMatch(/^application\/json/)
      }
    })

    test('makes a project and takes its key once', async () => {
      const client = new WireClient(server.url)
      expect((await client.send('project/create', '{}')).body).toEqual({ error: 'project_name required' })
      const made = await client.send('project/create', JSON.stringify({ project_name: 'x' }))
      expect(made.body.environments).toEqual(['development', 'staging', 'production'])
      const key = (keyHash: string, id = made.body.project_id) =>
        client.send('project/set-key', JSON.stringify({ project_id: id, auth_key_hash: keyHash }))
      expect((await key('')).body).toEqual({ error: 'project_id and auth_key_hash required' })
      expect((await key('0'.repeat(64), 'nowhere')).status).toBe(404)
      expect((await key('not hex')).status).toBe(400)
      client.projectId = String(made.body.project_id)
      // Nobody can sign for a project that has no key.
      expect(await client.signed('devices/list')).toEqual(unauthorized)
      expect((await key('a'.repeat(64))).body).toEqual({ ok: true })
      expect(await key('b'.repeat(64))).toEqual({ status: 409, body: { error: 'Auth key already set' } })
    })

    test('pushes, pulls, lists and rolls back versions', async () => {
      const client = await start()
      const environment = 'production'
      const pull = () => client.signed('secrets/pull', { environment })
      expect((await pull()).body.error).toBe('No secrets stored yet')
      expect((await client.signed('secrets/current-version', { environment })).body).toEqual({
        version: 0,
        updated_at: null,
      })
      const push = (secrets: string, more = {}) =>
        client.signed('secrets/push', { environment, secrets, ...more })
      expect((await push('one', { key_names: ['A', 'B'], key_count: 2 })).body).toEqual({ version: 1 })
      expect((await push('two')).body).toEqual({ version: 2 })
      expect((await pull()).body).toEqual({ secrets: 'two', version: 2 })
      const rolled = await client.signed('secrets/rollback', { environment, version: '1' })
      expect(rolled.body).toEqual({ version: 3 })
      expect((await pull()).body).toEqual({ secrets: 'one', version: 3 })
      expect((await client.signed('secrets/current-version', { environment })).body).toEqual({
        version: 3,
        updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      })
      const { versions } = (await client.signed('secrets/versions', { environment })).body
      expect(versions).toEqual([
        { version: 3, changed_keys: ['rollback_from_v1'], created_at: expect.any(String) },
        { version: 2, changed_keys: null, created_at: expect.any(String) },
        { version: 1, changed_keys: ['A', 'B'], created_at: expect.any(String) },
      ])
      const missing = await client.signed('secrets/rollback', { environment, version: 9 })
      expect(missing).toEqual({ status: 404, body: { error: 'Version not found' } })
      for (const route of ['pull', 'current-version', 'versions']) {
        const nowhere = await client.signed(`secrets/${route}`, { environment: 'nowhere' })
        expect(nowhere).toEqual({ status: 404, body: { error: 'Environment not found' } })
      }
      // Any name is an environment once somebody has pushed to it.
      const other = await client.signed('secrets/push', { environment: 'preview/42 – ü', secrets: 'x' })
      expect(other.body).toEqual({ version: 1 })
    })

    test('lists the last 50 versions', async () => {
      const client = await start()
      const environment = 'staging'
      for (let index = 1; index <= 52; index++)
        await client.signed('secrets/push', { environment, secrets: `blob ${index}` })
      const { versions } = (await client.signed('secrets/versions', { environment })).body
      expect((versions as { version: number }[]).map(({ version }) => version)).toEqual(
        Array.from({ length: 50 }, (_, index) => 52 - index),
      )
    })

    test('gives parallel pushes versions of their own, without gaps', async () => {
      const client = await start()
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, index) =>
          client.signed('secrets/push', { environment: 'new', secrets: `blob ${index}` }),
        ),
      )
      expect(answers.map(({ body }) => body.version).sort((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: 24 }, (_, index) => index + 1),
      )
    })

    test('lets only approved devices through, once there is one', async () => {
      const client = await start()
      const environment = 'development'
      const [first, second] = [hash(), hash()]
      expect((await client.signed('secrets/push', { environment, secrets: 'x' })).status).toBe(200)
      expect((await client.signed('devices/register', { device_name: 'laptop' })).body.error).toBe(
        'project_id, device_name, and device_hash required',
      )
      const register = (name: string, device: string) =>
        client.signed('devices/register', { device_name: name, device_hash: device })
      expect((await register('laptop', first)).body.status).toBe('approved')
      const waiting = (await register('desktop', second)).body
      expect(waiting.status).toBe('pending')
      expect((await register('desktop again', second)).body).toEqual(waiting)
      const pull = (device?: string) => client.signed('secrets/pull', { environment, device_hash: device })
      const push = (device?: string) =>
        client.signed('secrets/push', { environment, secrets: 'y', device_hash: device })
      for (const route of [pull, push]) {
        expect((await route()).body.error).toBe('Device not registered or revoked')
        expect((await route(second)).body.error).toBe('Device pending approval')
      }
      expect((await pull(first)).status).toBe(200)
      const id = waiting.device_id
      expect((await client.signed('devices/approve', { device_id: id })).body).toEqual({
        device_id: id,
        status: 'approved',
      })
      expect((await pull(second)).status).toBe(200)
      expect((await push(second)).status).toBe(200)
      expect((await client.signed('devices/revoke', { device_id: id })).body.status).toBe('revoked')
      for (const route of [pull, push])
        expect((await route(second)).body.error).toBe('Device not registered or revoked')
      expect((await register('desktop', second)).body.status).toBe('revoked')
      for (const action of ['approve', 'revoke'])
        expect((await client.signed(`devices/${action}`, { device_id: 'nobody' })).body.error).toBe(
          'Device not found',
        )
      const { devices } = (await client.signed('devices/list')).body
      expect(devices).toHaveLength(2)
      const laptop = (devices as Record<string, unknown>[]).find(({ status }) => status === 'approved')
      expect(laptop).toEqual({
        id: expect.any(String),
        device_name: 'laptop',
        status: 'approved',
        created_at: expect.any(String),
        approved_at: expect.any(String),
        last_seen_at: expect.any(String),
      })
      expect(JSON.stringify(devices)).not.toContain(first)
      // Another project's devices are none of ours.
      const stranger = await start()
      expect((await stranger.signed('devices/revoke', { device_id: laptop?.id })).status).toBe(404)
      expect((await pull(first)).status).toBe(200)
    })

    test('approves one of many that register at once', async () => {
      const client = await start()
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          client.signed('devices/register', { device_name: 'x', device_hash: hash() }),
        ),
      )
      expect(answers.filter(({ body }) => body.status === 'approved')).toHaveLength(1)
    })

    test('refuses wrong, old and future signatures', async () => {
      const client = await start()
      const text = JSON.stringify({
        project_id: client.projectId,
        environment: 'development',
        secrets: 'x',
      })
      const sign = (now: number, key = client.key) => ({
        'X-Vault-Signature': signRequest(text, authKey(key), now),
      })
      const push = (header?: Record<string, string>, body = text) => client.send('secrets/push', body, header)
      expect(await push()).toEqual(unauthorized)
      expect(await push({ 'X-Vault-Signature': 'v=1,d=zz' })).toEqual(unauthorized)
      expect(await push(sign(Date.now(), 'vk_other_key'))).toEqual(unauthorized)
      expect(await push(sign(Date.now() - 301_000))).toEqual(unauthorized)
      expect(await push(sign(Date.now() + 70_000))).toEqual(unauthorized)
      expect(await push(sign(Date.now()), `${text} `)).toEqual(unauthorized)
      expect((await push(sign(Date.now() - 280_000))).status).toBe(200)
      expect((await push(sign(Date.now() + 40_000))).status).toBe(200)
      // As it may be written: other order, spaces, capital letters, parts that nobody knows.
      const [time, digest] = sign(Date.now() - 7)['X-Vault-Signature'].split(',') as [string, string]
      const odd = ` d = ${digest.slice(2).toUpperCase()} , x=y, ${time} `
      expect((await push({ 'X-Vault-Signature': odd })).status).toBe(200)
    })

    test('what changes something takes a signature once; what reads takes it again', async () => {
      const client = await start()
      const environment = 'development'
      await client.signed('secrets/push', { environment, secrets: 'x' })
      const twice = async (route: string, body: Record<string, unknown>): Promise<Answer[]> => {
        const text = JSON.stringify({ project_id: client.projectId, ...body })
        const header = { 'X-Vault-Signature': signRequest(text, authKey(client.key), Date.now()) }
        return [await client.send(route, text, header), await client.send(route, text, header)]
      }
      const device = hash()
      const [registered] = await twice('devices/register', { device_name: 'a', device_hash: device })
      const id = registered!.body.device_id
      const changing = [
        ['secrets/push', { environment, secrets: 'x', device_hash: device }],
        ['secrets/rollback', { environment, version: 1, device_hash: device }],
        ['devices/register', { device_name: 'b', device_hash: hash() }],
        ['devices/revoke', { device_id: id }],
        ['devices/approve', { device_id: id }],
      ] as const
      for (const [route, body] of changing) {
        const [once, again] = await twice(route, body)
        expect([route, once?.status, again]).toEqual([route, 200, unauthorized])
      }
      const reading = [
        ['secrets/pull', { environment, device_hash: device }],
        ['secrets/versions', { environment }],
        ['secrets/current-version', { environment }],
        ['devices/list', {}],
      ] as const
      for (const [route, body] of reading) {
        const [once, again] = await twice(route, body)
        expect([route, once?.status, again]).toEqual([route, 200, once])
      }
    })

    test('answers 400 to what is malformed', async () => {
      const client = await start()
      const long = 'x'.repeat(256)
      const bad: [route: string, body: Record<string, unknown>][] = [
        ['secrets/push', { environment: 'development' }],
        ['secrets/push', { secrets: 'x' }],
        ['secrets/push', { environment: 7, secrets: 'x' }],
        ['secrets/push', { environment: 'a\0b', secrets: 'x' }],
        ['secrets/push', { environment: '\ud800', secrets: 'x' }],
        ['secrets/push', { environment: long, secrets: 'x' }],
        ['secrets/push', { environment: 'development', secrets: { a: 1 } }],
        ['secrets/push', { environment: 'development', secrets: 'x', key_names: 'A' }],
        ['secrets/push', { environment: 'development', secrets: 'x', device_hash: [] }],
        ['secrets/pull', {}],
        ['secrets/pull', { environment: ['development'] }],
        ['secrets/versions', { environment: '' }],
        ['secrets/current-version', { environment: null }],
        ['devices/register', { device_name: long, device_hash: 'x' }],
        ['devices/register', { device_name: 'x', device_hash: 1 }],
        ['devices/approve', {}],
        ['devices/revoke', { device_id: {} }],
        ['reveal-token/validate', {}],
        ...[undefined, 'x', 1.5, -1, null, 1e99, {}].map((version): (typeof bad)[number] => [
          'secrets/rollback',
          { environment: 'development', version },
        ]),
      ]
      for (const [route, body] of bad) {
        const { status, body: said } = await client.signed(route, body)
        expect([route, body, status, said]).toEqual([route, body, 400, { error: expect.any(String) }])
      }
      for (const text of ['', '{', '[]', 'null', '"x"', '['.repeat(100_000)])
        for (const route of ['secrets/pull', 'project/create', 'project/set-key'])
          expect((await client.send(route, text)).status).toBe(400)
      expect((await client.send('secrets/pull', '{"project_id": 7}')).status).toBe(400)
      expect((await client.send('secrets/pull', '{}')).body.error).toBe('Project not found')
      const token = await client.signed('reveal-token/validate', { token: 'x' })
      expect(token.body).toEqual({ valid: false, reason: 'not_found' })
    })

    test('takes long blobs, and refuses longer bodies', async () => {
      const client = await start()
      const environment = 'development'
      const secrets = 'x'.repeat(kind.longest)
      expect((await client.signed('secrets/push', { environment, secrets })).status).toBe(200)
      expect((await client.signed('secrets/pull', { environment })).body.secrets).toBe(secrets)
      const tooLarge = { status: 413, body: { error: 'Body too large' } }
      const text = JSON.stringify({ environment, secrets: 'x'.repeat(5_000_000) })
      expect(await client.send('secrets/push', text)).toEqual(tooLarge)
      // The same without a length that could be believed.
      const response = await fetch(`${server.url}/api/v1/secrets/push`, {
        method: 'POST',
        body: new Blob([text]).stream(),
        duplex: 'half',
      } as RequestInit)
      expect(response.status).toBe(413)
    })

    test('a strict server lets nobody approve themselves', async () => {
      const strict = await kind.start({ strict: true })
      try {
        const client = await new WireClient(strict.url).start()
        const [first, second] = [hash(), hash()]
        const environment = 'development'
        const rollback = (device?: string) =>
          client.signed('secrets/rollback', { environment, version: 1, device_hash: device })
        await client.signed('secrets/push', { environment, secrets: 'x' })
        // Not even while there is no device yet.
        expect((await rollback()).status).toBe(403)
        await client.signed('devices/register', { device_name: 'a', device_hash: first })
        const { device_id: id } = (
          await client.signed('devices/register', { device_name: 'b', device_hash: second })
        ).body
        const change = (action: string, device?: string) =>
          client.signed(`devices/${action}`, { device_id: id, device_hash: device })
        expect((await change('approve')).status).toBe(403)
        expect((await change('approve', second)).status).toBe(403)
        expect((await rollback(second)).status).toBe(403)
        expect((await change('approve', first)).status).toBe(200)
        expect((await rollback()).status).toBe(403)
        expect((await rollback(second)).status).toBe(200)
        expect((await change('revoke')).status).toBe(403)
        expect((await change('revoke', first)).status).toBe(200)
        expect((await rollback(second)).status).toBe(403)
      } finally {
        await strict.close()
      }
    })

    test('slows down who asks too often, for each project by itself', async () => {
      const slow = await kind.start({ rateLimit: 5 })
      try {
        const [client, other] = [new WireClient(slow.url), new WireClient(slow.url)]
        await client.start()
        await other.start()
        const asked: Answer[] = []
        for (let time = 0; time < 8; time++) asked.push(await client.signed('devices/list'))
        expect(asked.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(5)
        expect(asked.at(-1)).toEqual({ status: 429, body: { error: 'Too many requests' } })
        // Another project is not held up by it.
        expect((await other.signed('devices/list')).status).toBe(200)
        // Ids that somebody made up are counted together.
        const made = []
        for (let time = 0; time < 8; time++)
          made.push(await client.send('secrets/pull', `{"project_id":"made-up-${time}"}`))
        expect(made.at(-1)?.status).toBe(429)
      } finally {
        await slow.close()
      }
    })
  })
}
