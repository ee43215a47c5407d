import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { serve } from '../src/server/index.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { testServer } from './support/vault-env-suite.ts'
import { startWorker } from './support/vault-env-worker.ts'

const folder = mkdtempSync(join(tmpdir(), 'vault-env-server-'))
let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres(inject('servers').programs.postgres)
})
afterAll(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
})

testServer({
  name: 'SQLite',
  start: ({ rateLimit = 0, ...more }) =>
    serve({ port: 0, databaseUrl: `file:${join(folder, 'vault.db')}`, rateLimit, ...more }),
  longest: 2_100_000,
})
testServer({
  name: 'Postgres',
  start: ({ rateLimit = 0, ...more }) => serve({ port: 0, databaseUrl: postgres.url, rateLimit, ...more }),
  longest: 2_100_000,
})
// A real workerd; D1 as Cloudflare's own local runtime has it.
testServer({
  name: 'Workers and D1',
  start: (options) => startWorker({ folder: join(folder, 'd1'), ...options }),
  longest: 1_800_000,
})

test('a database address that cannot be is told without what stands in it', async () => {
  await expect(serve({ port: 0, databaseUrl: 'mysql://u:geheim@h/x' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.not.stringContaining('geheim'),
  })
  const down = ['postgres://u:geheim@127.0.0.1:1/x', 'http://127.0.0.1:1/?authToken=geheim']
  for (const databaseUrl of down)
    await expect(serve({ port: 0, databaseUrl })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.not.stringContaining('geheim'),
    })
})

test('says when to come back, to each address by itself', async () => {
  const server = await serve({ port: 0, databaseUrl: 'file::memory:', rateLimit: 1 })
  try {
    const ask = () => fetch(`${server.url}/api/v1/project/create`, { method: 'POST', body: '{}' })
    expect((await ask()).status).toBe(400)
    const slower = await ask()
    expect(slower.status).toBe(429)
    expect(Number(slower.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(slower.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    // Every path below `/api/` counts, also one that is none.
    const statusOf = async (path: string): Promise<number> => (await fetch(`${server.url}${path}`)).status
    expect(await statusOf('/api/v1/nothing')).toBe(429)
    expect(await statusOf('/api/v1/health')).toBe(429)
    expect(await statusOf('/health')).toBe(200)
    const from = async (localAddress: string): Promise<number | undefined> => {
      const asking = request(`${server.url}/api/v1/project/create`, { method: 'POST', localAddress })
      asking.end('{}')
      const [answer] = (await once(asking, 'response')) as [IncomingMessage]
      answer.resume()
      return answer.statusCode
    }
    expect([await from('127.0.0.1'), await from('127.0.0.2'), await from('127.0.0.2')]).toEqual([
      429, 400, 429,
    ])
  } finally {
    await server.close()
  }
})
