import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { createApp } from '../src/server/app.ts'
import { type Database, migrate } from '../src/server/database.ts'
import { serve } from '../src/server/index.ts'
import { openPostgres } from '../src/server/postgres.ts'
import { openSqlite } from '../src/server/sqlite.ts'
import { Store } from '../src/server/store.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { Fuzz, type Send, shapes } from './support/vault-env-fuzz.ts'
import { startWorker } from './support/vault-env-worker.ts'

/** The whole is `FUZZ_REQUESTS=100000 npx vitest run test/server-fuzz.test.ts`. */
const REQUESTS = Number(process.env.FUZZ_REQUESTS || 8000)
const timeout = 600_000
const folder = mkdtempSync(join(tmpdir(), 'vault-env-fuzz-'))
let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres(inject('servers').programs.postgres)
})
afterAll(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void
/** MB that are still held. Requests and answers of Node go only when their finalizers have had a turn. */
async function heap(): Promise<number> {
  for (let turn = 0; turn < 4; turn++) {
    collect()
    await sleep(50)
  }
  return process.memoryUsage().heapUsed / 2 ** 20
}

function inProcess(database: Database): Send {
  const app = createApp({ store: new Store(database) })
  return async ({ method, path, headers, body }) => {
    const hasBody = !['GET', 'HEAD'].includes(method)
    const response = await app.request(path, { method, headers, ...(hasBody && { body }) })
    return { status: response.status, text: await response.text() }
  }
}

/** Every row that is there. */
async function counts(database: Database): Promise<Record<string, number>> {
  const tables = ['projects', 'environments', 'secret_versions', 'devices', 'audit_log', 'seen_signatures']
  const rows = tables.map(async (table): Promise<[string, number]> => {
    const query = database.prepare(sql.raw(`SELECT COUNT(*) AS count FROM ${table}`))
    return [table, Number((await query.run())[0]!.count)]
  })
  return Object.fromEntries(await Promise.all(rows))
}

/** Nothing has come into the database but what the server has said. */
async function expectNoMore(database: Database, fuzz: Fuzz): Promise<void> {
  const { projects, environments, versions, devices, audited, claimed } = fuzz.acknowledged
  const { seen_signatures: remembered, ...rows } = await counts(database)
  // Those of a long run are forgotten again.
  expect(remembered).toBeLessThanOrEqual(claimed)
  expect(rows).toEqual({
    projects,
    environments: environments + fuzz.madeEnvironments(),
    secret_versions: versions,
    devices,
    audit_log: audited,
  })
  expect(versions).toBeGreaterThan(0)
  for (const status of [200, 400, 401, 403, 404]) expect(fuzz.statuses.get(status)).toBeGreaterThan(0)
}

const post = (head: string, body = '') =>
  `POST /api/v1/secrets/pull HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${body}`
const NO_HTTP = [
  '\0\0\0\0',
  'POST\r\n\r\n',
  'GET /health\r\n\r\n',
  'GET \\\\health HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /health HTTP/1.1\r\n\r\n',
  'GET http://other/health HTTP/1.1\r\nHost: a b\r\n\r\n',
  'TRACE /api/v1/secrets/pull HTTP/1.1\r\nHost: x\r\n\r\n',
  'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  post(`X-Vault-Signature: ${'v=1,'.repeat(6000)}`),
  post('Content-Length: -1', '{}'),
  post('Content-Length: 999', '{}'),
  post('Content-Length: 1', '{}{}{}'),
  post('Content-Length: 99999999999999999999', '{}'),
  post('Content-Length: 2\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
  post('Transfer-Encoding: chunked', 'zz\r\n{}\r\n'),
  post('Transfer-Encoding: chunked', '2\r\n{}\r\n'),
  post('Content-Length: 2', '{}').repeat(20),
]

/** Sends bytes, ends its side, and reads what comes. */
function talk(url: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end(bytes, 'latin1'))
    socket.setEncoding('latin1').on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', () => resolve(answer))
    socket.on('close', () => resolve(answer))
  })
}

const said = vi.spyOn(console, 'error')

test(`${REQUESTS} requests: nothing but what the API answers, and nothing grows`, {
  timeout: 600_000,
}, async () => {
  const database = openSqlite(':memory:')
  await migrate(database)
  const fuzz = await new Fuzz(inProcess(database)).start()
  const round = (numRuns: number) =>
    fc.assert(
      fc.asyncProperty(shapes, (shape) => fuzz.run(shape)),
      { numRuns },
    )
  // What is compiled and cached once has been by then.
  await round(Math.ceil(REQUESTS / 5))
  const before = await heap()
  for (let part = 0; part < 4; part++) await round(Math.ceil(REQUESTS / 5))
  const grown = (await heap()) - before
  expect(grown).toBeLessThan(8)
  if (process.env.FUZZ_REQUESTS) console.log(`grown by ${grown.toFixed(1)} MB`, fuzz.statuses)
  await expectNoMore(database, fuzz)
  await database.close()
})

test('the same on Postgres', { timeout }, async () => {
  const database = openPostgres(postgres.url)
  await migrate(database)
  const fuzz = await new Fuzz(inProcess(database)).start()
  await fc.assert(
    fc.asyncProperty(shapes, (shape) => fuzz.run(shape)),
    { numRuns: Math.ceil(REQUESTS / 10) },
  )
  await expectNoMore(database, fuzz)
  await database.close()
})

function overHttp(url: string): Send {
  return async ({ method, path, headers, body }) => {
    const hasBody = !['GET', 'HEAD'].includes(method)
    const response = await fetch(url + path, { method, headers, ...(hasBody && { body }) })
    return { status: response.status, text: await response.text() }
  }
}

/** Eight clients at once. */
async function runAtOnce(fuzz: Fuzz, requests: number): Promise<void> {
  const client = () =>
    fc.assert(
      fc.asyncProperty(shapes, (shape) => fuzz.run(shape)),
      { numRuns: Math.ceil(requests / 8) },
    )
  await Promise.all(Array.from({ length: 8 }, client))
}

test('through the real server, also what is no HTTP', { timeout }, async () => {
  const databaseUrl = `file:${join(folder, 'served.db')}`
  const server = await serve({ port: 0, databaseUrl, rateLimit: 0 })
  const database = openSqlite(join(folder, 'served.db'))
  try {
    const fuzz = await new Fuzz(overHttp(server.url)).start()
    await runAtOnce(fuzz, REQUESTS / 15)
    for (const bytes of NO_HTTP) expect(await talk(server.url, bytes)).not.toMatch(/^HTTP\/1\.1 500/)
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
    await expectNoMore(database, fuzz)
  } finally {
    await database.close()
    await server.close()
  }
})

test('through the Worker', { timeout }, async () => {
  const worker = await startWorker({ folder: join(folder, 'd1') })
  try {
    const send = overHttp(worker.url)
    // workerd closes a connection whose request it has answered before the end of the body: asked again on another one.
    const fuzz = await new Fuzz((request) => send(request).catch(() => send(request))).start()
    await runAtOnce(fuzz, REQUESTS / 30)
    expect(fuzz.acknowledged.versions).toBeGreaterThan(0)
  } finally {
    await worker.close()
  }
})

test('no failure was logged', () => {
  expect(said.mock.calls).toEqual([])
})
