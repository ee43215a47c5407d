import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { type Servers, startServer } from '../support/servers.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    servers: Servers
  }
}

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url))

async function answers(url: string, headers?: Record<string, string>): Promise<boolean> {
  const response = await fetch(url, { ...(headers && { headers }), signal: AbortSignal.timeout(2000) })
  await response.arrayBuffer()
  return response.ok
}

/** Runs once before all test files; what it returns runs after the last one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const prepared = spawnSync(process.execPath, [fromHere('prepare.mjs')], { stdio: ['ignore', 2, 2] })
  if (prepared.status !== 0) throw new Error('The test servers could not be prepared; see above.')
  const parts: Record<'bao' | 'moto' | 'python' | 'chromium' | 'redis' | 'postgres', string> = JSON.parse(
    readFileSync(fromHere('../../.test-servers/parts.json'), 'utf8'),
  )
  // A home of their own: neither may read or write what belongs to the person who runs the tests.
  const home = fromHere('../../.test-servers/home')
  mkdirSync(home, { recursive: true })
  const token = `root-${randomBytes(16).toString('hex')}`
  const starting = await Promise.allSettled([
    startServer({
      command: parts.bao,
      args: (port) => ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`],
      env: { HOME: home, BAO_DEV_ROOT_TOKEN_ID: token },
      // Healthy comes before mounted: asks for what the tests use.
      answers: (port) => answers(`http://127.0.0.1:${port}/v1/secret/config`, { 'X-Vault-Token': token }),
    }),
    startServer({
      command: parts.moto,
      args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
      env: { HOME: home },
      answers: (port) => answers(`http://127.0.0.1:${port}/moto-api/`),
    }),
  ])
  const running = starting.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const teardown = async () => {
    await Promise.all(running.map((server) => server.stop()))
  }
  for (const result of starting)
    if (result.status === 'rejected') {
      await teardown()
      throw result.reason
    }
  const [bao, moto] = running
  project.provide('servers', {
    bao: { url: `http://127.0.0.1:${bao!.port}`, token, binary: parts.bao },
    moto: { url: `http://127.0.0.1:${moto!.port}`, binary: parts.moto },
    chromium: parts.chromium,
    programs: { redis: parts.redis, postgres: parts.postgres, python: parts.python },
  })
  return teardown
}
