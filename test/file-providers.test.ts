import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadEnv } from 'vite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProviderContext, Reference } from '../src/core/types.ts'
import { dotenv } from '../src/providers/dotenv.ts'
import { env } from '../src/providers/env.ts'
import { canary } from './support/canary.ts'
import { contextFor, makeWorkspace, type Workspace } from './support/workspace.ts'

let place: Workspace

beforeEach(() => {
  place = makeWorkspace()
})

afterEach(() => {
  vi.unstubAllEnvs()
  place.remove()
})

const context = (more: Partial<ProviderContext> = {}) => contextFor(place.root, more)
const reference = (path: string, options: Record<string, string> = {}): Reference => ({
  provider: 'test',
  path,
  options,
  field: undefined,
  source: `test:${path}`,
})

describe('dotenv', () => {
  const write = (name: string, content: string) => writeFileSync(join(place.root, name), content)
  const read = async (path: string, given = context()) =>
    (await dotenv().read([{ path, options: {} }], given))[0]

  it('has the precedence that Vite has', async () => {
    const files = [
      '.env',
      '.env.local',
      '.env.staging',
      '.env.staging.local',
      '.env.other',
      '.env.development',
    ]
    // The name with the bits 0b101 is set by the first and the third file.
    const lines = files.map((file, index) =>
      Array.from({ length: 1 << files.length }, (_, bits) =>
        bits & (1 << index) ? `X_${bits}=${file}\n` : '',
      ).join(''),
    )
    for (const [index, file] of files.entries()) write(file, lines[index]!)
    const ours = await read('*', context({ environment: 'staging' }))
    expect(ours).toEqual({ value: loadEnv('staging', place.root, 'X_') })
  })

  it('reads what dotenv reads', async () => {
    write(
      '.env',
      'export A="two\\nlines" # comment\nB=\'$A ${A} {{vault:A}}\'\nC=\nD=`a "b" \'c\'`\n\uFEFFE=5\n',
    )
    expect(await read('*')).toMatchObject({
      value: { A: 'two\nlines', B: '$A ${A} {{vault:A}}', C: '', D: 'a "b" \'c\'', E: '5' },
    })
    expect(await read('C')).toEqual({ value: '' })
    expect(await read('toString')).toBeUndefined()
    expect(dotenv().templates).toBe(true)
  })

  it('sees a change at once', async () => {
    write('.env', 'A=1')
    expect(await read('A')).toEqual({ value: '1' })
    write('.env', 'A=2')
    expect(await read('A')).toEqual({ value: '2' })
  })

  it('has nothing where no file is', async () => {
    expect(await read('A')).toBeUndefined()
    expect(await read('*')).toEqual({ value: {} })
    expect(await dotenv().check!([{ path: 'A', options: {} }], context())).toMatchObject([
      { ok: true },
      { ok: false },
    ])
  })

  it('looks in another folder', async () => {
    mkdirSync(join(place.root, 'config'))
    write('config/.env', 'A=1')
    const own = dotenv({ directory: 'config' })
    expect(await own.read([{ path: 'A', options: {} }], context())).toEqual([{ value: '1' }])
    expect(own).toMatchObject({ settings: { directory: 'config' }, location: join('config', '.env*') })
    expect(await own.list!('', context())).toEqual([{ path: 'A' }])
  })

  it('names a file that it cannot read', async () => {
    mkdirSync(join(place.root, '.env.local'))
    await expect(read('A')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('.env.local'),
    })
    expect(await dotenv().check!([], context())).toMatchObject([{ ok: false }])
  })

  it('never leaves its folder for an environment', async () => {
    write('.env.x', 'A=1')
    for (const environment of ['../x', 'a/b', 'a\\b', 'a\0b'])
      await expect(read('A', context({ environment }))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('refuses options that are none', () => {
    expect(dotenv().validate!(reference('A', { version: '1' }))).toContain('?version')
    expect(dotenv().validate!(reference(''))).toContain('missing')
    expect(() => dotenv({ path: '.env' } as object)).toThrow('dotenv has no option path.')
  })

  it('prints nothing and changes no variable', () => {
    const secret = canary()
    write('.env', `FROM_FILE=${secret}`)
    const source = `import { parse } from 'dotenv'
      import { readFileSync } from 'node:fs'
      const before = JSON.stringify(process.env)
      const parsed = parse(readFileSync(process.argv[1]))
      if (before !== JSON.stringify(process.env) || !parsed.FROM_FILE) process.exit(1)`
    const args = ['--input-type=module', '-e', source, join(place.root, '.env')]
    const child = spawnSync(process.execPath, args, {
      env: { ...process.env, DOTENV_DEBUG: 'true', DOTENV_CONFIG_DEBUG: 'true', DEBUG: '*' },
    })
    expect(child).toMatchObject({ status: 0 })
    expect(`${child.stdout}${child.stderr}`).toBe('')
  })
})

describe('env', () => {
  it('reads variables, empty ones too', async () => {
    const secret = canary()
    vi.stubEnv('SOME_VALUE', secret)
    vi.stubEnv('SOME_EMPTY', '')
    const paths = ['SOME_VALUE', 'SOME_EMPTY', 'SOME_MISSING', 'toString', '__proto__', '*']
    const results = await env().read(
      paths.map((path) => ({ path, options: {} })),
      context(),
    )
    expect(results.map((result) => result && 'value' in result && result.value)).toEqual([
      secret,
      '',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('says why it does not give everything', () => {
    expect(env().validate!(reference('*'))).toContain('PATH')
    expect(env().validate!(reference('A'))).toBeUndefined()
    for (const bad of ['', 'A=B', 'A\0']) expect(env().validate!(reference(bad))).toContain('name')
    expect(env().validate!(reference('A', { version: '1' }))).toContain('?version')
    expect(env()).not.toHaveProperty('importAll')
  })
})
