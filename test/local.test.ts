import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deviceKeyFile, projectKeyFile } from '../src/core/crypto/keys.ts'
import { SecretsError } from '../src/core/errors.ts'
import type { ProviderContext, ReadResult, Reference } from '../src/core/types.ts'
import { type LocalOptions, local } from '../src/providers/local/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { bundleScript, runScript } from './support/child.ts'
import { contextFor, filesBelow, makeWorkspace, type Workspace } from './support/workspace.ts'

let place: Workspace
let file: string
const provider = local()
const secrets: string[] = []
const said: string[] = []

beforeEach(() => {
  place = makeWorkspace()
  file = join(place.root, '.secrets', 'local.vault')
})

afterEach(() => {
  expect(canariesIn(said.join('\n'), secrets)).toEqual([])
  expect(canaryFiles(place.folder, secrets)).toEqual([])
  secrets.length = 0
  said.length = 0
  vi.unstubAllEnvs()
  place.remove()
})

const context = (more: Partial<ProviderContext> = {}) => contextFor(place.root, more)
const inProduction = () => context({ environment: 'production' })

function value(): string {
  const made = canary()
  secrets.push(made)
  return made
}

async function set(path: string, text = value(), environment?: string): Promise<string> {
  await provider.write!({ path, value: text, environment }, context())
  return text
}

async function read(path: string, given = context()): Promise<ReadResult> {
  return (await provider.read([{ path, options: {} }], given))[0]
}

async function failure(work: Promise<unknown>): Promise<SecretsError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(SecretsError)
  said.push(inspect(error, { depth: 10 }), (error as SecretsError).format())
  return error as SecretsError
}

describe('local', () => {
  it('has nothing, and makes nothing, before something is set', async () => {
    expect(await read('A')).toBeUndefined()
    expect(await read('*')).toEqual({ value: {}, version: undefined })
    expect(await provider.list!('', context())).toEqual([])
    expect(await provider.remove!({ path: 'A' }, context())).toBe(false)
    expect(filesBelow(place.folder)).toEqual([])
  })

  it('shares a value between the environments, except where one has its own', async () => {
    const shared = await set('A')
    const own = await set('A', value(), 'production')
    expect(await read('A')).toMatchObject({ value: shared })
    expect(await read('A', inProduction())).toMatchObject({ value: own })
    const only = await set('B', value(), 'production')
    expect(await read('B')).toBeUndefined()
    expect(await read('*')).toMatchObject({ value: { A: shared } })
    expect((await read('*', inProduction()))!).toMatchObject({ value: { A: own, B: only } })
    expect(await provider.remove!({ path: 'A', environment: 'production' }, context())).toBe(true)
    expect(await read('A', inProduction())).toMatchObject({ value: shared })
    expect(await provider.remove!({ path: 'B', environment: 'staging' }, context())).toBe(false)
    expect(await provider.remove!({ path: 'B' }, context())).toBe(false)
    expect(await provider.remove!({ path: 'B', environment: 'production' }, context())).toBe(true)
    expect((await provider.list!('', context())).map((each) => each.path)).toEqual(['A'])
  })

  it('keeps what an environment has of its own when the shared value goes', async () => {
    await set('A')
    const own = await set('A', value(), 'production')
    expect(await provider.remove!({ path: 'A' }, context())).toBe(true)
    expect(await read('A')).toBeUndefined()
    expect(await read('A', inProduction())).toMatchObject({ value: own })
  })

  it('never gives two contents the same stamp', async () => {
    const stamps = new Set<unknown>()
    const stamp = async () => ((await read('A', inProduction())) as { version: string } | undefined)?.version
    const note = async () => {
      const now = await stamp()
      expect(now).toBe(await stamp())
      expect(stamps.has(now)).toBe(false)
      stamps.add(now)
    }
    await set('A')
    await note()
    await set('A')
    await note()
    await set('A', value(), 'production')
    await note()
    await provider.remove!({ path: 'A', environment: 'production' }, context())
    expect(stamps.has(await stamp())).toBe(true)
    await provider.remove!({ path: 'A' }, context())
    await set('A')
    await note()
    rmSync(file)
    await new Promise((resolve) => setTimeout(resolve, 2))
    await set('A')
    await note()
    const before = ((await read('*')) as { version: string }).version
    await set('B')
    expect(((await read('*')) as { version: string }).version).not.toBe(before)
    const paths = ['A', 'B', 'none', '*']
    const stampOf = async (path: string) => ((await read(path)) as { version: string } | undefined)?.version
    expect(
      await provider.versions!(
        paths.map((path) => ({ path, options: {} })),
        context(),
      ),
    ).toEqual(await Promise.all(paths.map(stampOf)))
  })

  it('lists names, environments and times, and no values', async () => {
    const before = Date.now()
    await set('B')
    await set('A')
    await set('A', value(), 'production')
    const listed = await provider.list!('', context())
    said.push(JSON.stringify(listed))
    expect(listed).toMatchObject([{ path: 'A' }, { path: 'A', environment: 'production' }, { path: 'B' }])
    for (const each of listed) expect(each.updatedAt).toBeGreaterThanOrEqual(before)
    expect(listed[2]).not.toHaveProperty('environment')
    expect((await provider.list!('B', context())).map((each) => each.path)).toEqual(['B'])
  })

  it('keeps names and environments that objects have by nature', async () => {
    const written = new Map<string, string>()
    for (const name of ['__proto__', 'constructor', 'toString', 'a.b', 'a-b_c.D9'])
      written.set(name, await set(name, value(), name === 'a.b' ? '__proto__' : undefined))
    for (const [name, text] of written) {
      const environment = name === 'a.b' ? '__proto__' : 'constructor'
      expect(await read(name, context({ environment })), name).toMatchObject({ value: text })
    }
    expect(await read('a.b')).toBeUndefined()
    expect(await read('hasOwnProperty')).toBeUndefined()
    expect(Object.keys(((await read('*')) as { value: object }).value)).toContain('__proto__')
  })

  it('refuses names and options that no value can have', async () => {
    const validate = (path: string, options: Record<string, string> = {}) => {
      const reference: Reference = {
        provider: 'local',
        path,
        options,
        field: undefined,
        source: `local:${path}`,
      }
      return provider.validate!(reference)
    }
    for (const good of ['A', 'a.b-c_1', '*']) expect(validate(good)).toBeUndefined()
    for (const bad of ['', 'a/b', 'a b', 'ä', '**', 'a\n']) {
      expect(validate(bad)).toContain('not a name')
      expect((await failure(set(bad))).code).toBe('REFERENCE_INVALID')
    }
    expect(validate('A', { version: '3' })).toContain('?version')
    expect(() => statSync(file)).toThrow()
  })

  it('is a private file without names in clear', async () => {
    const name = canary('NAME')
    secrets.push(name)
    await set(name, value(), 'production')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file).includes('production')).toBe(false)
    expect(filesBelow(place.folder).sort()).toEqual(
      [deviceKeyFile(), join(place.root, '.secrets', '.gitignore'), file, projectKeyFile(place.root)].sort(),
    )
  })

  it('moves with its project', async () => {
    const text = await set('A')
    const moved = join(place.folder, 'moved')
    renameSync(place.root, moved)
    expect(await read('A', contextFor(moved))).toMatchObject({ value: text })
  })

  it('takes another file', async () => {
    const own = local({ file: 'config/team.vault', ttl: '1m' })
    await own.write!({ path: 'A', value: value() }, context())
    expect(statSync(join(place.root, 'config', 'team.vault')).mode & 0o777).toBe(0o600)
    expect(own).toMatchObject({
      location: 'config/team.vault',
      settings: { file: 'config/team.vault', ttl: '1m' },
    })
    expect(await read('A')).toBeUndefined()
  })

  it('refuses options that are none', () => {
    for (const options of [
      { fil: 'x' },
      { file: 5 },
      { file: '' },
      { ttl: true },
      { __proto: 1 },
      { constructor: 1 },
    ])
      expect(() => local(options as LocalOptions)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      )
    expect(() => local({ fil: 'x' } as LocalOptions)).toThrow('Did you mean file?')
  })

  describe('never overwrites what it cannot open', () => {
    const attempts = [
      () => read('A'),
      () => read('*'),
      () => provider.list!('', context()),
      () => provider.write!({ path: 'A', value: value() }, context()),
      () => provider.remove!({ path: 'A' }, context()),
    ]

    async function refused(code: string): Promise<void> {
      for (const attempt of attempts) {
        const error = await failure(attempt())
        expect(error.code).toBe(code)
        expect(error.message).toContain(file)
        expect(error.hint).toBeTruthy()
      }
      const lines = await provider.check!([{ path: 'A', options: {} }], context())
      said.push(JSON.stringify(lines))
      expect(lines).toMatchObject([
        { ok: false, detail: expect.stringContaining(file), hint: expect.any(String) },
      ])
    }

    it('a file of another key', async () => {
      await set('A')
      const before = readFileSync(file)
      const device = readFileSync(deviceKeyFile())
      writeFileSync(deviceKeyFile(), randomBytes(32).toString('hex'))
      await refused('KEY_MISSING')
      writeFileSync(deviceKeyFile(), device)
      vi.stubEnv('SECRETS_KEY', randomBytes(32).toString('hex'))
      await refused('KEY_MISSING')
      vi.stubEnv('SECRETS_KEY', '')
      expect(readFileSync(file)).toEqual(before)
      expect(await read('A')).toBeDefined()
    })

    it('a file whose key has gone, and makes no new one', async () => {
      await set('A')
      rmSync(projectKeyFile(place.root))
      await refused('KEY_MISSING')
      expect(() => statSync(projectKeyFile(place.root))).toThrow()
    })

    it('a file that was cut', async () => {
      await set('A')
      for (const length of [100, 50, 3, 0]) {
        truncateSync(file, length)
        await refused('SEAL_BROKEN')
        expect(statSync(file).size).toBe(length)
      }
    })

    it('a file in which one byte is another', async () => {
      await set('A')
      const content = readFileSync(file)
      for (let at = 0; at < content.length; at++) {
        const changed = Buffer.from(content)
        changed[at]! ^= 0x10
        writeFileSync(file, changed)
        expect(['SEAL_BROKEN', 'KEY_MISSING']).toContain((await failure(read('A'))).code)
      }
      await refused('SEAL_BROKEN')
    })

    it('something that is no file', async () => {
      mkdirSync(file, { recursive: true })
      await refused('FILE_UNREADABLE')
      expect(statSync(file).isDirectory()).toBe(true)
    })
  })

  it('diagnoses what is set and what is not', async () => {
    await set('A')
    const lines = await provider.check!(
      [
        { path: 'A', options: {} },
        { path: 'B', options: {} },
      ],
      context(),
    )
    expect(lines.map((line) => line.ok)).toEqual([true, true, false])
    expect(lines[2]!.hint).toContain('secrets set B')
  })

  it('loses no write of concurrent writers in one process', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `N${index}`)
    await Promise.all(names.map((name) => set(name)))
    expect((await provider.list!('', context())).map((each) => each.path).sort()).toEqual(names.sort())
  })

  it('loses no write of four processes that start with nothing', async () => {
    const script = await bundleScript(
      place.folder,
      `import { local } from '../../src/providers/local/index.ts'
      const [root, writer] = process.argv.slice(2)
      const context = { name: 'local', root, environment: 'development', signal: new AbortController().signal }
      const run = async () => {
        for (let n = 0; n < 8; n++) await local().write({ path: writer + n, value: 'x' }, context)
      }
      run()`,
    )
    await Promise.all(['A', 'B', 'C', 'D'].map((writer) => runScript(script, [place.root, writer])))
    expect(await provider.list!('', context())).toHaveLength(32)
  })
})
