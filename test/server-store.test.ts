import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import {
  authKey,
  deviceHash,
  encryptBlob,
  encryptionKey,
  makeDeviceSecret,
  signRequest,
} from '../src/core/crypto/vault-env.ts'
import { type Database, migrate } from '../src/server/database.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { openPostgres } from '../src/server/postgres.ts'
import { openSqlite } from '../src/server/sqlite.ts'
import { Store } from '../src/server/store.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { WireClient } from './support/vault-env.ts'

const folder = mkdtempSync(join(tmpdir(), 'vault-env-store-'))
let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres(inject('servers').programs.postgres)
})
afterAll(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(() => {
  vi.useRealTimers()
})

const TABLES = ['projects', 'environments', 'secret_versions', 'devices', 'audit_log', 'seen_signatures']
const all = (database: Database, table: string) => database.prepare(sql.raw(`SELECT * FROM ${table}`)).run()

const kinds = [
  ['SQLite', () => openSqlite(join(folder, 'vault.db')), () => `file:${join(folder, 'vault.db')}`],
  ['Postgres', () => openPostgres(postgres.url), () => postgres.url],
] as const

describe.each(kinds)('on %s', (_name, open, url) => {
  test('the schema is made once, however many servers start at the same moment', async () => {
    const databases = Array.from({ length: 5 }, open)
    await Promise.all(databases.map(migrate))
    const versions = await all(databases[0]!, 'schema_migrations')
    expect(versions.map(({ version }) => Number(version))).toEqual([1])
    for (const table of TABLES) expect(await all(databases[0]!, table)).toEqual([])
    // What a later release has made stays as it is.
    await databases[0]!.batch([sql`INSERT INTO schema_migrations (version) VALUES (2)`])
    await migrate(databases[1]!)
    await databases[0]!.batch([sql`DELETE FROM schema_migrations WHERE version = 2`])
    await Promise.all(databases.map((database) => database.close()))
  })

  test('a batch is all or nothing', async () => {
    const database = open()
    const made = sql`INSERT INTO projects (id, name, created_at) VALUES ('batch', 'x', 'now')`
    await expect(database.batch([made, made])).rejects.toThrow()
    expect(await all(database, 'projects')).toEqual([])
    await database.close()
  })

  test('a statement that has failed works the next time', async () => {
    const database = open()
    const insert = database.prepare(
      sql`INSERT INTO projects (id, name, created_at) VALUES (${sql.placeholder('id')}, 'x', 'now')`,
      'note',
    )
    await insert.together({ id: 'one' })
    for (const id of ['one', 'one']) await expect(insert.together({ id })).rejects.toThrow()
    await insert.together({ id: 'two' })
    expect(await all(database, 'projects')).toHaveLength(2)
    await database.batch([sql`DELETE FROM projects`])
    await database.close()
  })

  test('signatures are forgotten when they would be refused anyway', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const database = open()
    const store = new Store(database)
    const { id } = await store.createProject('x')
    const use = (digest: string) => store.firstUse(id, digest, Date.now() + 300_000)
    for (let index = 0; index < 10; index++) expect(await use(`one ${index}`)).toBe(true)
    expect(await use('one 3')).toBe(false)
    vi.setSystemTime(Date.now() + 290_000)
    expect(await use('one 3')).toBe(false)
    vi.setSystemTime(Date.now() + 70_000)
    expect(await use('two')).toBe(true)
    expect(await all(database, 'seen_signatures')).toHaveLength(1)
    await database.close()
  })

  test('two servers on one database know at once what the other one has done', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => serve({ port: 0, databaseUrl: url(), rateLimit: 0 })),
    )
    const client = await new WireClient(first!.url).start()
    const other = Object.assign(new WireClient(second!.url), { projectId: client.projectId, key: client.key })
    const environment = 'production'
    const pushes = Array.from({ length: 16 }, (_, index) =>
      (index % 2 ? client : other).signed('secrets/push', { environment, secrets: `${index}` }),
    )
    const versions = (await Promise.all(pushes)).map(({ body }) => Number(body.version))
    expect(versions.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, index) => index + 1))
    const hash = deviceHash(makeDeviceSecret())
    const device = await client.signed('devices/register', { device_name: 'x', device_hash: hash })
    const pull = () => other.signed('secrets/pull', { environment, device_hash: hash })
    expect((await pull()).status).toBe(200)
    await client.signed('devices/revoke', { device_id: device.body.device_id })
    expect((await pull()).status).toBe(403)
    // A signature that one has seen the other one refuses.
    const text = JSON.stringify({ project_id: client.projectId, device_id: device.body.device_id })
    const header = { 'X-Vault-Signature': signRequest(text, authKey(client.key), Date.now()) }
    expect((await client.send('devices/approve', text, header)).status).toBe(200)
    expect((await other.send('devices/approve', text, header)).status).toBe(401)
    await Promise.all([first!.close(), second!.close()])
  })

  test('a pull has what was written last, whoever wrote it, and is refused from the moment of a revocation', async () => {
    const servers = await Promise.all([1, 2].map(() => serve({ port: 0, databaseUrl: url(), rateLimit: 0 })))
    const client = await new WireClient(servers[0]!.url).start()
    const other = Object.assign(new WireClient(servers[1]!.url), {
      projectId: client.projectId,
      key: client.key,
    })
    const environment = 'production'
    const [hash, second] = [deviceHash(makeDeviceSecret()), deviceHash(makeDeviceSecret())]
    const pulls = async (of: WireClient, device = hash) => {
      const answers = await Promise.all(
        [1, 2, 3].map(() => of.signed('secrets/pull', { environment, device_hash: device })),
      )
      expect(new Set(answers.map(({ status, body }) => `${status} ${body.secrets}`)).size).toBe(1)
      return answers[0]!.body.secrets ?? answers[0]!.status
    }
    expect(await pulls(client)).toBe(404)
    const register = (device: string) =>
      client.signed('devices/register', { device_name: 'x', device_hash: device, environment })
    const { device_id } = (await register(hash)).body
    const database = open()
    for (let round = 0; round < 4; round++) {
      for (const [writer, name] of [
        [client, 'one'],
        [other, 'two'],
      ] as const) {
        await writer.signed('secrets/push', { environment, secrets: `${name} ${round}`, device_hash: hash })
        for (const reader of [client, other]) expect(await pulls(reader)).toBe(`${name} ${round}`)
      }
      await client.signed('secrets/rollback', { environment, version: 1 })
      for (const reader of [client, other]) expect(await pulls(reader)).toBe('one 0')
      const [by, against] = round % 2 ? [client, other] : [other, client]
      await by.signed('devices/revoke', { device_id })
      for (const reader of [against, by]) expect(await pulls(reader)).toBe(403)
      await by.signed('devices/approve', { device_id })
      for (const reader of [against, by]) expect(await pulls(reader)).toBe('one 0')
      // By hand, in the database itself.
      const set = (status: string) =>
        sql.raw(`UPDATE devices SET status = '${status}' WHERE id = '${device_id}'`)
      await database.batch([set('revoked')])
      for (const reader of [client, other]) expect(await pulls(reader)).toBe(403)
      await database.batch([set('approved')])
      for (const reader of [client, other]) expect(await pulls(reader)).toBe('one 0')
    }
    expect(await pulls(other, second)).toBe(403)
    const { device_id: secondId } = (await register(second)).body
    expect(await pulls(other, second)).toBe(403)
    await client.signed('devices/approve', { device_id: secondId })
    expect(await pulls(other, second)).toBe('one 0')
    await database.close()
    await Promise.all(servers.map((server) => server.close()))
  })

  test('a pull that is refused takes none of the others with it', async () => {
    const server = await serve({ port: 0, databaseUrl: url(), rateLimit: 0 })
    const client = await new WireClient(server.url).start()
    const own = { environment: 'production', device_hash: deviceHash(makeDeviceSecret()) }
    await client.signed('devices/register', { device_name: 'x', ...own })
    await client.signed('secrets/push', { ...own, secrets: 'x' })
    const wanted = Array.from(
      { length: 48 },
      (_, index) => [own, { ...own, device_hash: 'unknown' }, { ...own, environment: 'staging' }][index % 3]!,
    )
    const answers = await Promise.all(wanted.map((body) => client.signed('secrets/pull', body)))
    expect(answers.map(({ status }) => status)).toEqual(wanted.map((_, index) => [200, 403, 404][index % 3]))
    const database = open()
    const lines = (await all(database, 'audit_log')).filter(
      ({ project_id, action }) => project_id === client.projectId && action === 'pull',
    )
    expect(lines).toHaveLength(16)
    await database.close()
    await server.close()
  })

  test('every action is in the audit log before it is answered', async () => {
    const server = await serve({ port: 0, databaseUrl: url(), rateLimit: 0 })
    const client = await new WireClient(server.url).start()
    const environment = 'staging'
    await client.signed('secrets/push', { environment, secrets: 'x' })
    await client.signed('secrets/rollback', { environment, version: 1 })
    const pulls = Array.from({ length: 64 }, () => client.signed('secrets/pull', { environment }))
    await Promise.all(pulls)
    const hash = deviceHash(makeDeviceSecret())
    const { device_id } = (await client.signed('devices/register', { device_name: 'x', device_hash: hash }))
      .body
    await client.signed('devices/approve', { device_id })
    await client.signed('devices/revoke', { device_id })
    const database = open()
    const lines = (await all(database, 'audit_log')).filter(
      ({ project_id }) => project_id === client.projectId,
    )
    const count = (action: string) => lines.filter((line) => line.action === action).length
    expect(count('pull')).toBe(64)
    for (const action of ['push', 'rollback', 'device_register', 'device_approve', 'device_revoke'])
      expect([action, count(action)]).toEqual([action, 1])
    expect(lines[0]).toMatchObject({
      ip: expect.stringMatching(/127\.0\.0\.1$/),
      user_agent: 'node',
      created_at: expect.stringMatching(/Z$/),
    })
    expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length)
    await database.close()
    await server.close()
  })

  test('nothing but ciphertext, hashes, names and metadata is stored or printed', async () => {
    const printed: string[] = []
    for (const name of ['log', 'info', 'warn', 'error'] as const)
      vi.spyOn(console, name).mockImplementation((...parts) => void printed.push(parts.map(String).join(' ')))
    const server = await serve({ port: 0, databaseUrl: url(), rateLimit: 0 })
    const client = await new WireClient(server.url).start()
    const [value, device] = [canary(), makeDeviceSecret()]
    const environment = 'production'
    const own = { environment, device_hash: deviceHash(device) }
    await client.signed('devices/register', { device_name: 'laptop', ...own })
    const secrets = encryptBlob(JSON.stringify({ NAME: value }), encryptionKey(client.key, device))
    await client.signed('secrets/push', { ...own, secrets, key_names: ['NAME'] })
    expect((await client.signed('secrets/pull', own)).body.secrets).toBe(secrets)
    await client.send('secrets/push', JSON.stringify({ project_id: client.projectId, secrets: value }))
    const database = open()
    const rows = await Promise.all(TABLES.map((table) => all(database, table)))
    await database.close()
    await server.close()
    vi.restoreAllMocks()
    const hidden = [
      value,
      client.key,
      client.key.split('_')[2]!,
      device,
      encryptionKey(client.key, device).toString('hex'),
    ]
    expect(canariesIn(JSON.stringify(rows), hidden)).toEqual([])
    expect(canaryFiles(folder, hidden)).toEqual([])
    expect(canariesIn(printed.join('\n'), hidden)).toEqual([])
    expect(JSON.stringify(rows)).toContain(secrets)
  })
})

describe('stopping', () => {
  const start = () =>
    serve({ port: 0, databaseUrl: `file:${join(folder, `${randomUUID()}.db`)}`, rateLimit: 0 })
  /** A request of which only the first half has been sent. */
  async function half(server: RunningVaultServer): Promise<{ socket: Socket; rest: string }> {
    const body = JSON.stringify({ project_name: 'under way' })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    await once(socket, 'connect')
    const head = `POST /api/v1/project/create HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`
    socket.write(head + body.slice(0, 5))
    // The server has it once it has answered somebody who came later.
    await fetch(`${server.url}/health`)
    return { socket, rest: body.slice(5) }
  }

  test('lets requests under way end, and takes no new ones', async () => {
    const server = await start()
    const { socket, rest } = await half(server)
    const closed = server.close()
    await expect(fetch(`${server.url}/health`)).rejects.toThrow()
    socket.write(rest)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
    await closed
  })

  test('does not wait for ever', async () => {
    const server = await start()
    const { socket } = await half(server)
    const gone = once(socket, 'close')
    socket.on('error', () => undefined)
    await server.close(50)
    await gone
  })
})
