import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, build, context, type OutputFile } from 'esbuild'
import { rolldown } from 'rolldown'
import { rollup } from 'rollup'
import { describe, expect, it, vi } from 'vitest'
import esbuildSecrets from '../../src/bundlers/esbuild.ts'
import rolldownSecrets from '../../src/bundlers/rolldown.ts'
import rollupSecrets from '../../src/bundlers/rollup.ts'
import type { UsageFile } from '../../src/core/expose/usage-file.ts'
import { canariesIn, canary } from '../support/canary.ts'
import { usual } from './rollup-like.ts'
import { config, values, worldFor } from './world.ts'

// What the common suite cannot ask of a sealed server: names with hashes, inline maps, what stays in memory.
const READ = `import { DATABASE_URL } from 'virtual:secrets/server'
  export const read = () => [DATABASE_URL, import.meta.env.db]
  export const fail = () => { throw new Error('here') }`
const READS = [values.DATABASE_URL, { user: 'app', password: values.PASSWORD }]
const sealed = (more = {}) => config({ server: 'sealed', consumer: 'server', ...more })
const world = worldFor({ name: 'sealed', build: () => expect.unreachable() })
const root = (): string => world.project.root
let key = ''

async function app(files: Record<string, string> = { 'src/main.js': READ }): Promise<void> {
  await world.app(files)
  key = readFileSync(join(root(), '.secrets/project.key'), 'utf8').trim()
  vi.stubEnv('SECRETS_KEY', key)
}

function start(file: string, env: Record<string, string> = { SECRETS_KEY: key }): unknown[] {
  const script = `import(${JSON.stringify(join(root(), file))}).then(({ read, fail }) => {
    let at; try { fail?.() } catch (error) { at = error.stack.split('\\n')[1] }
    Promise.resolve(read()).then((all) => console.log(JSON.stringify([all, at])))
  })`
  const { stdout, stderr } = spawnSync(process.execPath, ['--enable-source-maps', '-e', script], {
    env: { PATH: process.env.PATH, ...env },
    cwd: world.project.folder,
    encoding: 'utf8',
  })
  world.project.output.push(stderr)
  return stdout === '' ? [stderr] : (JSON.parse(stdout) as unknown[])
}

const scripts = (folder: string): string[] =>
  readdirSync(join(root(), folder)).filter((file) => file.endsWith('.js'))
const given = (more: BuildOptions = {}): BuildOptions => ({
  absWorkingDir: root(),
  entryPoints: ['src/main.js'],
  bundle: true,
  format: 'esm',
  platform: 'node',
  outdir: 'dist',
  logLevel: 'silent',
  plugins: [esbuildSecrets(sealed())],
  ...more,
})

describe('names with a hash', () => {
  const builds: Record<string, (outdir: string) => Promise<unknown>> = {
    esbuild: (outdir) => build(given({ outdir, entryNames: '[name]-[hash]', sourcemap: true })),
    async rollup(outdir) {
      const plugins = [rollupSecrets({ ...sealed(), root: root() }), usual({} as never)]
      const bundle = await rollup({ input: join(root(), 'src/main.js'), plugins, onLog: () => {} })
      await bundle.write({ dir: join(root(), outdir), entryFileNames: '[name]-[hash].js' })
      await bundle.close()
    },
    async rolldown(outdir) {
      const plugins = [rolldownSecrets({ ...sealed(), root: root() })]
      const bundle = await rolldown({ cwd: root(), input: 'src/main.js', plugins, logLevel: 'silent' })
      await bundle.write({ dir: outdir, entryFileNames: '[name]-[hash].js' })
      await bundle.close()
    },
  }

  it.each(Object.keys(builds))(
    'change with the values that are carried, and with no others: %s',
    async (name) => {
      await app()
      await builds[name]!('one')
      await world.set('STRIPE_KEY', canary('other'))
      await builds[name]!('two')
      expect(scripts('two')).toEqual(scripts('one'))
      const DATABASE_URL = canary('rotated')
      await world.set('DATABASE_URL', DATABASE_URL)
      await builds[name]!('three')
      expect(scripts('three')).not.toEqual(scripts('one'))
      expect(start(`three/${scripts('three')[0]}`)[0]).toEqual([DATABASE_URL, READS[1]])
      expect(canariesIn(world.emitted(/./, 'three'), [DATABASE_URL])).toEqual([])
      expect(world.emitted(/./, 'three')).not.toMatch(/__SECRETS_SEALED_|[0-9a-f]{16}~/)
    },
  )
})

describe('esbuild', () => {
  it.each(['linked', 'external', 'inline', 'both'] as const)('moves its own map: %s', async (sourcemap) => {
    await app()
    const { metafile } = await build(given({ sourcemap, minify: true, metafile: true }))
    const [read, at] = start('dist/main.js')
    expect(read).toEqual(READS)
    if (sourcemap !== 'external') expect(at).toMatch(/src\/main\.js:3:3\d/)
    for (const [path, { bytes }] of Object.entries(metafile!.outputs))
      expect([path, bytes]).toEqual([path, readFileSync(join(root(), path)).length])
    const map = sourcemap === 'inline' ? undefined : world.emitted(/\.map$/)
    expect(map ?? '').not.toContain('SEALED')
    expect(JSON.parse(map ?? '{"sources":["src/main.js"]}').sources.join()).toContain('src/main.js')
  })

  it('gives sealed outputs to who writes them', async () => {
    await app()
    const { outputFiles } = await build(given({ write: false }))
    const [{ text, contents }] = outputFiles as [OutputFile]
    expect(text).toContain('VVNFQ')
    expect(Buffer.from(contents).toString()).toBe(text)
    expect(world.outputs()).toEqual([])
  })

  it('writes anew what only another value has changed', async () => {
    await app()
    const made = await context(given())
    try {
      await made.rebuild()
      expect(start('dist/main.js')[0]).toEqual(READS)
      const DATABASE_URL = canary('rotated')
      await world.set('DATABASE_URL', DATABASE_URL)
      await made.rebuild()
      expect(start('dist/main.js')[0]).toEqual([DATABASE_URL, READS[1]])
    } finally {
      await made.dispose()
    }
  })

  it('says what is missing in an output of serve()', async () => {
    await app()
    const made = await context(given())
    try {
      const { port } = await made.serve({ host: '127.0.0.1', port: 0 })
      const text = await (await fetch(`http://127.0.0.1:${port}/main.js`)).text()
      world.write({ 'dist/served.mjs': text })
      expect(start('dist/served.mjs')[0]).toContain(
        '[secrets] This output was taken before its secrets were sealed',
      )
    } finally {
      await made.dispose()
    }
  })

  it('seals each chunk for itself, and in a second pass', async () => {
    await app({
      'src/main.js': `export const read = async () => [(await import('./a.js')).a, (await import('pack')).b]`,
      'src/a.js': `import { DATABASE_URL } from 'virtual:secrets/server'; export const a = DATABASE_URL`,
    })
    // Nobody looks into it before the build: the environment is taken apart outside the root.
    world.neighbour('pack', {
      'package.json': '{ "name": "pack", "type": "module", "main": "i.js" }',
      'i.js': `const { db } = import.meta.env; export const b = db`,
    })
    const plugins = [esbuildSecrets(sealed({ manifest: true }))]
    await build(given({ splitting: true, plugins }))
    expect(start('dist/main.js')[0]).toEqual(READS)
    const { graphs } = JSON.parse(readFileSync(join(root(), '.secrets/manifest.json'), 'utf8')) as UsageFile
    expect(Object.keys(graphs)).toEqual(['server dist'])
    expect(graphs['server dist']!.secrets.map(({ name, as, modules }) => [name, as, modules])).toEqual([
      ['DATABASE_URL', 'sealed', ['src/a.js']],
      ['db', 'sealed', ['../packages/pack/i.js']],
    ])
  })

  it('records reads in TypeScript and through an alias, and whole modules', async () => {
    await app({
      'src/main.ts': `
        import { DATABASE_URL as url } from '~secrets'
        import type { STRIPE_KEY } from 'virtual:secrets/server'
        export const read = (): unknown => [url, (import.meta.env as { db: unknown }).db]
        export type Key = typeof STRIPE_KEY`,
      'src/whole.js': `export const read = () => import('virtual:secrets/client')`,
    })
    const { outdir: _, ...rest } = given()
    const alias = { '~secrets': 'virtual:secrets/server' }
    const plugins = [esbuildSecrets(sealed({ manifest: true }))]
    await build({ ...rest, entryPoints: ['src/main.ts'], outfile: 'main.js', alias, plugins })
    await build(given({ entryPoints: ['src/whole.js'], outdir: 'whole', plugins, platform: 'browser' }))
    const { graphs } = JSON.parse(readFileSync(join(root(), '.secrets/manifest.json'), 'utf8')) as UsageFile
    expect(Object.keys(graphs)).toEqual(['client whole', 'server main.js'])
    const named = (graph: string) => graphs[graph]!.secrets.map(({ name, files }) => [name, files])
    expect(named('server main.js')).toEqual([
      ['DATABASE_URL', ['main.js']],
      ['db', ['main.js']],
    ])
    expect(named('client whole').map(([name]) => name)).toEqual(['MAPS_KEY', 'TITLE', 'db'])
    expect(start('main.js')[0]).toEqual(READS)
  })
})

describe('a platform that is not Node', () => {
  const edge: Record<string, (platform: 'node' | 'neutral') => Promise<unknown>> = {
    esbuild: (platform) => build(given({ platform, mainFields: ['module', 'main'] })),
    async rolldown(platform) {
      const plugins = [rolldownSecrets({ ...sealed(), root: root() })]
      const bundle = await rolldown({
        cwd: root(),
        input: 'src/main.js',
        platform,
        plugins,
        logLevel: 'silent',
      })
      await bundle.write({ dir: 'dist' })
      await bundle.close()
    },
  }

  it.each(Object.keys(edge))('opens its values without Node’s crypto: %s', async (name) => {
    await app()
    await edge[name]!('neutral')
    expect(world.emitted(/js$/)).toContain('noble')
    expect(world.emitted(/js$/)).not.toMatch(/^import\b|\brequire\(/m)
    expect(start('dist/main.js')[0]).toEqual(READS)
    expect(start('dist/main.js', {})[0]).toContain('[secrets] SECRETS_KEY is not set.')
    await edge[name]!('node')
    expect(world.emitted(/js$/)).not.toContain('noble')
    expect(start('dist/main.js')[0]).toEqual(READS)
  })
})
