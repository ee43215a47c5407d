import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { canariesIn, canary, canaryFiles } from '../support/canary.ts'
import { failure } from '../support/project.ts'
import { askWorkerd } from '../support/workerd.ts'
import type { CompilerKind } from './compiler-cases.ts'
import { buildScript } from './compiler-process.ts'
import { compilerConfig, runOnce, watch } from './compilers.ts'
import type { BuildOptions } from './harness.ts'
import { changed, config, values, worldFor } from './world.ts'

const READ = `import { DATABASE_URL } from 'virtual:secrets/server'
  export const read = () => [DATABASE_URL, import.meta.env.db]
  export const fail = () => { throw new Error('here') }`
const READS = [values.DATABASE_URL, { user: 'app', password: values.PASSWORD }]
const PRINT = `import { read } from './read.js'\nconsole.log(JSON.stringify(read()))`
const sealed = (more = {}) => config({ server: 'sealed', ...more })

/** Of a sealed server, what only these two have: several kinds of hashes, caches on disk, maps in strings. */
export function compilerSealedCases(kind: CompilerKind): void {
  describe(`${kind.name}, a sealed server`, () => {
    const world = worldFor(kind.harness)
    let key = ''
    const app = async (files: Record<string, string> = {}): Promise<void> => {
      await world.app({ 'src/main.js': PRINT, 'src/read.js': READ, ...files })
      key = readFileSync(join(world.project.root, '.secrets/project.key'), 'utf8').trim()
      vi.stubEnv('SECRETS_KEY', key)
    }
    const configOf = (options: Partial<BuildOptions> = {}, more: object = {}): object => {
      const all = { config: sealed(), entry: 'src/main.js', consumer: 'server', ...options } as const
      return compilerConfig(world.project, all, kind.secrets(all.config), { ...kind.more(all), ...more })
    }
    const run = (config: object | object[]): Promise<void> => runOnce(world.project, kind.make(config))
    const started = (file: string): unknown => world.run({ SECRETS_KEY: key }, file)

    it.each([
      ['contenthash', true],
      ['contenthash', false],
      ['chunkhash', true],
      ['fullhash', true],
    ])('is named by what is sealed: [%s], of the real content: %s', async (hash, realContentHash) => {
      await app()
      const names: string[] = []
      const build = async (): Promise<string> => {
        const outDir = `dist${names.length}`
        const { output } = configOf({ outDir }) as { output: object }
        const optimization = { minimize: true, realContentHash }
        await run(configOf({}, { output: { ...output, filename: `[name].[${hash}].js` }, optimization }))
        names.push(basename(world.outputs(outDir)[0]!))
        return `${outDir}/${names.at(-1)}`
      }
      await build()
      if (hash === 'contenthash' && realContentHash) await world.set('STRIPE_KEY', canary('unused'))
      expect(started(await build())).toEqual(READS)
      const DATABASE_URL = canary('rotated')
      await world.set('DATABASE_URL', DATABASE_URL)
      expect(started(await build())).toEqual([DATABASE_URL, READS[1]])
      expect(names[1]).toBe(names[0])
      expect(names[2]).not.toBe(names[0])
      expect(world.emitted(/./, 'dist2')).not.toMatch(/__SECRETS_SEALED_|[0-9a-f]{16}~/)
      expect(canaryFiles(world.project.root, [DATABASE_URL])).toEqual([])
    })

    it.each(['source-map', 'inline-source-map', 'eval-source-map', 'eval-cheap-module-source-map'])(
      'leads back to the source: %s',
      async (devtool) => {
        await app({
          'src/main.js': `export * from './read.js'\nimport { fail, read } from './read.js'
            try { fail() } catch (error) { console.log(JSON.stringify([read(), error.stack.split('\\n')[1]])) }`,
        })
        const modes = [{ mode: 'production', optimization: { minimize: true } }, { mode: 'development' }]
        for (const more of modes) {
          await run(configOf({}, { ...more, devtool }))
          const args = ['--enable-source-maps', join(world.project.root, 'dist/main.js')]
          const env = { PATH: process.env.PATH, SECRETS_KEY: key }
          const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
          world.project.output.push(stderr)
          const [read, at] = JSON.parse(stdout) as [unknown, string]
          expect(read).toEqual(READS)
          expect(at).toMatch(/src\/read\.js(\?\w+)?:3:/)
          expect(world.emitted()).not.toMatch(/__SECRETS_SEALED_/)
        }
      },
    )

    it('opens its values in workerd, and only where it is said to be a server', async () => {
      await app({
        'src/main.js': `import { read } from './read.js'
          export default { fetch: () => new Response(JSON.stringify(read())) }`,
      })
      const worker = { target: ['webworker', 'es2022'], optimization: { minimize: true } }
      await run(configOf({ config: sealed({ consumer: 'server' }) }, worker))
      const text = world.emitted(/js$/)
      expect([text.includes('aes/gcm'), text.includes('getBuiltinModule')]).toEqual([true, false])
      expect(/\brequire\(|node:crypto/.test(text)).toBe(false)
      const at = {
        folder: join(world.project.root, 'dist'),
        file: 'main.js',
        compatibilityDate: '2025-09-01',
      }
      const opened = await askWorkerd({ ...at, flags: ['nodejs_compat'] }, key)
      expect(JSON.parse(opened.answer!)).toEqual(READS)
      const { answer, errors } = await askWorkerd({ ...at, flags: [] }, key)
      expect([answer, canariesIn(errors, [...Object.values(values), key])]).toEqual([undefined, []])
      expect(errors).toContain('[secrets] SECRETS_KEY is not set.')
      // A page is a client whatever is said, and so is a worker of which nothing is.
      const page = configOf({ config: sealed({ consumer: 'server' }), outDir: 'page' }, { target: 'web' })
      expect(await failure(run(page))).toContain('Client code imports virtual:secrets/server')
      expect(await failure(run(configOf({ outDir: 'page' }, worker)))).toContain('virtual:secrets/server')
      expect(world.outputs('page')).toEqual([])
    })

    it('is sealed anew when a watched value changes', async () => {
      await app()
      const watching = watch(kind.make(configOf({}, { mode: 'development', devtool: 'eval-source-map' })))
      try {
        await watching.next()
        expect(started('dist/main.js')).toEqual(READS)
        const DATABASE_URL = canary('rotated')
        await changed(watching, () => world.set('DATABASE_URL', DATABASE_URL))
        expect(started('dist/main.js')).toEqual([DATABASE_URL, READS[1]])
        await changed(watching, () => world.write({ 'src/main.js': `${PRINT}\n` }))
        expect(started('dist/main.js')).toEqual([DATABASE_URL, READS[1]])
        expect(canaryFiles(world.project.root, [DATABASE_URL])).toEqual([])
      } finally {
        await watching.close()
      }
    })

    it('seals V1, V1, V2, V2 in four processes with one cache, in which user modules stay', async () => {
      await app({
        'src/main.js': `import { text } from './text.js'
          import { DATABASE_URL } from 'virtual:secrets/server'
          console.log(JSON.stringify([DATABASE_URL, text]))`,
        'src/text.js': `export const text = 'text'`,
        'build.mjs': buildScript(kind.name, { target: 'node', settings: { server: 'sealed' } }),
        'count.cjs': `module.exports = function (code) {
          globalThis.built.push(require('node:path').basename(this.resourcePath))
          return code
        }`,
      })
      const [one, two] = [canary('v1'), canary('v2')]
      const told: unknown[] = []
      for (const value of [one, one, two, two]) {
        await world.set('DATABASE_URL', value)
        const printed = execFileSync(process.execPath, [join(world.project.root, 'build.mjs')], {
          cwd: world.project.root,
          env: { ...process.env, SECRETS_KEY: key },
          encoding: 'utf8',
        })
        told.push(JSON.parse(printed.trim().split('\n').at(-1)!))
        expect(started('dist/main.js')).toEqual([value, 'text'])
      }
      expect(told).toEqual([['main.js', 'text.js'], [], [], []])
      expect(canaryFiles(world.project.root, [one, two])).toEqual([])
    })
  })
}
