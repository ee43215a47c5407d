import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveConfig } from '../src/core/config/resolve.ts'
import type { SecretsConfig } from '../src/index.ts'
import { canary } from './support/canary.ts'
import { runScript } from './support/child.ts'
import { failure, holding, makeProject, messages, type Project } from './support/core.ts'
import { newerNode } from './support/newer-node.ts'

let project: Project

beforeEach(() => {
  project = makeProject()
})

afterEach(() => {
  vi.unstubAllEnvs()
  project.remove()
})

const resolveHere = (more: Parameters<typeof resolveConfig>[0] = {}) =>
  resolveConfig({ root: project.root, ...more })
/** An inline configuration, with a place called `p`. */
const inline = (config: Partial<SecretsConfig> & Record<string, unknown>) =>
  resolveHere({ providers: { p: holding({}) }, ...config } as Parameters<typeof resolveConfig>[0])
/** What plain data can hold that the types forbid. */
const wrong = (config: Record<string, unknown>) =>
  failure(resolveHere(config as Parameters<typeof resolveConfig>[0]))

const CODE = `export default { secrets: { A: 'env:A' }, providers: { env: { type: 'env' } } }`

describe('configuration files', () => {
  // In a Node of its own: the test runner has its own way to import. Newer ones strip types themselves.
  it.each([0, 22, 24])(
    'are read and refused alike, whatever they are written in (Node %i)',
    async (major) => {
      const good: [string, string][] = [
        [
          'secrets.config.ts',
          `const name: string = 'env:A'\nenum Kind { A }\n${CODE.replace("'env:A'", 'name')}`,
        ],
        ['secrets.config.ts', `import { code } from './named'\nexport default code`],
        [
          'secrets.config.mts',
          `${CODE.replace('export default', 'const config: object =')}\nexport default config`,
        ],
        ['secrets.config.js', CODE],
        ['secrets.config.js', CODE.replace('export default', 'module.exports =')],
        ['secrets.config.mjs', `${CODE.replace('export default {', 'export default async () => ({')})`],
        ['secrets.config.json', '{"secrets":{"A":"env:A"},"providers":{"env":{"type":"env"}}}'],
      ]
      const bad: [string, string, string][] = [
        ['secrets.config.ts', `throw new Error('no region chosen')`, 'Error: no region chosen'],
        ['secrets.config.mjs', `throw new Error('no region chosen')`, 'Error: no region chosen'],
        ['secrets.config.mjs', `export default () => { throw new Error('no region') }`, 'Error: no region'],
        ['secrets.config.mjs', `export default async () => { throw 'text' }`, 'string'],
        ['secrets.config.ts', 'export default {', 'Error'],
        ['secrets.config.mjs', 'export default {', 'SyntaxError: Unexpected'],
        ['secrets.config.mjs', 'import "./nowhere.mjs"', 'Cannot find module'],
        ['secrets.config.mjs', 'export const a = 1', 'exports no configuration'],
        ['secrets.config.ts', 'export const a = 1', 'exports no configuration'],
        ['secrets.config.mjs', 'export default []', 'exports no configuration'],
        ['secrets.config.json', 'null', 'exports no configuration'],
      ]
      const all = [...good, ...bad].map(([name, text], index) => {
        const folder = join(project.root, `case${index}`)
        const named = `export const code: object = ${CODE.replace('export default', '')}`
        project.write({ 'package.json': '{}', 'named.ts': named, [name]: text }, folder)
        return { folder, file: join(folder, name) }
      })
      const script = join(project.root, 'resolve.mjs')
      await build({
        stdin: {
          contents: `import { resolveConfig } from './src/core/config/resolve.ts'
          const outcomes = []
          for (const root of process.argv.slice(2)) {
            outcomes.push(await resolveConfig({ root }).then(
              (config) => ({ names: [...config.secrets.keys()], files: config.files }),
              (error) => ({ code: error.code, text: error.format() })))
          }
          console.log(JSON.stringify(outcomes))`,
          resolveDir: process.cwd(),
        },
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        outfile: script,
        logLevel: 'error',
      })
      const output = await runScript(
        script,
        all.map(({ folder }) => folder),
        { NODE_NO_WARNINGS: '1' },
        major === 0 ? undefined : join(await newerNode(major), 'node'),
      )
      const outcomes = JSON.parse(output) as {
        names: string[]
        files: string[]
        code: string
        text: string
      }[]
      for (const [index, { file }] of all.slice(0, good.length).entries())
        expect(outcomes[index]).toEqual({ names: ['A'], files: [file] })
      for (const [index, [, , part]] of bad.entries()) {
        const { code, text } = outcomes[good.length + index]!
        expect(code).toMatch(/^CONFIG_(UNREADABLE|INVALID)$/)
        expect(text).toContain(all[good.length + index]!.file)
        expect(text).toContain(part)
        expect(text).not.toMatch(/^ {4}at /m)
      }
    },
  )

  it('are the root of the project, and the origin of what they say', async () => {
    project.write({ 'secrets.config.json': '{"secrets":{"A":"env:A"},"providers":{"env":{"type":"env"}}}' })
    const config = await resolveHere({ root: join(project.root, 'src') })
    expect(config.root).toBe(project.root)
    expect(config.origins.get('secrets.A')).toBe(join(project.root, 'secrets.config.json'))
  })

  it.each(['ts', 'mjs'])('reads an edited .%s file again', async (extension) => {
    const name = `secrets.config.${extension}`
    project.write({ [name]: CODE })
    await resolveHere()
    project.write({ [name]: CODE.replaceAll('A', 'B') })
    expect([...(await resolveHere()).secrets.keys()]).toEqual(['B'])
  })

  it.each(['{\n "token": VALUE,\n}', '{\n "token": "VALUE", }', '{\n "token": "VALUE'])(
    'broken JSON is not quoted: %j',
    async (text) => {
      const value = canary('tok')
      project.write({ 'secrets.config.json': text.replace('VALUE', value) })
      const error = await failure(resolveHere())
      expect(error.code).toBe('CONFIG_UNREADABLE')
      expect(error.message).toContain('it is not JSON')
      expect(error.shown).not.toContain(value.slice(0, 8))
    },
  )

  it('takes another file when told, or none', async () => {
    project.write({ 'secrets.config.mjs': CODE, 'other/mine.mjs': CODE.replaceAll('A', 'B') })
    expect([...(await resolveHere({ configFile: 'other/mine.mjs' })).secrets.keys()]).toEqual(['B'])
    expect((await resolveHere({ configFile: false })).secrets.size).toBe(0)
    expect((await failure(resolveHere({ configFile: 'gone.mjs' }))).code).toBe('CONFIG_UNREADABLE')
  })
})

describe('layers', () => {
  const layer = (path: string, more = '') =>
    `export default { providers: { env: { type: 'env' }, ${path}: { type: 'env' } }, secrets: { SHARED: '${path}:S', ${path.toUpperCase()}: 'env:X' }, ${more} }`

  it('user, repository, workspace, options: the nearer one wins, name by name', async () => {
    project.write(
      { 'config.json': '{"providers":{"home":{"type":"env"}},"timeout":1111,"cache":{"ttl":"1h"}}' },
      project.user,
    )
    project.write({
      'secrets.config.mjs': layer('repo', `client: ['REPO'], timeout: 2222`),
      'apps/web/secrets.config.mjs': layer('web', `client: ['WEB']`),
      'apps/web/package.json': '{}',
    })
    const root = join(project.root, 'apps/web')
    const config = await resolveHere({ root: join(root, 'src/deep'), client: ['SHARED'] })
    expect(config.root).toBe(root)
    expect(config.files.map((file) => file.replace(project.root, '').replace(project.user, '~'))).toEqual([
      '~/config.json',
      '/secrets.config.mjs',
      '/apps/web/secrets.config.mjs',
    ])
    expect([...config.providers.keys()]).toEqual(['home', 'env', 'repo', 'web'])
    expect(config.secrets.get('SHARED')?.reference?.provider).toBe('web')
    expect([...config.secrets.keys()].sort()).toEqual(['REPO', 'SHARED', 'WEB'])
    // A list further out must not widen what is allowed.
    expect(config.client).toEqual(['SHARED'])
    expect(config.timeout).toBe(2222)
    expect(config.cache).toMatchObject({ ttl: 3_600_000 })
    const origin = (key: string) => config.origins.get(key)?.replace(project.root, '')
    expect(origin('providers.home')).toBe(join(project.user, 'config.json'))
    expect(origin('secrets.REPO')).toBe('/secrets.config.mjs')
    expect(origin('secrets.SHARED')).toBe('/apps/web/secrets.config.mjs')
    expect(origin('client')).toBe('options')
  })

  it.each(['client: []', 'secrets: {}', 'import: []', 'scan: false', 'processEnv: false'])(
    'a user may not decide %s for a project',
    async (setting) => {
      project.write({ 'config.mjs': `export default { ${setting} }` }, project.user)
      const error = await failure(resolveHere())
      expect(error.code).toBe('CONFIG_INVALID')
      expect(error.message).toContain(setting.split(':')[0])
      expect(error.message).toContain(project.user)
    },
  )

  it('outside a repository nothing above the package is read', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'unplugin-secrets-'))
    try {
      project.write({ 'secrets.config.mjs': CODE, 'package/package.json': '{}' }, outside)
      const config = await resolveHere({ root: join(outside, 'package') })
      expect([config.files, config.root]).toEqual([[], join(outside, 'package')])
    } finally {
      rmSync(outside, { recursive: true })
    }
  })

  it('without any configuration everything is in the encrypted local vault', async () => {
    project.write({ 'package.json': '{}' })
    const config = await resolveHere({ root: join(project.root, 'src') })
    expect(config.root).toBe(project.root)
    expect([...config.providers.values()].map(({ type }) => type)).toEqual(['local'])
    expect(config.imports.map(({ source }) => source)).toEqual(['local:*'])
    expect(config.client).toEqual([])
    expect(config.environment).toBe(process.env.NODE_ENV)
  })

  it('and so it is with providers that a user keeps for all projects', async () => {
    project.write({ 'config.json': '{"providers":{"home":{"type":"env"}}}' }, project.user)
    const config = await resolveHere()
    expect([...config.providers.keys()].sort()).toEqual(['home', 'local'])
    expect(config.imports.map(({ source }) => source)).toEqual(['local:*'])
  })
})

describe('profiles and environments', () => {
  const config = {
    providers: { p: { type: 'env' } },
    secrets: { A: 'p:{environment}-{profile}' },
    profiles: { staging: { secrets: { A: 'p:STAGED' }, cache: false as const }, other: {} },
  }

  it('one profile is active: chosen, SECRETS_PROFILE, configured, none', async () => {
    const path = async (more: object) =>
      (await resolveHere({ ...config, environment: 'x y', ...more })).secrets.get('A')?.reference?.path
    expect(await path({})).toBe('x y-default')
    expect(await path({ profile: 'other' })).toBe('x y-other')
    vi.stubEnv('SECRETS_PROFILE', 'staging')
    expect(await path({})).toBe('STAGED')
    expect(await path({ profile: 'other' })).toBe('x y-other')
    const staged = await resolveHere(config)
    expect([staged.profile, staged.cache, staged.origins.get('secrets.A')]).toEqual([
      'staging',
      false,
      'profile staging',
    ])
  })

  it('SECRETS_PROFILE goes over the file, and options over both', async () => {
    project.write({ 'secrets.config.json': JSON.stringify({ ...config, profile: 'other' }) })
    expect((await resolveHere()).profile).toBe('other')
    vi.stubEnv('SECRETS_PROFILE', 'staging')
    expect((await resolveHere()).profile).toBe('staging')
    expect((await resolveHere({ profile: 'other' })).profile).toBe('other')
  })

  it('names the profiles there are', async () => {
    const error = await failure(resolveHere({ ...config, profile: 'stagin' }))
    expect(error.message).toContain('Did you mean staging?')
    expect(error.hint).toContain('staging, other')
    expect((await failure(inline({ profile: 'x' }))).hint).toContain('no `profiles`')
  })

  it('explicit, configured, mode, NODE_ENV, development', async () => {
    project.write({ 'secrets.config.json': '{"environment":"configured","providers":{},"secrets":{}}' })
    const name = async (more: object = {}) => (await resolveHere(more)).environment
    expect(await name({ environment: 'explicit', mode: 'm' })).toBe('explicit')
    expect(await name({ mode: 'm' })).toBe('configured')
    expect(await name({ mode: 'm', configFile: false })).toBe('m')
    vi.stubEnv('NODE_ENV', 'node')
    expect(await name({ configFile: false })).toBe('node')
    expect(await name({ configFile: false, mode: '' })).toBe('node')
    vi.stubEnv('NODE_ENV', '')
    expect(await name({ configFile: false })).toBe('development')
  })

  it('placeholders are encoded, and a bare provider means the secret of the environment', async () => {
    const { imports, secrets } = await inline({
      environment: 'Feature/Dark Mode#1',
      import: ['p', 'p:', 'p:app/{environment}'],
      secrets: { X: 'p:a?e={environment}#f' },
    })
    expect(imports.map(({ path }) => path)).toEqual([
      'feature-dark-mode-1',
      'feature-dark-mode-1',
      'app/Feature/Dark Mode#1',
    ])
    expect(secrets.get('X')?.reference).toMatchObject({ options: { e: 'Feature/Dark Mode#1' }, field: 'f' })
  })
})

describe('mistakes', () => {
  it('are all told at once, with the nearest names', async () => {
    const error = await wrong({
      clinet: [],
      server: 'lambda',
      consumer: 'browser',
      timeout: 0,
      scan: { exlude: [] },
      cache: { tll: '5m', ttl: {} },
      processEnv: 'yes',
      types: 3,
      import: 'all',
      client: [1],
      environment: '',
      secrets: {
        A: { form: 'x' },
        B: 5,
        C: { from: 'a:b', template: 'c' },
        D: '',
        E: { from: 'a:b', schema: {} },
      },
      profiles: { p: { clients: [], secrets: { A: { form: 'x' } }, cache: { tll: 1 } }, q: 1 },
    })
    const told = messages(error)
    for (const part of [
      'clinet is not a setting. Did you mean client?',
      "server must be 'runtime' or 'sealed'",
      "consumer must be 'client' or 'server'",
      'timeout must be a number of milliseconds',
      'scan.exlude is not a setting. Did you mean exclude?',
      'cache.tll is not a setting. Did you mean ttl?',
      'cache.ttl must be a duration',
      'processEnv must be true or false',
      'types must be text or true or false',
      'import must be a list of texts',
      'client must be a list of texts',
      'environment must be text',
      'secrets.A.form is not a setting. Did you mean from?',
      'secrets.A needs exactly one of `from` and `template`',
      'secrets.B must be a reference or an object',
      'secrets.C needs exactly one',
      'secrets.D must be a reference or an object',
      'secrets.E.schema must be a Standard Schema',
      'profiles.p.clients is not a setting',
      'profiles.p.secrets.A.form is not a setting',
      'profiles.p.secrets.A needs exactly one',
      'profiles.p.cache.tll is not a setting',
      'profiles.q must be an object',
    ])
      expect(told.filter((message) => message.startsWith(part))).toHaveLength(1)
    expect(error.code).toBe('SEVERAL')
  })

  it('name the file they stand in, in every file', async () => {
    project.write({ 'config.json': '{"timeot":1}' }, project.user)
    project.write({ 'secrets.config.json': '{"clinet":[]}' })
    const told = messages(await failure(resolveHere()))
    expect(told).toHaveLength(2)
    expect(told[0]).toContain(join(project.user, 'config.json'))
    expect(told[1]).toContain(join(project.root, 'secrets.config.json'))
  })

  it.each([Infinity, -1, Number.NaN, 2 ** 31])('timeout %s would fire at once', async (timeout) => {
    expect((await failure(inline({ timeout }))).message).toContain('timeout must be')
  })

  it('in values are told together: references, durations, providers, names', async () => {
    const error = await wrong({
      providers: {
        p: holding({}, { ttl: '5x' as never }),
        q: { type: 'vualt' },
        r: 5,
        's.t': { type: 'env' },
      },
      import: ['p:*', 'w:x'],
      secrets: {
        A: 'p:a b',
        B: 'pp:x',
        C: { from: 'p:x', ttl: '1y' },
        D: { template: '{{vault:E' },
        F: 'p:x',
        '1x': 'p:x',
        __proto__x: 'p:x',
        ['__proto__']: 'p:x',
      },
      cache: { ttl: 'never', maxStale: '7' },
    })
    const told = messages(error)
    for (const part of [
      'The ttl of providers.p is not a duration',
      'no provider of the type "vualt". Did you mean vault?',
      'providers.r is not a provider',
      'providers.s.t cannot be named in a reference',
      'import[0] (p:*): place cannot give everything it holds',
      'import[1] names the provider w, which is not configured.',
      'the reference of secrets.A',
      'secrets.B names the provider pp, which is not configured. Did you mean p?',
      'secrets.C.ttl is not a duration',
      'the template of secrets.D',
      'secrets.1x is not a usable name',
      'secrets.__proto__ is not a usable name',
      'cache.ttl is not a duration',
      'cache.maxStale is not a duration',
    ])
      expect([part, told.filter((message) => message.includes(part)).length]).toEqual([part, 1])
    expect(told).toHaveLength(14)
  })

  it('of a provider about a reference are found before anything is read', async () => {
    const p = holding({}, { validate: ({ path }) => (path === 'bad' ? 'paths here are good' : undefined) })
    const error = await failure(resolveHere({ providers: { p }, secrets: { A: 'p:bad', B: 'p:good' } }))
    expect(error.code).toBe('REFERENCE_INVALID')
    expect(error.message).toContain('paths here are good')
    expect(p.calls).toEqual([])
  })

  it('in templates: unknown names, circles', async () => {
    const unknown = await failure(inline({ secrets: { HOST: 'p:h', URL: { template: '{{vault:HSOT}}' } } }))
    expect(unknown.message).toContain('names HSOT, which is not declared. Did you mean HOST?')
    const circle = await failure(
      inline({
        secrets: {
          A: { template: '{{vault:B.x}}' },
          B: { template: '{{vault:C}}' },
          C: { template: '{{vault:A}}' },
        },
      }),
    )
    expect([circle.code, circle.message]).toEqual([
      'TEMPLATE_CYCLE',
      'Templates go in a circle: A → B → C → A.',
    ])
  })
})
