import { spawnSync } from 'node:child_process'
import { createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject, type Project } from './support/project.ts'
import { askWorkerd } from './support/workerd.ts'

const DATABASE_URL = canary('db')
const STRIPE_KEY = canary('stripe')
const PASSWORD = canary('pass')
const UNUSED = canary('unused')
const all = [DATABASE_URL, STRIPE_KEY, PASSWORD, UNUSED]
/** Of the project: its vault is sealed with it too. */
let KEY: string
let key: Buffer

let project: Project
const said: string[] = []

const NAMES = ['DATABASE_URL', 'STRIPE_KEY', 'UNUSED', 'my-key']
const config = () => ({
  ...fromLocal(NAMES),
  secrets: { ...fromLocal(NAMES).secrets, db: { from: 'local:db', mode: 'json' as const } },
  server: 'sealed' as const,
})

async function app(server: string, more: Record<string, string> = {}): Promise<void> {
  project = await makeProject(
    { 'src/server.ts': server, ...more },
    {
      DATABASE_URL,
      STRIPE_KEY,
      UNUSED,
      'my-key': STRIPE_KEY,
      db: JSON.stringify({ user: 'app', password: PASSWORD }),
    },
  )
  KEY = readFileSync(join(project.root, '.secrets/project.key'), 'utf8').trim()
  key = Buffer.from(KEY, 'hex')
  vi.stubEnv('SECRETS_KEY', KEY)
}

type Build = Parameters<typeof buildClient>[2]
const build = (more: Build = {}): Promise<void> =>
  buildClient(project, config(), { ...more, build: { ssr: 'src/server.ts', ...more?.build } })

const chunks = (folder = 'dist'): string[] =>
  (readdirSync(join(project.root, folder), { recursive: true }) as string[]).filter((file) =>
    /\.[cm]?js$/.test(file),
  )
const emitted = (folder = 'dist'): string =>
  chunks(folder)
    .map((file) => readFileSync(join(project.root, folder, file), 'utf8'))
    .join('\n')

/** What stands in an output, opened as the documentation says. */
function opened(text: string): unknown[] {
  return [...text.matchAll(/\("([0-9a-f]{16})", "(VVNFQ[\w+/=]+)"\)/g)].map(([, scope, base64]) => {
    const bytes = Buffer.from(base64!, 'base64')
    const salt = createHash('sha256').update(scope!).digest()
    const derived = Buffer.from(hkdfSync('sha256', key, salt, 'unplugin-secrets/sealed/v1', 32))
    expect(bytes.subarray(0, 6).toString('latin1')).toBe('USEC\x01\x03')
    expect(bytes.subarray(6, 14)).toEqual(
      createHmac('sha256', derived).update('unplugin-secrets/key-id/v1').digest().subarray(0, 8),
    )
    expect(bytes.subarray(14, 46)).toEqual(salt)
    const decipher = createDecipheriv('aes-256-gcm', derived, bytes.subarray(46, 58))
    decipher.setAAD(bytes.subarray(0, 58))
    decipher.setAuthTag(bytes.subarray(-16))
    const plain = Buffer.concat([decipher.update(bytes.subarray(58, -16)), decipher.final()])
    return JSON.parse(plain.toString())
  })
}

/** Starts a program of the built server somewhere else, without the project's environment. */
function start(
  script: string,
  env: Record<string, string | undefined>,
  args: string[] = [],
  rest: string[] = [],
) {
  const result = spawnSync(process.execPath, [...args, '-e', script, ...rest], {
    cwd: project.folder,
    env: { PATH: process.env.PATH, HOME: project.folder, ...env } as NodeJS.ProcessEnv,
    encoding: 'utf8',
  })
  said.push(result.stderr)
  return result
}
const inWorkerd = async (file: string, compatibilityDate: string, flags: string[]): Promise<string> => {
  const at = { folder: join(project.root, 'dist'), file, compatibilityDate, flags }
  const { answer, errors } = await askWorkerd(at, KEY)
  said.push(errors)
  return answer ?? errors
}
const importing = (file: string): string =>
  `import(${JSON.stringify(pathToFileURL(join(project.root, file)).href)}).then(({ read }) => console.log(JSON.stringify(read())))`

const READ = `
  import { DATABASE_URL, db, 'my-key' as myKey } from 'virtual:secrets/server'
  import { UNUSED } from 'virtual:secrets/server'
  export const read = () => ({ DATABASE_URL, db, myKey, maps: import.meta.env.STRIPE_KEY })`
const VALUES = { DATABASE_URL, db: { user: 'app', password: PASSWORD }, myKey: STRIPE_KEY, maps: STRIPE_KEY }

afterEach(() => {
  expect(canariesIn([...project.output, ...said.splice(0)].join('\n'), [...all, KEY])).toEqual([])
  const files = canaryFiles(project.folder, [...all, KEY])
  expect(files.filter((file) => !file.endsWith('project.key'))).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

describe('a sealed server', () => {
  it('carries what it uses and nothing else, and opens it anywhere with the key', async () => {
    await app(READ)
    await build()
    const text = emitted()
    expect(opened(text)).toEqual([
      { DATABASE_URL, STRIPE_KEY, db: JSON.stringify(VALUES.db), 'my-key': STRIPE_KEY },
    ])
    expect(text).not.toContain('UNUSED')
    expect(text).not.toContain('__SECRETS_SEALED_')
    expect(text).not.toContain('local:')
    expect(text).not.toContain('noble')
    for (const given of [KEY, key.toString('base64'), ` ${key.toString('base64url')}\n`]) {
      const { stdout } = start(importing('dist/server.js'), { SECRETS_KEY: given })
      expect(JSON.parse(stdout)).toEqual(VALUES)
    }
    // What the build itself runs, to prerender, finds its values in memory.
    vi.stubEnv('SECRETS_KEY', '')
    const built = pathToFileURL(join(project.root, 'dist/server.js')).href
    const { read } = (await import(built)) as { read: () => unknown }
    expect(read()).toEqual(VALUES)
  })
})

describe('what a sealed server needs', () => {
  it('all names when the module escapes as a whole, and each output its own', async () => {
    await app(`export { read } from './read.ts'; export const other = () => import('./lazy.ts')`, {
      'src/read.ts': `import * as all from 'virtual:secrets/server'
        const pick = (name: string) => (all as Record<string, unknown>)[name]
        export const read = () => ['DATABASE_URL', 'my-key', 'UNUSED'].map(pick)`,
      'src/lazy.ts': `export const lazy = () => 1`,
    })
    await build()
    expect(opened(emitted()).map((values) => Object.keys(values as object))).toEqual([
      ['DATABASE_URL', 'STRIPE_KEY', 'UNUSED', 'db', 'my-key'],
    ])
    const { stdout } = start(importing('dist/server.js'), { SECRETS_KEY: KEY })
    expect(JSON.parse(stdout)).toEqual([DATABASE_URL, STRIPE_KEY, UNUSED])
  })

  it('nothing when it reads nothing', async () => {
    await app(`import 'virtual:secrets/server'; export const read = () => 1`)
    await build()
    expect(emitted()).not.toMatch(/SECRETS|VVNFQ/)
  })
})

describe('outputs of a sealed server', () => {
  it('are the same for the same secrets, and have other names for other ones', async () => {
    await app(`export const read = () => import('./read.ts')`, { 'src/read.ts': READ })
    await build({ build: { outDir: 'one' } })
    await build({ build: { outDir: 'two' } })
    expect(emitted('two')).toBe(emitted('one'))
    const { local } = await import('../src/providers/index.ts')
    const { contextFor } = await import('./support/workspace.ts')
    const value = canary('rotated')
    await local().write!({ path: 'DATABASE_URL', value }, contextFor(project.root))
    await build({ build: { outDir: 'three' } })
    expect(opened(emitted('three'))).toMatchObject([{ DATABASE_URL: value }])
    expect(chunks('three').sort()).not.toEqual(chunks('one').sort())
    expect(canaryFiles(project.folder, [value])).toEqual([])
  })

  it('work as CommonJS, minified, with a true source map, and stay live', async () => {
    await app(`${READ}\nexport const fail = () => { throw new Error('here') }`)
    await build({
      build: {
        minify: true,
        sourcemap: true,
        rolldownOptions: { output: { format: 'cjs', entryFileNames: '[name].cjs' } },
      },
    })
    const script = `
      const { read, fail } = require(${JSON.stringify(join(project.root, 'dist/server.cjs'))})
      const first = read()
      const store = globalThis[Symbol.for('unplugin-secrets.store.v1')]
      for (const listeners of store.listeners.values()) for (const tell of listeners) tell({ DATABASE_URL: 'rotated' })
      let at; try { fail() } catch (error) { at = error.stack.split('\\n')[1] }
      console.log(JSON.stringify([first, read().DATABASE_URL, at]))`
    const { stdout } = start(script, { SECRETS_KEY: KEY }, ['--enable-source-maps'])
    const [first, then, at] = JSON.parse(stdout) as unknown[]
    expect(first).toEqual(VALUES)
    expect(then).toBe('rotated')
    expect(at).toMatch(/src\/server\.ts:5:3\d/)
  })

  it('let a variable win, and need no key when there is nothing left to open', async () => {
    await app(READ)
    await build()
    const one = start(importing('dist/server.js'), { SECRETS_KEY: KEY, DATABASE_URL: 'mine', db: '[1]' })
    expect(JSON.parse(one.stdout)).toEqual({ ...VALUES, DATABASE_URL: 'mine', db: [1] })
    const every = { DATABASE_URL: '1', db: '2', 'my-key': '3', STRIPE_KEY: '4' }
    expect(JSON.parse(start(importing('dist/server.js'), every).stdout)).toEqual({
      DATABASE_URL: '1',
      db: 2,
      myKey: '3',
      maps: '4',
    })
  })
})

describe('a sealed server that cannot open its values', () => {
  it('says why in one line, without a stack', async () => {
    await app(READ)
    await build()
    const other = randomBytes(32).toString('hex')
    const cases: [string | undefined, string][] = [
      [undefined, 'SECRETS_KEY is not set.'],
      ['', 'SECRETS_KEY is not set.'],
      ['password', 'SECRETS_KEY is not a key'],
      [`${KEY}0`, 'SECRETS_KEY is not a key'],
      [other, 'SECRETS_KEY is another key'],
    ]
    for (const [given, message] of cases) {
      const { status, stderr, stdout } = start(importing('dist/server.js'), { SECRETS_KEY: given })
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`[secrets] ${message}`)
      expect(stderr).not.toMatch(/^ +at /m)
      if (given) expect(stderr).not.toContain(given)
    }
    const file = join(project.root, 'dist/server.js')
    const text = readFileSync(file, 'utf8')
    const at = text.indexOf('VVNFQ')
    // Header (nonce), ciphertext, tag, and what is no sealed text at all.
    for (const [offset, replacement] of [
      [66, 4],
      [90, 4],
      [-8, 4],
      [0, 5],
    ] as const) {
      const end = text.indexOf('"', at)
      const where = offset < 0 ? end + offset : at + offset
      const swapped = [...text.slice(where, where + replacement)]
        .map((char) => (char === 'A' ? 'B' : 'A'))
        .join('')
      writeFileSync(file, text.slice(0, where) + swapped + text.slice(where + replacement))
      const { stderr } = start(importing('dist/server.js'), { SECRETS_KEY: KEY })
      expect(stderr).toContain('[secrets] The sealed secrets of this bundle are damaged or were changed.')
    }
  })
})

describe('sealing a build', () => {
  it('fails without a key before anything is fetched, and says how to make one', async () => {
    await app(READ)
    for (const wrong of ['', 'password']) {
      vi.stubEnv('SECRETS_KEY', wrong)
      const message = await failure(build())
      expect(message).toMatch(/SECRETS_KEY/)
      expect(message).toContain('openssl rand -hex 32')
      expect(message).not.toContain('password')
      expect(() => chunks()).toThrow()
    }
  })

  it('is not needed in dev, where values are in memory', async () => {
    await app(READ)
    vi.stubEnv('SECRETS_KEY', '')
    const { createServer } = await import('vite')
    const { viteConfig } = await import('./support/project.ts')
    const server = await createServer(
      viteConfig(project, config(), { server: { middlewareMode: true, ws: false }, appType: 'custom' }),
    )
    try {
      const { read } = (await server.ssrLoadModule('/src/server.ts')) as { read: () => unknown }
      expect(read()).toEqual(VALUES)
    } finally {
      await server.close()
    }
  })

  it('fails when a plugin brings marks back behind us', async () => {
    await app(READ)
    const late = {
      name: 'late',
      generateBundle(_: unknown, bundle: Record<string, { type: string; code?: string }>) {
        for (const output of Object.values(bundle))
          if (output.code) output.code += '\n// __SECRETS_SEALED_0123456789abcdef__::'
      },
    }
    expect(await failure(build({ plugins: [late as never] }))).toMatch(/server\.js: .*were not sealed/)
  })
})

it('is sealed by Vite 7 too, whose bundler is Rollup', async () => {
  await app(READ)
  const { build: build7 } = await import('vite7')
  const { viteConfig } = await import('./support/project.ts')
  for (const minify of [false, true]) {
    const output = { ssr: 'src/server.ts', outDir: 'dist', minify }
    await build7(viteConfig(project, config(), { build: output }) as never)
    expect(emitted()).not.toMatch(/UNUSED|__SECRETS_SEALED_/)
    expect(JSON.parse(start(importing('dist/server.js'), { SECRETS_KEY: KEY }).stdout)).toEqual(VALUES)
  }
})

describe('an edge build', () => {
  const worker = `${READ}\nexport default { fetch: () => new Response(JSON.stringify(read())) }`
  const output = { rolldownOptions: { output: { entryFileNames: 'worker.mjs' } } }

  it.each([
    ['for a web worker', { ssr: { target: 'webworker' as const } }, 'noble'],
    [
      'for the condition edge-light',
      { ssr: { resolve: { conditions: ['edge-light'] }, noExternal: true as const } },
      'noble',
    ],
    ['for Node', {}, 'getBuiltinModule'],
  ])('%s opens its values in workerd', async (_, more, by) => {
    await app(worker)
    await build({ ...more, build: output })
    expect(emitted()).toContain(by)
    expect(emitted().includes('noble')).toBe(by === 'noble')
    expect(emitted()).not.toMatch(/^import\b|^export .* from\b/m)
    expect(JSON.parse(await inWorkerd('worker.mjs', '2025-09-01', ['nodejs_compat']))).toEqual(VALUES)
    expect(await inWorkerd('worker.mjs', '2025-09-01', [])).toContain('[secrets] SECRETS_KEY is not set.')
  })

  it('opens its values where there is nothing of Node but the variables', async () => {
    await app(worker)
    await build({ ssr: { target: 'webworker' }, build: { ...output, minify: true } })
    const script = `
      const { SourceTextModule, createContext } = require('node:vm')
      const text = require('node:fs').readFileSync(process.argv[1], 'utf8')
      const process_ = { env: { SECRETS_KEY: process.env.KEY } }
      const context = createContext({ TextEncoder, TextDecoder, atob, Response, process: process_ })
      const module = new SourceTextModule(text, { context })
      module.link(() => { throw new Error('it imports something') }).then(() => module.evaluate())
        .then(() => module.namespace.default.fetch().text()).then(console.log)`
    const file = join(project.root, 'dist/worker.mjs')
    const { stdout, stderr } = start(script, { KEY }, ['--experimental-vm-modules', '--no-warnings'], [file])
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual(VALUES)
  })
})
