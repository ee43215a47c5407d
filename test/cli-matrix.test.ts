import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { changeFields } from '../src/core/check-and-set.ts'
import { createSecrets } from '../src/core/pipeline.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { Bao, scratch } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { runInside } from './support/cli-inside.ts'
import { WireClient } from './support/vault-env.ts'

/**
 * Every command that looks at or changes a place, on every place: what it does where the place can, and an error that
 * says who can where it cannot. With real servers.
 */
const run = `m${randomBytes(4).toString('hex')}`
const { bao, moto } = inject('servers')
const values: string[] = []
const printed: string[] = []
const folder = scratch('cli-matrix')
let server: RunningVaultServer

function stub(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  vi.stubEnv('CI', '')
}

beforeAll(async () => {
  mkdirSync(join(folder, 'server'), { recursive: true })
  server = await serve({
    port: 0,
    databaseUrl: `file:${join(folder, 'server', 'vault.db')}`,
    rateLimit: 0,
  })
  const { key } = await new WireClient(server.url).start()
  await new Bao(bao).mount(`${run}-2`, 2)
  await new Bao(bao).mount(`${run}-1`, 1)
  stub({
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    NODE_ENV: '',
    NO_COLOR: '1',
    SECRETS_KEY: '',
    VAULT_TOKEN: bao.token,
    VAULT_KEY: key,
    VAULT_DEVICE_SECRET: 'd'.repeat(64),
    AWS_ACCESS_KEY_ID: 'AKIAtest',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  })
})

afterAll(async () => {
  await server.close()
  vi.unstubAllEnvs()
  expect(values.length).toBeGreaterThan(20)
  expect(printed.length).toBeGreaterThan(100)
  expect(canariesIn(printed.join('\n'), values)).toEqual([])
  expect(canaryFiles(folder, values)).toEqual([])
})

type Lacks = 'patch' | 'versions' | 'policy' | 'pull --all' | 'link'
interface Kind {
  readonly title: string
  /** The provider `at`. */
  provider(): object
  /** How a document is called there. */
  path(name: string): string
  /** What this place cannot do. */
  readonly lacks: readonly Lacks[]
}

const kinds: readonly Kind[] = [
  {
    title: 'KV v2',
    provider: () => ({ type: 'vault', url: bao.url, mount: `${run}-2` }),
    path: (name) => `app/${name}`,
    lacks: [],
  },
  {
    title: 'KV v1',
    provider: () => ({ type: 'vault', url: bao.url, mount: `${run}-1` }),
    path: (name) => `app/${name}`,
    lacks: ['patch', 'versions'],
  },
  {
    title: 'AWS',
    provider: () => ({ type: 'aws', region: 'eu-west-1', endpoint: moto.url, auth: { method: 'default' } }),
    path: (name) => `${run}/${name}`,
    lacks: [],
  },
  {
    title: 'local',
    provider: () => ({ type: 'local', file: '.secrets/other.vault' }),
    path: (name) => name,
    lacks: ['versions', 'policy', 'pull --all', 'link'],
  },
  {
    title: 'vaultEnv',
    provider: () => ({ type: 'vaultEnv', url: server.url }),
    path: (name) => name,
    lacks: ['policy', 'pull --all'],
  },
]

describe.each(kinds)('$title', ({ title, provider, path, lacks }) => {
  const root = join(folder, title.replaceAll(' ', '-'))
  const at = (name: string, field?: string) => `at:${path(name)}${field === undefined ? '' : `#${field}`}`
  const can = (what: Lacks) => !lacks.includes(what)
  const give = async (input: string | AsyncIterable<Buffer>, ...args: string[]) => {
    const ran = await runInside(root, args, input)
    printed.push(ran.stdout, ran.stderr)
    return ran
  }
  const act = (...args: string[]) => give('', ...args)
  const json = async (...args: string[]) => JSON.parse((await act(...args, '--json')).stdout)
  const secret = () => {
    values.push(canary())
    return values.at(-1)!
  }
  const value = async (word: string, ...more: string[]) =>
    (await runInside(root, ['get', word, '--reveal', ...more])).stdout
  const done = { code: 0, stderr: '' }

  beforeAll(() => {
    mkdirSync(root, { recursive: true })
    writeFileSync(join(root, 'package.json'), '{}')
    const config = {
      cache: false,
      audit: '.secrets/audit.jsonl',
      providers: { at: provider(), local: { type: 'local' }, file: { type: 'dotenv' } },
      secrets: {
        FIELD: at('doc', 'field'),
        OTHER: at('doc', 'other'),
        DOCUMENT: at('doc'),
        KEPT: at('kept', 'field'),
        PUSHED: title.startsWith('KV') ? at('pushed', 'value') : at('pushed'),
        ALSO: title.startsWith('KV') ? at('pushed', 'also') : at('also'),
      },
    }
    writeFileSync(join(root, 'secrets.config.json'), JSON.stringify(config))
  })
  // Each place has an environment of its own: vault-env keeps versions of nothing smaller.
  beforeEach(() => stub({ NODE_ENV: `env-${title.replaceAll(' ', '-')}` }))

  it('set, get and unset, by name and by reference', async () => {
    const field = secret()
    expect(await give(JSON.stringify({ field, other: 'x' }), 'set', at('doc'))).toMatchObject(done)
    expect(await value('FIELD')).toBe(field)
    expect(await value(at('doc', 'field'))).toBe(field)
    expect(await value('DOCUMENT', '--field', 'field')).toBe(field)
    expect(await value(at('doc'), '--field', 'field')).toBe(field)
    expect(await act('get', at('doc'), '--field', 'none')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no field none'),
    })
    expect(await give(secret(), 'set', at('gone'))).toMatchObject(done)
    expect((await act('unset', at('gone'), '--yes')).code).toBe(0)
    expect((await act('unset', at('gone'), '--yes')).code).toBe(3)
    expect((await act('get', at('gone'))).code).toBe(1)
  })

  it('patch', async () => {
    const [field, other] = [await value('FIELD'), secret()]
    const patched = await give(other, 'patch', 'OTHER')
    if (!can('patch')) {
      expect([patched.code, patched.stderr]).toEqual([1, expect.stringContaining('Write the whole document')])
      return
    }
    expect(patched.stdout).toBe(`#other of ${at('doc')} is changed; the others are as they were.\n`)
    expect([await value('FIELD'), await value('OTHER')]).toEqual([field, other])
    expect(await json('patch', at('doc', 'new'), '--dry-run')).toMatchObject({
      kind: 'added',
      patched: false,
    })
    expect(await give(secret(), 'patch', at('doc', 'new'))).toMatchObject(done)
    const remove = ['patch', at('doc', 'new'), '--remove']
    expect((await act(...remove)).code).toBe(2)
    expect((await act(...remove, '--yes')).code).toBe(0)
    expect((await act(...remove, '--yes')).code).toBe(3)
    // Somebody else changes the document while a person thinks about the value.
    const theirs = secret()
    async function* meanwhile() {
      const secrets = await createSecrets({ root })
      const set = { other: theirs }
      await changeFields(secrets.config.providers.get('at')!, { path: path('doc'), set }, () =>
        secrets.contextFor('at'),
      )
      await secrets.close()
      yield Buffer.from(secret())
    }
    const late = await give(meanwhile(), 'patch', 'OTHER', '--json')
    expect([late.code, JSON.parse(late.stdout).error.code]).toEqual([1, 'CONFLICT'])
    expect(await value('OTHER')).toBe(theirs)
    expect((await give('x', 'patch', at('none', 'a'))).code).toBe(3)
    expect((await give('x', 'patch', 'DOCUMENT')).code).toBe(2)
    expect([await value('FIELD'), await value('OTHER')]).toEqual([field, theirs])
  })

  it('versions and rollback', async () => {
    const before = secret()
    await give(JSON.stringify({ field: before }), 'set', at('kept'))
    expect(await give(JSON.stringify({ field: secret() }), 'set', at('kept'))).toMatchObject(done)
    const versions = await act('versions', 'KEPT', '--json')
    if (!can('versions')) {
      const { error } = JSON.parse(versions.stdout)
      expect([versions.code, error.code]).toEqual([1, 'UNSUPPORTED'])
      expect(error.hint).toMatch(/show versions|enable-versioning/)
      expect(await act('rollback', 'KEPT', '1', '--yes')).toMatchObject({ code: 1 })
      return
    }
    expect(JSON.parse(versions.stdout).versions.length).toBeGreaterThan(1)
    const { version } = await json('rollback', 'KEPT', '--dry-run')
    expect((await act('rollback', 'KEPT', 'none', '--dry-run')).code).toBe(3)
    expect(await value('KEPT')).not.toBe(before)
    expect((await act('rollback', 'KEPT')).code).toBe(2)
    expect((await act('rollback', 'KEPT', version, '--yes')).code).toBe(0)
    expect(await value('KEPT')).toBe(before)
  })

  it('push, diff and pull', async () => {
    let [pushed, also] = [secret(), secret()]
    const file = join(root, 'values.env')
    writeFileSync(file, `PUSHED=${pushed}\nALSO=${also}\nVAULT_KEY=never\n`)
    const push = ['push', '--file', 'values.env']
    const dry = await json(...push, '--dry-run')
    expect(dry.changes.map(({ name, kind }: { name: string; kind: string }) => [name, kind])).toEqual([
      ['PUSHED', 'added'],
      ['ALSO', 'added'],
    ])
    expect((await act(...push)).code).toBe(2)
    const ran = await act(...push, '--yes')
    if (can('patch')) expect([ran.code, ran.stdout]).toEqual([0, 'Wrote 2 values.\n'])
    else {
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('Write the whole document')])
      await give(JSON.stringify({ value: pushed, also }), 'set', at('pushed'))
    }
    expect((await act(...push)).stdout).toContain('0 values to write, 2 the same.')
    if (can('patch')) {
      // Both have a value now, which is another one than this.
      pushed = secret()
      also = secret()
      writeFileSync(file, `PUSHED=${pushed}\nALSO=${also}\n`)
      expect(await json(...push, '--yes')).toMatchObject({ written: ['PUSHED', 'ALSO'] })
    }
    writeFileSync(file, '')
    expect([await value('PUSHED'), await value('ALSO')]).toEqual([pushed, also])
    const pull = ['pull', '--only', 'PUSHED,ALSO']
    expect((await act(...pull, '--dry-run')).stdout).toBe('.env.local would be written.\n')
    const pulled = await runInside(root, [...pull, '--output', '-'])
    expect(pulled.stdout).toBe(`PUSHED=${pushed}\nALSO=${also}\n`)
  })

  it('policy, migrate, and the audit log', async () => {
    const policy = await act('policy', 'at')
    if (can('policy')) expect(policy.stdout).toContain(path('doc'))
    else expect([policy.code, policy.stderr]).toEqual([1, expect.stringContaining('can print a policy')])
    const field = await value('FIELD')
    const away = ['migrate', at('doc'), 'local:AWAY']
    expect((await act(...away, '--dry-run')).stdout).toContain('would be copied to local:AWAY and removed')
    const onto = await act('migrate', at('doc'), at('kept'), '--dry-run')
    expect([onto.code, onto.stderr]).toEqual([1, expect.stringContaining('There is something at')])
    expect((await act(...away)).code).toBe(2)
    expect(await value('FIELD')).toBe(field)
    expect((await act(...away, '--yes')).code).toBe(0)
    expect((await act('get', 'FIELD')).code).toBe(1)
    // Where it was nothing is, or something that was deleted: a new version, or an error that says so.
    const anew = await give(secret(), 'set', 'FIELD')
    if (title === 'AWS') expect(anew.stderr).toMatch(/delet/)
    else if (can('patch')) expect(anew).toMatchObject(done)
    expect(await act('migrate', 'local:AWAY', at('back'), '--yes')).toMatchObject(done)
    expect(await value(at('back'), '--field', 'field')).toBe(field)
    const lines = readFileSync(join(root, '.secrets/audit.jsonl'), 'utf8').trim().split('\n')
    const actions = lines.map((line) => JSON.parse(line) as { action: string; to?: string })
    expect(actions.filter(({ action }) => action === 'migrate').map(({ to }) => to)).toEqual([
      'local:AWAY',
      at('back'),
    ])
    expect(actions.filter(({ action }) => action === 'rollback')).toHaveLength(can('versions') ? 1 : 0)
    expect(actions.filter(({ action }) => action === 'write').length).toBeGreaterThan(3)
  })

  it('link, unlink and pull --all', async () => {
    const all = await act('pull', '--all', '--provider', 'at', '--dry-run', '--json')
    if (can('pull --all')) {
      const { links, skipped } = JSON.parse(all.stdout)
      const environment = path('back').replace('/', '-')
      expect(links).toContainEqual({ environment, reference: at('back') })
      expect(skipped).toEqual(expect.any(Array))
    } else {
      expect(all.code).toBe(1)
      expect(JSON.parse(all.stdout).error).toMatchObject({ code: 'UNSUPPORTED', hint: expect.any(String) })
    }
    const linked = secret()
    writeFileSync(join(root, 'values.env'), `LINKED=${linked}\n`)
    const to = title === 'vaultEnv' ? 'at:*' : at('linked')
    const link = await act('link', 'matrix', to, '--file', 'values.env', '--yes')
    writeFileSync(join(root, 'values.env'), '')
    if (!can('link')) {
      expect([link.code, link.stderr]).toEqual([1, expect.stringContaining('no place to link to')])
      return
    }
    expect([link.code, link.stdout]).toEqual([0, expect.stringContaining(`matrix is linked to ${to} now`)])
    expect(await value(title === 'vaultEnv' ? 'at:LINKED' : `${to}#LINKED`, '--env', 'matrix')).toBe(linked)
    expect((await act('unlink', 'matrix')).code).toBe(2)
    expect((await act('unlink', 'matrix', '--yes')).code).toBe(0)
    expect((await act('unlink', 'matrix', '--yes')).code).toBe(3)
  })
})
