import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CacheEntry, openCache, type SecretCache } from '../src/core/cache/index.ts'
import { deriveKey, deviceKeyFile, loadKeys } from '../src/core/crypto/keys.ts'
import { seal } from '../src/core/crypto/seal.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { bundleScript, runScript } from './support/child.ts'
import { filesBelow, makeWorkspace, type Workspace } from './support/workspace.ts'

let place: Workspace
let warnings: string[]
const secrets: string[] = []

beforeEach(() => {
  place = makeWorkspace()
  warnings = []
})

afterEach(() => {
  expect(canariesIn(warnings.join('\n'), secrets)).toEqual([])
  expect(canaryFiles(place.folder, secrets)).toEqual([])
  secrets.length = 0
  vi.unstubAllEnvs()
  place.remove()
})

function openIt(more: Partial<Parameters<typeof openCache>[0]> = {}): SecretCache {
  const { root } = place
  return openCache({
    root,
    profile: undefined,
    environment: 'development',
    warn: (message) => warnings.push(message),
    ...more,
  })
}

function entry(text = canary()): CacheEntry {
  secrets.push(text)
  return { kind: 'text', text, fetchedAt: Date.now() }
}

function name(): string {
  const made = `vault:${canary('name')}`
  secrets.push(made)
  return made
}

const all = async (cache: SecretCache) => Object.fromEntries(await cache.read())

describe('the cache', () => {
  it('keeps entries of every kind for the next process', async () => {
    const written = {
      [name()]: { kind: 'json', text: JSON.stringify({ a: canary() }), version: '3', fetchedAt: 17 },
      [name()]: { kind: 'bytes', text: randomBytes(40).toString('base64'), fetchedAt: Date.now() },
      [name()]: entry(`ünïcödé\n"\u2028${canary()}`),
      __proto__name: entry(),
    } satisfies Record<string, CacheEntry>
    await openIt().update((entries) => {
      for (const [key, value] of Object.entries(written)) entries.set(key, value)
      entries.set('__proto__', entry())
    })
    const read = await openIt().read()
    expect(read.size).toBe(5)
    for (const [key, value] of Object.entries(written)) expect(read.get(key)).toEqual(value)
    expect(read.get('__proto__')?.kind).toBe('text')
    expect(warnings).toEqual([])
  })

  it('is one private file outside the project whose name says nothing', async () => {
    const cache = openIt({ profile: 'staging', environment: 'production' })
    await cache.update((entries) => void entries.set(name(), entry()))
    expect(filesBelow(place.cache)).toEqual([cache.file])
    expect(basename(cache.file!)).toMatch(/^[0-9a-f]{32}\.sealed$/)
    expect(statSync(cache.file!).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(cache.file!)).mode & 0o777).toBe(0o700)
    const content = readFileSync(cache.file!)
    for (const word of ['staging', 'production', 'project', place.root, 'vault', 'kind'])
      expect(content.includes(word)).toBe(false)
  })

  it('writes nothing but keys when it only looks', async () => {
    expect((await openIt().read()).size).toBe(0)
    expect(existsSync(place.cache)).toBe(false)
  })

  it('has one for each project, profile and environment', async () => {
    const other = join(place.folder, 'other')
    mkdirSync(other)
    const caches = [
      openIt(),
      openIt({ environment: 'production' }),
      openIt({ profile: 'development' }),
      openIt({ profile: '' }),
      openIt({ profile: 'a', environment: 'b,c' }),
      openIt({ profile: 'a,b', environment: 'c' }),
      openIt({ root: other }),
    ]
    expect(new Set(caches.map((cache) => cache.file)).size).toBe(caches.length)
    symlinkSync(place.root, join(place.folder, 'link'))
    expect(openIt({ root: join(place.folder, 'link') }).file).toBe(caches[0]?.file)
  })

  it('uses nothing of a file that was put in the place of another', async () => {
    const key = name()
    const production = openIt({ environment: 'production' })
    const development = openIt()
    await production.update((entries) => void entries.set(key, entry()))
    await development.update((entries) => void entries.set(key, entry()))
    copyFileSync(development.file!, production.file!)
    expect((await production.read()).size).toBe(0)
    expect(warnings).toEqual([expect.stringContaining(production.file!)])
  })

  it('uses nothing of a file that is cut or changed anywhere, and says so once', async () => {
    const whole = openIt()
    await whole.update((entries) => void entries.set('vault:a', entry()))
    const content = readFileSync(whole.file!)
    for (let length = 0; length < content.length; length++) {
      const cache = openIt()
      writeFileSync(cache.file!, content.subarray(0, length))
      expect((await cache.read()).size).toBe(0)
      expect(warnings.splice(0)).toHaveLength(1)
    }
    for (let at = 0; at < content.length; at++) {
      const changed = Buffer.from(content)
      changed[at]! ^= 1 << (at % 8)
      const cache = openIt()
      writeFileSync(cache.file!, changed)
      expect((await cache.read()).size).toBe(0)
      expect((await cache.read()).size).toBe(0)
      expect(warnings.splice(0)).toHaveLength(1)
    }
    writeFileSync(whole.file!, content)
    expect((await openIt().read()).size).toBe(1)
  })

  it('overwrites a damaged file only after a warning', async () => {
    const cache = openIt()
    await cache.update((entries) => void entries.set('vault:a', entry()))
    truncateSync(cache.file!, 70)
    await openIt().update((entries) => void entries.set('vault:b', entry()))
    expect(warnings).toHaveLength(1)
    expect([...(await openIt().read()).keys()]).toEqual(['vault:b'])
  })

  it('starts anew with another key', async () => {
    const first = openIt()
    await first.update((entries) => void entries.set('vault:a', entry()))
    rmSync(deviceKeyFile())
    const second = openIt()
    expect((await second.read()).size).toBe(0)
    copyFileSync(first.file!, second.file!)
    expect((await second.read()).size).toBe(0)
    expect(warnings).toEqual([expect.stringContaining('sealed with another key')])
  })

  it('checks the shape of what it opened', async () => {
    const cache = openIt()
    mkdirSync(dirname(cache.file!), { recursive: true })
    const label = { purpose: 'cache', scope: JSON.stringify([place.root, null, 'development']) } as const
    const key = deriveKey(loadKeys(place.root, { create: false })!, label)
    const good = ['vault:a', { kind: 'text', text: 'x', fetchedAt: 1 }]
    const contents: unknown[] = [
      '',
      'null',
      '[]',
      '{}',
      '{"entries":{}}',
      '{"entries":[1]}',
      '{"entries":[["a"]]}',
    ]
    for (const change of [
      { kind: 'x' },
      { text: 1 },
      { fetchedAt: '1' },
      { version: 1 },
      { fetchedAt: null },
    ])
      contents.push(JSON.stringify({ entries: [good, ['vault:b', { ...(good[1] as object), ...change }]] }))
    for (const content of contents) {
      writeFileSync(cache.file!, seal(Buffer.from(content as string), key, label))
      expect((await openIt().read()).size).toBe(0)
      expect(warnings.splice(0)).toHaveLength(1)
    }
    writeFileSync(cache.file!, seal(Buffer.from(JSON.stringify({ entries: [good] })), key, label))
    expect((await openIt().read()).size).toBe(1)
  })

  it('survives a folder in the place of its file', async () => {
    const cache = openIt()
    mkdirSync(join(cache.file!, 'full'), { recursive: true })
    expect((await cache.read()).size).toBe(0)
    await cache.update((entries) => void entries.set('vault:a', entry()))
    expect(warnings).toHaveLength(2)
    expect(warnings.join()).toContain(cache.file)
    await cache.clear()
    expect(existsSync(cache.file!)).toBe(false)
  })

  it('lives in memory where nothing can be kept', async () => {
    writeFileSync(place.config, 'not a folder')
    const cache = openIt()
    expect(cache.file).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining('in memory only')])
    const value = entry()
    await cache.update((entries) => void entries.set('vault:a', value))
    expect(await all(cache)).toEqual({ 'vault:a': value })
  })

  it('lives in memory with a damaged key file, and leaves that alone', () => {
    openIt()
    writeFileSync(deviceKeyFile(), 'damaged')
    vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('hex'))
    expect(openIt().file).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining(deviceKeyFile())])
    expect(readFileSync(deviceKeyFile(), 'utf8')).toBe('damaged')
  })

  it('lives in memory in CI without SECRETS_KEY', async () => {
    vi.stubEnv('CI', 'true')
    const cache = openIt()
    expect(cache.file).toBeUndefined()
    const value = entry()
    await cache.update((entries) => void entries.set('vault:a', value))
    expect(await all(cache)).toEqual({ 'vault:a': value })
    await cache.clear()
    expect(await all(cache)).toEqual({})
    expect(filesBelow(place.folder)).toEqual([])
    expect(warnings).toEqual([])
  })

  it('lives in a file in CI with SECRETS_KEY', async () => {
    vi.stubEnv('CI', 'true')
    vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('base64'))
    await openIt().update((entries) => void entries.set('vault:a', entry()))
    expect((await openIt().read()).size).toBe(1)
    expect(existsSync(join(place.root, '.secrets'))).toBe(false)
  })

  it('refuses a SECRETS_KEY that is none', () => {
    vi.stubEnv('SECRETS_KEY', 'swordfish')
    expect(() => openIt()).toThrow(expect.objectContaining({ code: 'KEY_MISSING' }))
  })

  it('refuses a directory inside the project', () => {
    const { root } = place
    symlinkSync(root, join(place.folder, 'link'))
    for (const directory of [
      '.',
      '.cache',
      `${root}/node_modules/.cache`,
      '../project',
      '../link/cache',
      '..cache',
    ])
      expect(() => openIt({ directory }), directory).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      )
    expect(dirname(openIt({ directory: '../project-cache' }).file!)).toBe(join(place.folder, 'project-cache'))
    expect(dirname(openIt({ directory: join(place.folder, 'own') }).file!)).toBe(join(place.folder, 'own'))
  })

  it('lives in memory where the user’s cache folder is inside the project', () => {
    vi.stubEnv('XDG_CACHE_HOME', join(place.root, '.cache'))
    expect(openIt().file).toBeUndefined()
    expect(warnings).toEqual([expect.stringContaining('inside the project')])
  })

  it('writes nothing when the change throws', async () => {
    for (const cache of [openIt(), memory()]) {
      const value = entry()
      await cache.update((entries) => void entries.set('vault:a', value))
      const failing = cache.update((entries) => {
        entries.clear()
        throw new Error('mine')
      })
      await expect(failing).rejects.toThrow('mine')
      expect(await all(cache)).toEqual({ 'vault:a': value })
    }
    expect(warnings).toEqual([])
  })

  it('loses no update of concurrent writers in one process', async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        openIt().update((entries) => void entries.set(`vault:${index}`, entry())),
      ),
    )
    expect((await openIt().read()).size).toBe(20)
  })

  it('loses no update of four processes', async () => {
    const script = await bundleScript(
      place.folder,
      `import { openCache } from '../../src/core/cache/index.ts'
      const [root, writer] = process.argv.slice(2)
      const run = async () => {
        const cache = openCache({ root, profile: undefined, environment: 'development', warn: (m) => { throw new Error(m) } })
        for (let n = 0; n < 10; n++)
          await cache.update((entries) => entries.set(writer + ':' + n, { kind: 'text', text: 'x', fetchedAt: n }))
      }
      run()`,
    )
    await Promise.all(['a', 'b', 'c', 'd'].map((writer) => runScript(script, [place.root, writer])))
    expect((await openIt().read()).size).toBe(40)
    expect(warnings).toEqual([])
  })
})

function memory(): SecretCache {
  vi.stubEnv('CI', 'true')
  return openIt()
}
