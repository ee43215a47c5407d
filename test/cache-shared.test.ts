import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { createStorage } from 'unstorage'
import memory from 'unstorage/drivers/memory'
import redisDriver from 'unstorage/drivers/redis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { createSecrets, type SecretsOptions } from '../src/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { holding, makeProject, type Project, recordingLogger } from './support/core.ts'
import { type Redis as RedisServer, startRedis } from './support/redis.ts'
import { freePort } from './support/servers.ts'
import { filesBelow } from './support/workspace.ts'

let server: RedisServer
let client: Redis
let project: Project
let logger: ReturnType<typeof recordingLogger>
const values: [string, string] = [canary(), canary()]

beforeAll(async () => {
  server = await startRedis(inject('servers').programs.redis)
  client = new Redis(server.url)
})

afterAll(async () => {
  client.disconnect()
  await server.stop()
})

beforeEach(() => {
  project = makeProject()
  logger = recordingLogger()
  vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('hex'))
})

afterEach(async () => {
  expect(canariesIn(logger.lines.join('\n'), values)).toEqual([])
  expect(canaryFiles(project.root, values)).toEqual([])
  await client.flushall()
  vi.unstubAllEnvs()
  project.remove()
})

const machine = (more: SecretsOptions = {}) =>
  createSecrets({
    root: project.root,
    logger,
    environment: 'production',
    providers: { p: holding({ doc: { a: values[0], b: values[1] } }) },
    secrets: { A: 'p:doc#a', B: 'p:doc#b' },
    ...more,
    cache: { ttl: '1h', storage: { driver: 'redis', url: server.url }, ...more.cache },
  })

/** A machine with a device secret and a path of its own, as in a fleet. */
function another(name: string): void {
  vi.stubEnv('XDG_CONFIG_HOME', join(project.root, '..', name, 'config'))
  vi.stubEnv('XDG_CACHE_HOME', join(project.root, '..', name, 'cache'))
}

async function everything(): Promise<[string, string][]> {
  const keys = await client.keys('*')
  return Promise.all(keys.map(async (key): Promise<[string, string]> => [key, (await client.get(key)) ?? '']))
}

describe('a cache on a real Redis', () => {
  it('is read by another machine with the same SECRETS_KEY, and nobody is asked there', async () => {
    const firstKey = process.env.SECRETS_KEY!
    const first = await machine()
    await first.load()
    await first.close()
    const elsewhere = makeProject()
    try {
      const empty = holding({})
      vi.stubEnv('CI', 'true')
      vi.stubEnv('SECRETS_KEY', firstKey)
      const second = await machine({ root: elsewhere.root, providers: { p: empty } })
      const snapshot = await second.load()
      await second.close()
      expect(snapshot.get('A')?.reveal()).toBe(values[0])
      expect(empty.calls).toEqual([])
      expect(logger.warnings).toEqual([])
    } finally {
      elsewhere.remove()
    }
  })

  it('holds sealed text under keyed names, and nothing else', async () => {
    const secrets = await machine()
    await secrets.load()
    await secrets.close()
    const all = await everything()
    expect(all).toHaveLength(1)
    const [[key, text]] = all as [[string, string]]
    expect(key).toMatch(/^unplugin-secrets:[0-9a-f]{32}\.sealed$/)
    expect(Buffer.from(text, 'base64').subarray(0, 6)).toEqual(Buffer.from('USEC\x01\x05'))
    const shown = key + text + Buffer.from(text, 'base64').toString('latin1')
    expect(canariesIn(shown, values)).toEqual([])
    for (const word of ['production', 'doc', project.root, 'memory']) expect(shown).not.toContain(word)
    // Neither values nor a sealed file are on this machine.
    expect(filesBelow(join(project.root, '..')).filter((file) => file.endsWith('.sealed'))).toEqual([])
  })

  it('is told apart by key and environment, and what was changed there is not used', async () => {
    for (const more of [{}, { environment: 'development' }, { profile: 'f', profiles: { f: {} } }]) {
      const secrets = await machine(more)
      await secrets.load()
      await secrets.close()
    }
    expect(await everything()).toHaveLength(3)
    const key = process.env.SECRETS_KEY!
    vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('hex'))
    const stranger = holding({ doc: { a: 'x', b: 'y' } })
    const other = await machine({ providers: { p: stranger } })
    await other.load()
    await other.close()
    expect(stranger.calls).toHaveLength(1)
    vi.stubEnv('SECRETS_KEY', key)
    for (const [name, text] of await everything()) {
      const bytes = Buffer.from(text, 'base64')
      bytes[60]! ^= 1
      await client.set(name, bytes.toString('base64'))
    }
    const p = holding({ doc: { a: values[0], b: values[1] } })
    const again = await machine({ providers: { p } })
    await again.load()
    await again.close()
    expect(p.calls).toHaveLength(1)
    expect(logger.warnings).toEqual([expect.stringContaining('damaged')])
    for (const junk of ['', 'not base64 !', '{"a":1}', '5', 'null']) {
      for (const [name] of await everything()) await client.set(name, junk)
      const reader = await machine({ providers: { p } })
      expect((await reader.load()).get('A')?.reveal()).toBe(values[0])
      await reader.close()
    }
  })

  it('takes drivers and storages that somebody else made, and leaves them open', async () => {
    const driver = redisDriver({ url: server.url })
    const storage = createStorage({ driver: memory() })
    for (const given of [driver, storage]) {
      const p = holding({ doc: { a: values[0], b: values[1] } })
      for (let start = 0; start < 2; start++) {
        const secrets = await machine({ providers: { p }, cache: { storage: given } })
        await secrets.load()
        await secrets.close()
      }
      expect(p.calls).toHaveLength(1)
      const control = await (await machine({ providers: { p }, cache: { storage: given } })).cache()
      expect(await control.status()).toMatchObject({ place: 'the cache storage', values: 2 })
      await control.clear()
      expect(await control.status()).toMatchObject({ values: 0, newest: null })
    }
    await driver.dispose?.()
  })

  it('is sealed again with another SECRETS_KEY', async () => {
    const first = await machine()
    await first.load()
    await first.close()
    const [[oldName]] = (await everything()) as [[string, string]]
    vi.stubEnv('SECRETS_KEY_PREVIOUS', process.env.SECRETS_KEY!)
    vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('hex'))
    const control = await (await machine()).cache()
    expect(await control.rekey()).toEqual({ newKey: false, values: 2, removed: 1 })
    vi.stubEnv('SECRETS_KEY_PREVIOUS', '')
    const all = await everything()
    expect(all).toHaveLength(1)
    expect(all[0]![0]).not.toBe(oldName)
    const p = holding({})
    const secrets = await machine({ providers: { p } })
    expect((await secrets.load()).get('B')?.reveal()).toBe(values[1])
    await secrets.close()
    expect(p.calls).toEqual([])
  })

  it('that is down, hangs, or has no driver costs its help and one warning', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    const options = { retryStrategy: () => null, maxRetriesPerRequest: 0 }
    const password = canary()
    try {
      for (const storage of [
        { driver: 'redis', url: `redis://:${password}@127.0.0.1:${await freePort()}`, ...options },
        { driver: 'redis', url: `redis://127.0.0.1:${port}`, ...options },
        { driver: 'no-such-driver' },
        {
          getItem: () => {
            throw new Error(values[0])
          },
          setItem: () => {},
        },
      ]) {
        logger.warnings.length = 0
        const secrets = await machine({ cache: { storage } })
        expect((await secrets.load()).get('A')?.reveal()).toBe(values[0])
        await secrets.close()
        expect(logger.warnings.length).toBeGreaterThanOrEqual(1)
        expect(logger.warnings.length).toBeLessThanOrEqual(2)
        expect(logger.warnings[0]).toMatch(/cache storage/)
        expect(canariesIn(logger.lines.join('\n'), [password, ...values])).toEqual([])
      }
    } finally {
      silent.close()
    }
  })

  it('is not used in CI without SECRETS_KEY', async () => {
    vi.stubEnv('SECRETS_KEY', '')
    vi.stubEnv('CI', 'true')
    another('ci')
    const secrets = await machine()
    await secrets.load()
    await secrets.close()
    expect(await everything()).toEqual([])
  })
})
