import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { buildEntries } from './built.ts'
import { conformance } from './conformance.ts'
import type { BundlerHarness } from './harness.ts'
import { values, worldFor } from './world.ts'

const built = await buildEntries([
  'bundlers/bun',
  'providers/index',
  'runtime/index',
  'runtime/sealed-node',
  'runtime/sealed-edge',
])
const paths = { plugin: built.file('bundlers/bun'), providers: built.file('providers/index') }
const bun = fileURLToPath(new URL('../../node_modules/.bin/bun', import.meta.url))
const script = fileURLToPath(new URL('bun-build.mjs', import.meta.url))

/** Runs a script in Bun. @returns what it printed, complaints first; rejects with those */
function inBun(file: string, options: { cwd: string; input?: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(bun, [file], { cwd: options.cwd, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message))
      else resolve(stderr + stdout)
    })
    child.stdin!.end(options.input ?? '')
  })
}

const harness: BundlerHarness = {
  name: 'bun',
  async build(project, { config, ...options }) {
    // Functions do not travel; every case has the local provider.
    const { providers: _, ...rest } = config
    const input = JSON.stringify({ ...options, config: rest, paths })
    project.output.push(await inBun(script, { cwd: project.root, input }))
  },
}

conformance(harness, { sealed: true, manifest: true, inProcess: false })

describe('bun alone', () => {
  const world = worldFor(harness)
  const CONFIG = {
    secrets: { MAPS_KEY: 'local:MAPS_KEY', DATABASE_URL: 'local:DATABASE_URL' },
    client: ['MAPS_KEY'],
  }
  const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`
  /** A build script as users write it. @returns the JSON of its last line */
  const script = async (code: string): Promise<unknown> => {
    const head = `
      const { default: secrets } = await import(${JSON.stringify(paths.plugin)})
      const { local } = await import(${JSON.stringify(paths.providers)})
      const plugin = (more) => secrets({ providers: { local: local() }, ...${JSON.stringify(CONFIG)}, ...more })
      const refused = (build) => build.then(
        () => 'The build went through.',
        (error) => (error.errors ?? [error]).map(({ message }) => message).join('\\n'),
      )`
    world.write({ 'build.mjs': `${head}\n${code}` })
    const said = await inBun(join(world.project.root, 'build.mjs'), { cwd: world.project.root })
    const lines = said.trim().split('\n')
    world.project.output.push(...lines.slice(0, -1))
    return JSON.parse(lines.at(-1)!)
  }

  it('takes the target for whom it is meant, and no word for a client', async () => {
    await world.app({ 'src/main.js': `console.log(import.meta.env.DATABASE_URL)` })
    const said = await script(`
      const results = {}
      for (const target of [undefined, 'browser', 'node', 'bun']) {
        const build = Bun.build({ entrypoints: ['src/main.js'], target, plugins: [plugin()] })
        results[String(target)] = (await refused(build)).split('\\n')[0]
      }
      results.said = await refused(Bun.build({ entrypoints: ['src/main.js'], plugins: [plugin({ consumer: 'server' })] }))
      console.log(JSON.stringify(results))`)
    const [denied, built] = [
      'Client code reads DATABASE_URL, which is a server secret.',
      'The build went through.',
    ]
    expect(said).toEqual({ undefined: denied, browser: denied, node: built, bun: built, said: built })
  })

  it('guards the pages of a server, which are made in the same build', async () => {
    await world.app({
      'src/server.js': `
        import page from './page.html'
        import { url } from './shared.js'
        export default [page, url, import.meta.env.MAPS_KEY]`,
      'src/page.html': `<!doctype html><script type="module" src="./page.js"></script>`,
      'src/page.js': `console.log(import.meta.env.MAPS_KEY)`,
      'src/shared.js': `export const url = import.meta.env.DATABASE_URL`,
    })
    const build = `Bun.build({ entrypoints: ['src/server.js'], outdir: 'dist', target: 'bun', plugins: [plugin()] })`
    await script(`await ${build}; console.log('0')`)
    const pages = world.outputs().filter((file) => !file.endsWith('server.js'))
    expect(pages.map((file) => readFileSync(file, 'utf8')).join()).toContain(values.MAPS_KEY)
    expect(world.emitted(/server\.js$/)).not.toContain(values.MAPS_KEY)
    for (const code of [
      `import { url } from './shared.js'; console.log(url)`,
      `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL)`,
    ]) {
      world.write({ 'src/page.js': code })
      const said = await script(
        `console.log(JSON.stringify(await refused(${build.replace("'dist'", "'bad'")})))`,
      )
      expect(said).toMatch(
        /Client code (?:reads DATABASE_URL.*src\/shared|imports virtual:secrets\/server.*src\/page)\.js:1:/s,
      )
      expect(world.outputs('bad')).toEqual([])
    }
  })

  it.each(['text', 'file', 'json', 'toml', 'sqlite'])(
    'denies the server module imported as %s',
    async (type) => {
      const code = `import x from 'virtual:secrets/server' with { type: '${type}' }; console.log(x)`
      await world.app({ 'src/main.js': code })
      const build = `Bun.build({ entrypoints: ['src/main.js'], outdir: 'dist', plugins: [plugin()] })`
      const said = await script(`console.log(JSON.stringify(await refused(${build})))`)
      expect(said).toContain('Client code imports virtual:secrets/server')
      expect(world.outputs()).toEqual([])
    },
  )

  it('takes an import that TypeScript drops because nothing uses it', async () => {
    await world.app({ 'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'\nconsole.log(1)` })
    const build = `Bun.build({ entrypoints: ['src/main.ts'], outdir: 'dist', plugins: [plugin()] })`
    await script(`await ${build}; console.log(0)`)
    expect(world.emitted()).toContain('console.log(1)')
  })

  it('seals for a runtime that may lack Node’s modules', async () => {
    await world.app({ 'src/main.js': print('import.meta.env.DATABASE_URL') })
    const SECRETS_KEY = readFileSync(join(world.project.root, '.secrets/project.key'), 'utf8').trim()
    vi.stubEnv('SECRETS_KEY', SECRETS_KEY)
    await script(`
      const plugins = [plugin({ server: 'sealed', consumer: 'server' })]
      await Bun.build({ entrypoints: ['src/main.js'], outdir: 'dist', plugins }); console.log(0)`)
    expect(world.emitted()).not.toMatch(/node:|getBuiltinModule|__SECRETS_SEALED_/)
    expect(world.run({ SECRETS_KEY })).toBe(values.DATABASE_URL)
  })

  it('builds several at once in one process, to memory and to disk, and hands out what was looked at', async () => {
    await world.app({ 'src/main.js': `console.log(JSON.stringify(import.meta.env.KEY))` })
    const said = await script(`
      const one = { entrypoints: ['src/main.js'], sourcemap: 'linked' }
      const keyed = (path) => [plugin({ secrets: { KEY: 'local:' + path }, client: ['KEY'] })]
      const [first, second] = await Promise.all([
        Bun.build({ ...one, outdir: 'dist', plugins: keyed('MAPS_KEY') }),
        Bun.build({ ...one, metafile: true, plugins: keyed('TITLE') }),
      ])
      await Bun.write('memory.mjs', second.outputs[0])
      const { sources } = await first.outputs[1].json()
      const shown = ({ outputs, metafile }) => [outputs.map(({ path, kind }) => [path, kind]), metafile !== undefined]
      console.log(JSON.stringify([shown(first), shown(second), sources]))`)
    const dist = join(realpathSync(world.project.root), 'dist/main.js')
    expect(said).toEqual([
      [
        [
          [dist, 'entry-point'],
          [`${dist}.map`, 'sourcemap'],
        ],
        false,
      ],
      [
        [
          ['./main.js', 'entry-point'],
          ['./main.js.map', 'sourcemap'],
        ],
        true,
      ],
      expect.arrayContaining(['../src/main.js']),
    ])
    expect(world.run()).toBe(values.MAPS_KEY)
    expect(world.run({}, 'memory.mjs')).toBe(values.TITLE)
  })

  it('finds a value in a page and in an asset, before anything is written', async () => {
    await world.app({
      'src/page.html': `<!doctype html><p title="${values.DATABASE_URL}"></p>`,
      'src/main.js': `import file from './a.bin' with { type: 'file' }; console.log(file)`,
      'src/a.bin': values.DATABASE_URL,
    })
    for (const entry of ['src/page.html', 'src/main.js']) {
      const build = `Bun.build({ entrypoints: ['${entry}'], outdir: 'dist', plugins: [plugin()] })`
      expect(await script(`console.log(JSON.stringify(await refused(${build})))`)).toMatch(
        /DATABASE_URL +dist\/\S+\.(?:html|bin)/,
      )
      expect(world.outputs()).toEqual([])
    }
  })

  it('leads a failure in what was built back to the author’s line', async () => {
    await world.app({
      'src/main.tsx': `const h = (tag: string, props: object): unknown => [tag, props]
const key: string = import.meta.env.MAPS_KEY as string; if (<p title={key}>it's</p>) throw new Error('here')`,
    })
    await script(`
      const jsx = { runtime: 'classic', factory: 'h' }
      const options = { entrypoints: ['src/main.tsx'], outdir: 'dist', sourcemap: 'linked', minify: true, jsx }
      await Bun.build({ ...options, plugins: [plugin()] }); console.log(0)`)
    const args = ['--enable-source-maps', join(world.project.root, 'dist/main.js')]
    const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(stderr).toMatch(/at .*src\/main\.tsx:2:(?:8|9)\d/)
  })

  it('refuses what it could not look through', async () => {
    await world.app({ 'src/main.js': '' })
    const said = await script(`
      const compile = refused((async () => Bun.build({ entrypoints: ['src/main.js'], compile: true, plugins: [plugin()] }))())
      let runtime = 'It was taken.'
      try { await Bun.plugin(plugin()) } catch (error) { runtime = error.message }
      console.log(JSON.stringify([await compile, runtime]))`)
    expect(said).toEqual([
      expect.stringContaining('An executable cannot be looked through'),
      expect.stringContaining('Only Bun.build() shows a plugin'),
    ])
  })
})
