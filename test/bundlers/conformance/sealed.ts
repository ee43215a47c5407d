import { spawnSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, vi } from 'vitest'
import { deriveKey } from '../../../src/core/crypto/keys.ts'
import { open } from '../../../src/core/crypto/seal.ts'
import type { UsageFile } from '../../../src/core/expose/usage-file.ts'
import { canariesIn, canary } from '../../support/canary.ts'
import { failure } from '../../support/project.ts'
import type { Specifics } from '../harness.ts'
import { config, values, type World } from '../world.ts'

const READ = `
  import { DATABASE_URL, db } from 'virtual:secrets/server'
  import { STRIPE_KEY as unused } from 'virtual:secrets/server'
  import { pass } from './pass.js'
  export const read = () => {
    const { TITLE: title } = import.meta.env
    return { DATABASE_URL, db, title, pass }
  }
  export const fail = () => { throw new Error('here') }`
const files = {
  'src/main.js': READ,
  'src/pass.js': `export { DATABASE_URL as pass } from 'virtual:secrets/server'`,
}
const READS = {
  DATABASE_URL: values.DATABASE_URL,
  db: { user: 'app', password: values.PASSWORD },
  title: values.TITLE,
  pass: values.DATABASE_URL,
}
const server = { consumer: 'server' } as const
const sealed = (more = {}) => config({ server: 'sealed', ...more })

/** A project whose key is in the environment of the build. @returns the key */
async function sealedApp(world: World, more: Record<string, string> = {}): Promise<string> {
  await world.app({ ...files, ...more })
  const key = readFileSync(join(world.project.root, '.secrets/project.key'), 'utf8').trim()
  vi.stubEnv('SECRETS_KEY', key)
  return key
}

/** Every sealed text of an output, opened. */
function opened(text: string, key: string): Record<string, string>[] {
  // A minifier may move it away from its block.
  const scope = /["'`]([0-9a-f]{16})["'`]/.exec(text)?.[1]
  return [...text.matchAll(/["'`](VVNFQ[\w+/=]+)["'`]/g)].map(([, data]) => {
    const label = { purpose: 'sealed', scope: scope! } as const
    const secret = deriveKey(createSecretKey(Buffer.from(key, 'hex')), label)
    return JSON.parse(String(open(Buffer.from(data!, 'base64'), secret, label))) as Record<string, string>
  })
}

/** Starts what was built in a Node of its own, which has nothing but this. */
function start(world: World, env: Record<string, string>, file = 'main.js', args: string[] = []) {
  const path = join(world.project.root, 'dist', file)
  const load = file.endsWith('.cjs')
    ? `Promise.resolve(require(${JSON.stringify(path)}))`
    : `import(${JSON.stringify(pathToFileURL(path).href)})`
  const script = `${load}.then(({ read, fail }) => {
    let at
    try { fail() } catch (error) { at = error.stack.split('\\n')[1] }
    console.log(JSON.stringify([read(), at]))
  })`
  const result = spawnSync(process.execPath, [...args, '-e', script], {
    cwd: world.project.folder,
    env: { PATH: process.env.PATH, HOME: world.project.folder, ...env },
    encoding: 'utf8',
  })
  world.project.output.push(result.stderr)
  const [read, at] = result.stdout ? (JSON.parse(result.stdout) as [unknown, string]) : []
  return { ...result, read, at }
}

/** For bundlers with the capability `sealed`. */
export function sealedCases(world: World, specifics: Required<Specifics>): void {
  const forms = [true, false].flatMap((minify) =>
    (specifics.cjs ? (['es', 'cjs'] as const) : (['es'] as const)).map((format) => ({ minify, format })),
  )
  it.each(forms)(
    'carries what the graph uses, and opens with the key: $format, minified: $minify',
    async (how) => {
      const key = await sealedApp(world)
      await world.build({ ...server, ...how, config: sealed(), sourcemap: true })
      const text = world.emitted(/\.c?js$/)
      const [content, ...others] = opened(text, key)
      expect(others).toEqual([])
      const every = Object.keys(content!).sort()
      expect(every).toEqual(['DATABASE_URL', 'TITLE', 'db'])
      // Some leave declarations that nothing reads unless they minify; they get no value.
      if (how.minify || specifics.dropsUnused) expect(text).not.toContain('STRIPE_KEY')
      expect(content).toMatchObject({ DATABASE_URL: values.DATABASE_URL, TITLE: values.TITLE })
      expect(world.emitted()).not.toContain('__SECRETS_SEALED_')
      expect(text).not.toContain('local:')
      expect(canariesIn(world.emitted(), [...Object.values(values), key])).toEqual([])
      const started = start(
        world,
        { SECRETS_KEY: Buffer.from(key, 'hex').toString('base64') },
        how.format === 'cjs' ? 'main.cjs' : 'main.js',
        ['--enable-source-maps'],
      )
      expect(started.read).toEqual(READS)
      // The seal moves columns; the map has to follow.
      if (!how.minify || specifics.minifiedMaps) expect(started.at).toMatch(/src\/main\.js:9:(3\d|41|47)/)
    },
  )

  it('says in one line what is wrong with a key, and gives nothing', async () => {
    const key = await sealedApp(world)
    await world.build({ ...server, config: sealed() })
    const other = randomBytes(32).toString('hex')
    for (const [given, message] of [
      [undefined, 'SECRETS_KEY is not set.'],
      ['password', 'SECRETS_KEY is not a key'],
      [other, 'SECRETS_KEY is another key'],
    ] as const) {
      const { status, stderr, stdout } = start(world, given === undefined ? {} : { SECRETS_KEY: given })
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`[secrets] ${message}`)
      expect(stderr).not.toMatch(/^ +at /m)
      expect(canariesIn(stderr, [...Object.values(values), key, given ?? key])).toEqual([])
    }
  })

  it('lets a variable win, and needs no key when variables give everything', async () => {
    const key = await sealedApp(world)
    await world.build({ ...server, config: sealed(), minify: true })
    expect(start(world, { SECRETS_KEY: key, DATABASE_URL: 'mine' }).read).toEqual({
      ...READS,
      DATABASE_URL: 'mine',
      pass: 'mine',
    })
    expect(start(world, { DATABASE_URL: 'mine', db: '[1]', TITLE: '' }).read).toEqual({
      DATABASE_URL: 'mine',
      db: [1],
      title: '',
      pass: 'mine',
    })
  })

  it('is the same for the same values, and another one for others', async () => {
    const key = await sealedApp(world)
    for (const outDir of ['one', 'two']) await world.build({ ...server, config: sealed(), outDir })
    expect(world.emitted(/js$/, 'two')).toBe(world.emitted(/js$/, 'one'))
    const DATABASE_URL = canary('rotated')
    await world.set('DATABASE_URL', DATABASE_URL)
    await world.build({ ...server, config: sealed(), outDir: 'three' })
    expect(world.emitted(/js$/, 'three')).not.toBe(world.emitted(/js$/, 'one'))
    expect(opened(world.emitted(/js$/, 'three'), key)).toMatchObject([{ DATABASE_URL }])
    expect(canariesIn(world.emitted(/./, 'three'), [DATABASE_URL])).toEqual([])
  })

  it('carries all names when the module escapes as a whole, and none when it is not read', async () => {
    const key = await sealedApp(world, {
      'src/all.js': `import * as all from 'virtual:secrets/server'
        const pick = (name) => all[name]
        console.log(JSON.stringify(['DATABASE_URL', 'STRIPE_KEY'].map(pick)))`,
      'src/none.js': `import 'virtual:secrets/server'; console.log('1')`,
    })
    const entries = { 'src/main.js': `import './all.js'` }
    world.write(entries)
    await world.build({ ...server, config: sealed(), minify: true })
    expect(opened(world.emitted(/js$/), key).map((each) => Object.keys(each).sort())).toEqual([
      ['DATABASE_URL', 'MAPS_KEY', 'STRIPE_KEY', 'TITLE', 'db'],
    ])
    expect(world.run({ SECRETS_KEY: key })).toEqual([values.DATABASE_URL, values.STRIPE_KEY])
    world.write({ 'src/main.js': `import './none.js'` })
    await world.build({ ...server, config: sealed(), outDir: 'none', minify: true })
    expect(world.emitted(/js$/, 'none')).not.toMatch(/SECRETS_|VVNFQ/)
  })

  it('changes nothing for a client', async () => {
    await sealedApp(world, {
      'src/main.js': `import { MAPS_KEY } from 'virtual:secrets/client'
        console.log(JSON.stringify([MAPS_KEY, import.meta.env.TITLE]))`,
    })
    await world.build({ config: config(), outDir: 'plain' })
    await world.build({ config: sealed() })
    expect(world.run()).toEqual([values.MAPS_KEY, values.TITLE])
    expect(world.emitted(/js$/)).toBe(world.emitted(/js$/, 'plain'))
    world.write({
      'src/main.js': `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL)`,
    })
    expect(await failure(world.build({ config: sealed(), outDir: 'bad' }))).toContain(
      'virtual:secrets/server',
    )
    expect(world.outputs('bad')).toEqual([])
  })

  it('does not build without a key, and says how to make one', async () => {
    await sealedApp(world)
    vi.stubEnv('SECRETS_KEY', '')
    const text = await failure(world.build({ ...server, config: sealed() }))
    expect(text).toContain("server: 'sealed' needs SECRETS_KEY")
    expect(text).toContain('openssl rand -hex 32')
    expect(world.outputs()).toEqual([])
  })
}

/** For bundlers with the capability `manifest`. */
export function manifestCases(world: World, specifics: Required<Specifics>): void {
  const read = (): UsageFile =>
    JSON.parse(readFileSync(join(world.project.root, '.secrets/manifest.json'), 'utf8')) as UsageFile
  const rows = (consumer: 'client' | 'server') =>
    Object.values(read().graphs).find((graph) => graph.consumer === consumer)!

  it('says what went where, graph by graph, and holds no value', async () => {
    await world.app({
      ...files,
      'src/client.js': `
        import { MAPS_KEY } from 'virtual:secrets/client'
        import './unused.js'
        import { shown } from './shown.js'
        console.log(MAPS_KEY, shown)`,
      'src/shown.js': `export const shown = [import.meta.env.TITLE]; export const other = () => import.meta.env.MAPS_KEY`,
      'src/unused.js': `export const x = () => import.meta.env.TITLE`,
      'src/nothing.js': `console.log('TITLE')`,
    })
    const manifest = config({ manifest: true })
    await world.build({ ...server, config: manifest })
    world.write({ 'src/main.js': `import './client.js'; import './nothing.js'` })
    await world.build({ config: manifest, outDir: 'page' })
    const [backend, page] = [rows('server'), rows('client')]
    expect([backend.outDir, page.outDir]).toEqual(['dist', 'page'])
    const shown = ({ secrets }: typeof page) => secrets.map(({ name, as, modules }) => [name, as, modules])
    const used = shown(backend).filter(([name]) => name !== 'STRIPE_KEY')
    expect(used).toEqual([
      ['DATABASE_URL', 'runtime', expect.arrayContaining(['src/main.js'])],
      ['TITLE', 'runtime', ['src/main.js']],
      ['db', 'runtime', ['src/main.js']],
    ])
    expect(shown(page)).toEqual([
      ['MAPS_KEY', 'value', ['src/client.js', 'src/shown.js']],
      ['TITLE', 'value', ['src/shown.js']],
    ])
    for (const row of [...backend.secrets, ...page.secrets]) {
      expect(row).toMatchObject({ source: 'provider', provider: 'local', reference: `local:${row.name}` })
      expect(row.files).toContain('main.js')
    }
    expect(canariesIn(JSON.stringify(read()), Object.values(values))).toEqual([])
    const before = JSON.stringify(read())
    await world.build({ config: manifest, outDir: 'page' })
    expect(JSON.stringify(read())).toBe(before)
  })

  it('is refused where browsers would get it', async () => {
    const text = await world.refused(
      { 'src/main.js': `console.log(import.meta.env.MAPS_KEY)` },
      { config: config({ manifest: 'dist/secrets.json' }) },
    )
    expect(text).toContain('which is served')
    expect(existsSync(join(world.project.root, '.secrets/manifest.json'))).toBe(false)
  })

  if (specifics.sealed) {
    it('says that values are sealed', async () => {
      await sealedApp(world)
      await world.build({ ...server, config: sealed({ manifest: true }) })
      const { secrets } = rows('server')
      expect(secrets.map(({ name, as }) => [name, as])).toContainEqual(['DATABASE_URL', 'sealed'])
    })
  }
}
