import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { UsageFile } from '../../src/core/expose/usage-file.ts'
import { canary } from '../support/canary.ts'
import { failure } from '../support/project.ts'
import { buildScript } from './compiler-process.ts'
import type { CompilerLike, Secrets } from './compilers.ts'
import { compilerConfig, entryUrl, runOnce, watch } from './compilers.ts'
import type { BuildOptions } from './harness.ts'
import { changed, config, values, worldFor } from './world.ts'

/** webpack or Rspack, as the cases need it beyond the harness. */
export interface CompilerKind {
  readonly name: 'webpack' | 'rspack'
  readonly secrets: Secrets
  readonly harness: Parameters<typeof worldFor>[0]
  /** Makes a compiler of a configuration, or of several. */
  make(config: object | object[]): CompilerLike
  /** What differs, as in the harness. */
  more(options: BuildOptions): object
}

const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`
const base = { config: config(), entry: 'src/main.js', consumer: 'client' } as const

/** What only these two have: several compilers, rules, caches on disk, modes of development. */
export function compilerCases(kind: CompilerKind): void {
  describe(`${kind.name}, its own`, () => {
    const world = worldFor(kind.harness)
    const configOf = (options: Partial<BuildOptions>, more: object = {}, plugin?: object): object => {
      const all = { ...base, ...options }
      return compilerConfig(world.project, all, plugin ?? kind.secrets(all.config), {
        ...kind.more(all),
        ...more,
      })
    }
    const run = (config: object | object[]): Promise<void> => runOnce(world.project, kind.make(config))

    it('fetches once for all compilers of a configuration', async () => {
      await world.app({
        'src/main.js': print('import.meta.env.MAPS_KEY'),
        'src/server.js': print('import.meta.env.DATABASE_URL'),
        'secrets.config.mjs': `
          globalThis.fetches = 0
          const memory = {
            type: 'memory', location: 'memory',
            read: async (requests) => { globalThis.fetches++; return requests.map(({ path }) => ({ value: 'of-' + path })) },
          }
          export default { providers: { memory }, cache: false, types: false, client: ['MAPS_KEY'],
            secrets: { MAPS_KEY: 'memory:maps', DATABASE_URL: 'memory:database' } }`,
      })
      // A plugin for each, as a framework's function of the configuration makes them.
      await run([
        configOf({ outDir: 'client' }, { name: 'client' }, kind.secrets()),
        configOf(
          { entry: 'src/server.js', consumer: 'server', outDir: 'server' },
          { name: 'server' },
          kind.secrets(),
        ),
        configOf({ outDir: 'edge' }, { name: 'edge', target: ['webworker', 'es2022'] }, kind.secrets()),
      ])
      expect((globalThis as { fetches?: number }).fetches).toBe(1)
      expect(world.run({}, 'client/main.js')).toBe('of-maps')
      expect(world.run({ DATABASE_URL: 'given', MAPS_KEY: '-' }, 'server/main.js')).toBe('given')
      const worker = configOf(
        { entry: 'src/server.js', outDir: 'denied' },
        { target: 'webworker' },
        kind.secrets(),
      )
      expect(await failure(run(worker))).toContain('Client code reads DATABASE_URL')
    })

    it.each(['eval-source-map', 'inline-source-map', 'eval'])(
      'writes nothing denied in development (%s)',
      async (devtool) => {
        const development = { mode: 'development', devtool }
        await world.app({ 'src/main.js': `console.log(import.meta.env.DATABASE_URL)` })
        expect(await failure(run(configOf({}, development)))).toContain('src/main.js:1:13')
        expect(world.outputs()).toEqual([])
        await run(configOf({ consumer: 'server' }, development))
        world.write({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
        await run(configOf({ outDir: 'client' }, development))
        expect(world.run({}, 'client/main.js')).toBe(values.MAPS_KEY)
      },
    )

    describe('ways round the guard', () => {
      const raw = { test: /./, resourceQuery: /raw/, type: 'asset/source' }
      it.each<[string, string, object]>([
        [
          'a request without loaders',
          `import * as all from '!!virtual:secrets/server'; console.log(all)`,
          {},
        ],
        [
          'a rule for a query',
          `import text from 'virtual:secrets/server?raw'; console.log(text)`,
          { rule: raw },
        ],
        ['a URL', `console.log(new URL('virtual:secrets/server', import.meta.url).href)`, {}],
        ['require()', `console.log(require('virtual:secrets/server'))`, {}],
        ['an alias of the runtime', `import 'again'`, { alias: { again: 'virtual:secrets/runtime' } }],
      ])(
        'are denied: %s',
        async (_, code, { rule, alias }: { rule?: object; alias?: Record<string, string> }) => {
          await world.app({ 'src/main.cjs': code, 'src/main.js': code })
          const entry = code.includes('require') ? 'src/main.cjs' : 'src/main.js'
          const more = kind.more(base) as { module: { rules: object[] } }
          const rules = [...more.module.rules, ...(rule ? [rule] : [])]
          const text = await failure(run(configOf({ entry, ...(alias && { alias }) }, { module: { rules } })))
          expect(text).toMatch(/Client code imports virtual:secrets\/server.*src\/main/s)
          expect(world.outputs()).toEqual([])
        },
      )

      it('are denied: an entry', async () => {
        await world.app({})
        const text = await failure(run(configOf({}, { entry: 'virtual:secrets/server' })))
        expect(text).toContain('Client code imports virtual:secrets/server')
      })
    })

    it('reads in CommonJS modules, and leaves them what they are', async () => {
      await world.app({
        'src/main.cjs': `
          const { other } = require('./other.cjs')
          ${print('[other(), process.env.MAPS_KEY, process.env.db.user]')}`,
        'src/other.cjs': `exports.other = () => { const { TITLE: title } = process.env; return title }`,
      })
      await run(
        configOf({ entry: 'src/main.cjs', format: 'cjs', config: config({ replaceProcessEnv: true }) }),
      )
      expect(world.run({}, 'dist/main.cjs')).toEqual([values.TITLE, values.MAPS_KEY, 'app'])
    })

    it('looks at cached modules anew when the names or the client list change', async () => {
      await world.app({ 'src/main.js': print('[import.meta.env.MAPS_KEY, import.meta.env?.TITLE ?? null]') })
      const cached = (more: object): object =>
        configOf({ config: config(more), cacheFolder: join(world.project.root, 'cache') })
      await run(cached({ client: ['MAPS_KEY', 'TITLE'] }))
      expect(world.run()).toEqual([values.MAPS_KEY, values.TITLE])
      for (let again = 0; again < 2; again++)
        expect(await failure(run(cached({ client: ['MAPS_KEY'] })))).toContain('Client code reads TITLE')
      await run(cached({ secrets: { MAPS_KEY: 'local:MAPS_KEY' }, client: ['MAPS_KEY'] }))
      expect(world.run()).toEqual([values.MAPS_KEY, null])
    })

    it('names files by what is in them', async () => {
      await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
      const output = { ...(configOf({}) as { output: object }).output, filename: '[name].[contenthash].js' }
      const names: string[] = []
      for (const value of ['one', 'one', 'two']) {
        await world.set('MAPS_KEY', `value ${value}`)
        const folder = `dist${names.length}`
        await run(configOf({}, { output: { ...output, path: join(world.project.root, folder) } }))
        names.push(basename(world.outputs(folder)[0]!))
      }
      expect(names[1]).toBe(names[0])
      expect(names[2]).not.toBe(names[0])
    })

    it('says which chunk has what, by its last name, past re-exports and in CommonJS', async () => {
      await world.app({
        'src/main.js': `import { url, port } from './pass.js'
          export const read = async () => [url, port, (await import('./lazy.js')).lazy, import.meta.env.db]`,
        'src/pass.js': `export { DATABASE_URL as url, MAPS_KEY } from 'virtual:secrets/server'; export const port = 1`,
        'src/lazy.js': `import other from './other.cjs'; export const lazy = other.title`,
        'src/other.cjs': `exports.title = require('virtual:secrets/client').TITLE`,
        'package.json': '{ "name": "app", "sideEffects": false }',
      })
      for (const [consumer, name] of [
        ['server', 'backend'],
        ['server', undefined],
      ] as const) {
        const options = { consumer, config: config({ manifest: true }), outDir: name ?? 'dist' } as const
        const { output } = configOf(options) as { output: object }
        const names = { filename: '[name].[contenthash].js', chunkFilename: 'lazy.[contenthash].js' }
        const optimization = { minimize: true, realContentHash: true }
        await run(configOf(options, { output: { ...output, ...names }, optimization, name }))
      }
      const file = join(world.project.root, '.secrets/manifest.json')
      const { graphs } = JSON.parse(readFileSync(file, 'utf8')) as UsageFile
      expect(Object.keys(graphs)).toEqual(['backend', 'server dist'])
      const { secrets, outDir } = graphs.backend!
      expect(outDir).toBe('backend')
      const modules = (wanted: string) => secrets.find(({ name }) => name === wanted)?.modules
      expect(modules('DATABASE_URL')).toEqual(['src/main.js'])
      expect(modules('db')).toEqual(['src/main.js'])
      expect(secrets.find(({ as }) => as === 'value')?.modules).toEqual(['src/other.cjs'])
      const emitted = world.outputs('backend').map((path) => basename(path))
      expect(emitted).toEqual(expect.arrayContaining(secrets.flatMap(({ files }) => files)))
      const [lazy] = secrets.filter(({ name, as }) => name === 'TITLE' && as === 'value')
      expect(lazy!.files).toEqual([expect.stringMatching(/^lazy\.\w+\.js$/)])
    })

    it('scans what other plugins add at the last moment, and what they write themselves', async () => {
      await world.app({ 'src/main.js': print('1') })
      const late = {
        apply(compiler: {
          webpack: { sources: { RawSource: new (text: string) => unknown } }
          hooks: {
            emit: {
              tap(
                name: string,
                call: (compilation: { emitAsset(name: string, source: unknown): void }) => void,
              ): void
            }
          }
        }) {
          const { RawSource } = compiler.webpack.sources
          compiler.hooks.emit.tap('late', (compilation) =>
            compilation.emitAsset('late.txt', new RawSource(values.DATABASE_URL)),
          )
        },
      }
      expect(await failure(run(configOf({ plugins: [late] })))).toMatch(/DATABASE_URL +dist\/late\.txt/)
      expect(world.outputs()).toEqual([])
      const writes = {
        apply(compiler: { hooks: { afterEmit: { tap(name: string, call: () => void): void } } }) {
          compiler.hooks.afterEmit.tap('writes', () => {
            mkdirSync(join(world.project.root, 'dist'), { recursive: true })
            writeFileSync(join(world.project.root, 'dist/written.html'), values.DATABASE_URL)
          })
        },
      }
      const text = await failure(run(configOf({ plugins: [writes] })))
      expect(text).toMatch(/DATABASE_URL +dist\/written\.html/)
      writeFileSync(join(world.project.root, 'dist/written.html'), '')
    })

    it('follows a watched file that comes to read, is denied, and is mended', async () => {
      await world.app({ 'src/main.js': `import './part.js'\n`, 'src/part.js': print('1') })
      const watching = watch(kind.make(configOf({ config: config() })))
      try {
        await watching.next()
        expect(world.run()).toBe(1)
        const write = (files: Record<string, string>): Promise<void> =>
          changed(watching, () => world.write(files))
        await write({ 'src/part.js': print('import.meta.env.MAPS_KEY') })
        expect(world.run()).toBe(values.MAPS_KEY)
        const denied = write({ 'src/part.js': print('import.meta.env.DATABASE_URL') })
        expect(await failure(denied)).toMatch(/src\/part\.js:1:28\s+imported by src\/main\.js/)
        expect(world.run()).toBe(values.MAPS_KEY)
        // Another file changes: the denied one is not built again, and is denied all the same.
        const other = { 'src/main.js': `import './part.js'\nimport './new.js'\n`, 'src/new.js': 'export {}' }
        expect(await failure(write(other))).toContain('Client code reads DATABASE_URL')
        await write({ 'src/part.js': '', 'src/new.js': print('import.meta.env.TITLE') })
        expect(world.run()).toBe(values.TITLE)
      } finally {
        await watching.close()
      }
    })

    it('shows a mistake in the configuration until it is mended, and keeps the last good files', async () => {
      const settings = (client: string): string => `export default { types: false, cache: false,
        providers: { local: { type: 'local' } }, secrets: { MAPS_KEY: 'local:MAPS_KEY' }, client: ['${client}'] }`
      const code = print('import.meta.env.MAPS_KEY')
      await world.app({ 'src/main.js': code, 'secrets.config.mjs': settings('MAPS_KEY') })
      const watching = watch(kind.make(configOf({}, {}, kind.secrets())))
      try {
        await watching.next()
        const write = (files: Record<string, string>): Promise<void> =>
          changed(watching, () => world.write(files))
        const mistake = write({ 'secrets.config.mjs': settings('MAPS_KEYS') })
        expect(await failure(mistake)).toContain('client names MAPS_KEYS')
        expect(await failure(write({ 'src/main.js': `${code}\n` }))).toContain('client names MAPS_KEYS')
        expect(world.run()).toBe(values.MAPS_KEY)
        await write({ 'secrets.config.mjs': settings('MAPS_KEY') })
        expect(world.run()).toBe(values.MAPS_KEY)
      } finally {
        await watching.close()
      }
    })

    it('takes up a name that is added while it watches, and a client list that changes', async () => {
      const settings = (
        names: string[],
        client = names,
      ): string => `export default { types: false, cache: false,
        providers: { local: { type: 'local' } }, client: ${JSON.stringify(client)},
        secrets: { ${names.map((name) => `${name}: 'local:${name}'`).join()} } }`
      await world.app({
        'src/main.js': `import { title } from './title.js'\nimport { again } from 'again'
          ${print('[import.meta.env.MAPS_KEY, title, again]')}`,
        'src/title.js': `export const title = import.meta.env?.TITLE ?? null`,
        'secrets.config.mjs': settings(['MAPS_KEY']),
      })
      world.neighbour('again', {
        'package.json': '{ "name": "again", "type": "module", "main": "i.js" }',
        'i.js': 'export const again = import.meta.env?.TITLE ?? null',
      })
      const watching = watch(kind.make(configOf({}, {}, kind.secrets())))
      try {
        await watching.next()
        expect(world.run()).toEqual([values.MAPS_KEY, null, null])
        const write = (text: string): Promise<void> =>
          changed(watching, () => world.write({ 'secrets.config.mjs': text }))
        await write(settings(['MAPS_KEY', 'TITLE']))
        expect(world.run()).toEqual([values.MAPS_KEY, values.TITLE, values.TITLE])
        const denied = await failure(write(settings(['MAPS_KEY', 'TITLE'], ['MAPS_KEY'])))
        expect(denied).toMatch(/Client code reads TITLE.*src\/title\.js:1/s)
        expect(denied).toContain('again/i.js:1')
        await write(settings(['MAPS_KEY']))
        expect(world.run()).toEqual([values.MAPS_KEY, null, null])
      } finally {
        await watching.close()
      }
    })

    it('is a function where a CommonJS configuration requires it', async () => {
      await world.app({})
      const script = `console.log(typeof require(${JSON.stringify(fileURLToPath(entryUrl(`bundlers/${kind.name}`)))}))`
      const printed = execFileSync(process.execPath, ['--no-warnings', '-e', script], { encoding: 'utf8' })
      expect(printed.trim()).toBe('function')
    })

    it('gives V1, V1, V2, V2 in four processes with one cache, in which user modules stay', async () => {
      await world.app({
        'src/main.js': `import { text } from './text.js'\n${print('[import.meta.env.MAPS_KEY, text]')}`,
        'src/text.js': `export const text = 'text'`,
        'build.mjs': buildScript(kind.name),
        'count.cjs': `module.exports = function (code) {
          globalThis.built.push(require('node:path').basename(this.resourcePath))
          return code
        }`,
      })
      const [one, two] = [canary('v1'), canary('v2')]
      const told: unknown[] = []
      for (const value of [one, one, two, two]) {
        await world.set('MAPS_KEY', value)
        const script = join(world.project.root, 'build.mjs')
        const printed = execFileSync(process.execPath, [script], {
          cwd: world.project.root,
          encoding: 'utf8',
        })
        told.push(JSON.parse(printed.trim().split('\n').at(-1)!))
        expect(world.run({}, 'dist/main.js')).toEqual([value, 'text'])
      }
      expect(told).toEqual([['main.js', 'text.js'], [], [], []])
      expect(existsSync(join(world.project.root, 'cache'))).toBe(true)
    })
  })
}
