import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { vaultEnv } from '../src/providers/vault-env/index.ts'
import { openPostgres } from '../src/server/postgres.ts'
import { openSqlite } from '../src/server/sqlite.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'
import { contextFor } from './support/workspace.ts'

const place = new CliPlace('cli-serve', await buildPackage('cli-serve-package'))
const KILLS = 20
const KILL_SECONDS = Number(process.env.KILL_SECONDS || 2.5)
const keys: string[] = []
/** By servers, about what went wrong. */
const said: string[] = []
let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres(inject('servers').programs.postgres)
})
afterAll(() => postgres.stop())

/** Waits for the line with the address. */
async function listening(child: ChildProcess): Promise<string> {
  let output = ''
  for await (const chunk of child.stdout!.setEncoding('utf8')) {
    output += chunk
    if (output.includes('\n')) return (JSON.parse(output) as { url: string }).url
  }
  throw new Error('the server ended before it listened')
}

const serving = (args: string[], env: Record<string, string> = {}) =>
  place.start(['serve', '--json', '--rate-limit', '0', ...args], { env })

describe('secrets serve', () => {
  it('keeps its data in a file of the working folder, and stops when it is told to', async () => {
    const child = serving(['--port', '0'])
    const url = await listening(child)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${url}/health`)).status).toBe(200)
    expect(statSync(join(place.root, 'vault-env.db')).isFile()).toBe(true)
    // Its clock is another process's, so ours can be off.
    const client = await new WireClient(url).start()
    const read = () =>
      vaultEnv({ url, key: client.key }).read([{ path: 'A', options: {} }], contextFor(place.root))
    expect(await read()).toEqual([undefined])
    for (const [skew, hint] of [
      [400_000, /clock is \d{3} s ahead/],
      [-400_000, /clock is \d{3} s behind/],
    ] as const) {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + skew })
      const refused = await read().catch((error) => error)
      vi.useRealTimers()
      expect(refused).toMatchObject({ code: 'LOGIN_REFUSED', hint: expect.stringMatching(hint) })
    }
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('tells what is wrong with its flags and its database, not the password in it', async () => {
    const flags = await place.run(['serve', '--port', '99999'])
    expect([flags.code, flags.stderr]).toEqual([2, expect.stringContaining('--port must be a number')])
    const port = await freePort()
    const password = place.secret(canary())
    const database = await place.run(['serve', '--port', '0'], {
      env: { DATABASE_URL: `postgres://u:${password}@127.0.0.1:${port}/x` },
    })
    expect(database.code).not.toBe(0)
    expect(database.stderr).toContain('The database does not open')
    const taken = await place.run(['serve', '--port', String(postgres.port)])
    expect(taken.stderr).toContain('Cannot listen on')
    expect(place.leaks()).toEqual([])
  })

  /**
   * 64 clients push and pull while the server is killed 20 times. What was acknowledged is there, and an
   * environment's versions have no gap and no double. A whole minute of it:
   * `KILL_SECONDS=60 npx vitest run test/cli-serve.test.ts`.
   */
  it.each([
    [
      'SQLite',
      () => `file:${join(place.root, 'killed.db')}`,
      () => openSqlite(join(place.root, 'killed.db')),
    ],
    ['Postgres', () => postgres.url, () => openPostgres(postgres.url)],
  ])('loses no acknowledged push when it is killed, on %s', { timeout: 300_000 }, async (name, url, open) => {
    const port = await freePort()
    const start = async () => {
      const child = serving(['--port', String(port)], { DATABASE_URL: url() })
      child.stderr!.setEncoding('utf8').on('data', (text: string) => said.push(text))
      return { child, url: await listening(child) }
    }
    let running = await start()
    const clients = await Promise.all(Array.from({ length: 8 }, () => new WireClient(running.url).start()))
    keys.push(...clients.map(({ key }) => key))
    const acknowledged = clients.map(() => new Map<number, string>())
    let isOver = false
    let serial = 0
    let pulls = 0
    const worker = async (index: number): Promise<void> => {
      const own = index % clients.length
      const client = clients[own]!
      while (!isOver) {
        try {
          const secrets = `blob ${index} ${serial++}`
          const { status, body } = await client.signed('secrets/push', { environment: 'production', secrets })
          if (status === 200) acknowledged[own]!.set(Number(body.version), secrets)
          const pulled = await client.signed('secrets/pull', { environment: 'production' })
          if (pulled.status === 200) pulls++
        } catch {
          // Killed under the request: nobody was told that it went well.
          await sleep(5)
        }
      }
    }
    const workers = Array.from({ length: 64 }, (_each, index) => worker(index))
    for (let round = 0; round < KILLS; round++) {
      await sleep((KILL_SECONDS * 1000 * (0.4 + Math.random() * 1.2)) / KILLS)
      const ended = once(running.child, 'exit')
      running.child.kill('SIGKILL')
      await ended
      running = await start()
    }
    const before = pulls
    while (pulls < before + 64) await sleep(20)
    isOver = true
    await Promise.all(workers)
    const ended = once(running.child, 'exit')
    running.child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])

    const database = open()
    const stored = database.prepare(sql`
      SELECT v.version, v.encrypted_blob FROM secret_versions v JOIN environments e ON e.id = v.environment_id
      WHERE e.project_id = ${sql.placeholder('project')} AND e.name = 'production' ORDER BY v.version`)
    const lines = database.prepare(sql`SELECT COUNT(*) AS count FROM audit_log WHERE action = 'pull'`)
    for (const [own, { projectId }] of clients.entries()) {
      const rows = await stored.run({ project: projectId })
      expect(rows.map(({ version }) => Number(version))).toEqual(rows.map((_row, index) => index + 1))
      const blobs = new Map(rows.map((row) => [Number(row.version), row.encrypted_blob]))
      expect(acknowledged[own]!.size).toBeGreaterThan(0)
      for (const [version, secrets] of acknowledged[own]!) expect(blobs.get(version)).toBe(secrets)
    }
    expect(Number((await lines.run())[0]?.count)).toBeGreaterThanOrEqual(pulls)
    await database.close()
    const pushes = acknowledged.reduce((sum, { size }) => sum + size, 0)
    if (process.env.KILL_SECONDS) console.log(`${name}: ${pushes} pushes, ${pulls} pulls, ${KILLS} kills`)
  })

  it('has written no key anywhere', () => {
    const files = readdirSync(place.root).filter((name) => /\.db/.test(name))
    expect(files.length).toBeGreaterThan(0)
    expect(keys.length).toBe(16)
    for (const name of files) {
      const bytes = readFileSync(join(place.root, name))
      expect([name, bytes.includes('vk_'), canariesIn(bytes, keys)]).toEqual([name, false, []])
    }
    expect(canariesIn(said.join(''), keys)).toEqual([])
  })
})
