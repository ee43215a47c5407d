import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { canary } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'

const place = new CliPlace('cli-serve', await buildPackage('cli-serve-package'))
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
   * 64 clients push and pull while the server is killed again and again. What was acknowledged is there, and
   * an environment's versions have no gap and no double.
   */
  it.each([
    ['SQLite', () => `file:${join(place.root, 'killed.db')}`],
    ['Postgres', () => postgres.url],
  ])('loses no acknowledged push when it is killed, on %s', async (_, databaseUrl) => {
    const port = await freePort()
    const env = { DATABASE_URL: databaseUrl() }
    const start = async () => {
      const child = serving(['--port', String(port)], env)
      return { child, url: await listening(child) }
    }
    let running = await start()
    const clients = await Promise.all(Array.from({ length: 8 }, () => new WireClient(running.url).start()))
    const acknowledged = clients.map(() => new Map<number, string>())
    let isOver = false
    let serial = 0
    const worker = async (index: number): Promise<void> => {
      const own = index % clients.length
      const client = clients[own]!
      while (!isOver) {
        try {
          const secrets = `blob ${index} ${serial++}`
          const { status, body } = await client.signed('secrets/push', { environment: 'production', secrets })
          if (status === 200) acknowledged[own]!.set(Number(body.version), secrets)
          await client.signed('secrets/pull', { environment: 'production' })
        } catch {
          // Killed under the request: nobody was told that it went well.
          await sleep(5)
        }
      }
    }
    const workers = Array.from({ length: 64 }, (_each, index) => worker(index))
    for (let round = 0; round < 20; round++) {
      await sleep(50 + Math.random() * 150)
      const ended = once(running.child, 'exit')
      running.child.kill('SIGKILL')
      await ended
      running = await start()
    }
    await sleep(200)
    isOver = true
    await Promise.all(workers)
    for (const [own, client] of clients.entries()) {
      const current = await client.signed('secrets/current-version', { environment: 'production' })
      const { version } = current.body as { version: number }
      expect(acknowledged[own]!.size).toBeGreaterThan(0)
      expect(Math.max(...acknowledged[own]!.keys())).toBeLessThanOrEqual(version)
      // Rolling back to a version is how one reads it; a gap would be "Version not found".
      for (const [number, secrets] of [...acknowledged[own]!].slice(-5)) {
        await client.signed('secrets/rollback', { environment: 'production', version: number })
        const pulled = await client.signed('secrets/pull', { environment: 'production' })
        expect(pulled.body.secrets).toBe(secrets)
      }
      for (let number = 1; number <= Math.min(version, 40); number++) {
        const answer = await client.signed('secrets/rollback', { environment: 'production', version: number })
        expect([number, answer.status]).toEqual([number, 200])
      }
    }
    const ended = once(running.child, 'exit')
    running.child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('has written no key anywhere', () => {
    const files = readdirSync(place.root).filter((name) => /\.db/.test(name))
    expect(files.length).toBeGreaterThan(0)
    for (const name of files) {
      const file = join(place.root, name)
      if (existsSync(file)) expect(readFileSync(file).includes('vk_')).toBe(false)
    }
  })
})
