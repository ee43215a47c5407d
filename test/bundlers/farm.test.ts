import { join } from 'node:path'
import { Compiler, Logger, resolveConfig, type UserConfig } from '@farmfe/core'
import { describe, expect, it } from 'vitest'
import secrets from '../../src/bundlers/farm.ts'
import { failure, type Project } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'
import { config, values, worldFor } from './world.ts'

/** What Farm's own `build` does, which ends the process where something fails. */
async function farm(project: Project, config: UserConfig, plugins: readonly unknown[]): Promise<Compiler> {
  const logger = new Logger()
  const given = { ...config, root: project.root, clearScreen: false, configFile: false, plugins }
  const { compilation, jsPlugins, rustPlugins } = await resolveConfig(
    given as unknown as Parameters<typeof resolveConfig>[0],
    'production',
    logger,
  )
  const compiler = new Compiler(
    { config: compilation!, jsPlugins: jsPlugins!, rustPlugins: rustPlugins! },
    logger,
  )
  await compiler.compile()
  compiler.writeResourcesToDisk()
  return compiler
}

function configOf(options: BuildOptions): UserConfig {
  const {
    alias,
    cacheFolder,
    entry,
    format = 'es',
    minify = false,
    outDir = 'dist',
    sourcemap = false,
  } = options
  return {
    compilation: {
      input: { main: `./${entry}` },
      output: {
        path: outDir,
        // Its browser outputs do not run in Node, and those of libraries cannot be split.
        targetEnv: 'node-next',
        format: format === 'es' ? 'esm' : 'cjs',
        filename: '[name].[ext]',
        entryFilename: format === 'es' ? '[entryName].js' : '[entryName].cjs',
      },
      resolve: { alias: { ...alias } },
      presetEnv: false,
      persistentCache: cacheFolder === undefined ? false : { cacheDir: cacheFolder },
      minify,
      sourcemap,
      progress: false,
    },
  }
}

const harness: BundlerHarness = {
  name: 'farm',
  async build(project, options) {
    const { config, consumer, plugins = [] } = options
    // A client that runs in Node says so itself.
    const own = consumer === 'client' ? { ...config, consumer } : config
    await farm(project, configOf(options), [secrets(own), ...plugins])
  },
}

conformance(harness, {
  sealed: true,
  manifest: true,
  cache: true,
  // Farm's own limits, the same without this plugin: maps of minified outputs are empty, and an assignment by
  // a pattern is taken for one that does nothing, and a broken map beside a source ends the process.
  minifiedMaps: false,
  brokenMaps: false,
  patternAssignments: false,
})

describe('farm alone', () => {
  const world = worldFor(harness)
  const main = (code: string) => ({ 'src/main.js': code })
  const options: BuildOptions = { config: config(), entry: 'src/main.js', consumer: 'client' }
  const build = (
    targetEnv: string | undefined,
    more: object = {},
    output: object = {},
  ): Promise<Compiler> => {
    const { compilation, ...rest } = configOf(options)
    const { targetEnv: _, ...others } = compilation!.output!
    const to = { ...others, ...output, ...(targetEnv === undefined ? {} : { targetEnv }) }
    const given = { ...rest, compilation: { ...compilation, output: to } } as UserConfig
    return farm(world.project, given, [secrets({ ...options.config, ...more })])
  }

  it.each([undefined, 'browser', 'browser-esnext', 'library-browser', 'library'])(
    'takes target %s for a client',
    async (targetEnv) => {
      await world.app(main('console.log(import.meta.env.MAPS_KEY)'))
      await build(targetEnv)
      expect(world.emitted(/js$/)).toContain(values.MAPS_KEY)
      world.write(main('console.log(import.meta.env.DATABASE_URL)'))
      expect(await failure(build(targetEnv))).toContain('Client code reads DATABASE_URL')
    },
  )

  it.each(['node', 'node-next', 'library-node'])('takes target %s for a server', async (targetEnv) => {
    await world.app(main('console.log(JSON.stringify(import.meta.env.DATABASE_URL))'))
    await build(targetEnv)
    expect(world.emitted(/js$/)).not.toContain(values.MAPS_KEY)
    const env = { DATABASE_URL: 'one', STRIPE_KEY: '-', MAPS_KEY: '-', TITLE: '-', db: '{}' }
    expect(world.run(env)).toBe('one')
    expect(await failure(build(targetEnv, { consumer: 'client' }))).toContain(
      'Client code reads DATABASE_URL',
    )
  })

  it('denies with a persistent cache too, after a failure and after a change of the policy', async () => {
    await world.app(main('console.log(JSON.stringify(import.meta.env.MAPS_KEY))'))
    const cacheFolder = join(world.project.root, 'cache')
    await world.build({ cacheFolder })
    expect(world.run()).toBe(values.MAPS_KEY)
    for (const _ of [1, 2]) {
      const denied = world.build({ cacheFolder, config: config({ client: ['TITLE'] }) })
      expect(await failure(denied)).toContain('Client code reads MAPS_KEY')
    }
    await world.build({ cacheFolder })
    expect(world.run()).toBe(values.MAPS_KEY)
  })

  it('finds a value in a page, in an asset and in public/, before anything is written', async () => {
    const input = (entry: string) => ({ ...options, entry })
    for (const files of [
      {
        'index.html': `<!doctype html><html><head></head><body><p title="${values.DATABASE_URL}"></p><script src="./src/main.js"></script></body></html>`,
      },
      {
        'src/main.js': `import url from './a.png'; console.log(url)`,
        'src/a.png': values.DATABASE_URL.repeat(400),
      },
      { 'public/robots.txt': values.DATABASE_URL },
    ]) {
      await world.app({ ...main('console.log(1)'), ...files })
      // The harness names what comes of the one entry, a page too.
      const entry = 'index.html' in files ? 'index.html' : 'src/main.js'
      const done = farm(world.project, configOf(input(entry)), [secrets(config({ consumer: 'client' }))])
      expect(await failure(done)).toMatch(/DATABASE_URL +\S*(?:main\.js|a\.\S+png|robots\.txt)/)
      expect(world.outputs()).toEqual([])
      world.project.remove()
    }
    await world.app({})
  })

  it('does not leave a virtual module to somebody else, whatever is external', async () => {
    const given = configOf(options)
    const compilation = { ...given.compilation, external: ['^virtual:', '.*secrets.*'] }
    const one = (consumer: 'client' | 'server'): Promise<Compiler> =>
      farm(world.project, { ...given, compilation }, [secrets(config({ consumer }))])
    await world.app(
      main(`import { MAPS_KEY } from 'virtual:secrets/client'; console.log(JSON.stringify(MAPS_KEY))`),
    )
    await one('server')
    expect(world.run()).toBe(values.MAPS_KEY)
    world.write(main(`import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL)`))
    expect(await failure(one('client'))).toContain('Client code imports virtual:secrets/server')
  })

  it('denies at once what is compiled again after a change', async () => {
    await world.app({ ...main(`import './part.js'`), 'src/part.js': 'console.log(import.meta.env.MAPS_KEY)' })
    const compiler = await build('browser')
    const part = join(world.project.root, 'src/part.js')
    for (const [code, expected] of [
      ['console.log(import.meta.env.DATABASE_URL)', 'Client code reads DATABASE_URL'],
      [`import 'virtual:secrets/server'`, 'Client code imports virtual:secrets/server'],
    ] as const) {
      world.write({ 'src/part.js': code })
      expect(await failure(compiler.update([part], true))).toContain(expected)
    }
    world.write({ 'src/part.js': 'console.log(import.meta.env.TITLE)' })
    const update = await compiler.update([part], true)
    expect(JSON.stringify(update)).not.toContain(values.DATABASE_URL)
  })

  it('leaves JSX to Farm, and finds reads in it', async () => {
    await world.app({
      'src/main.jsx': `const h = (...all) => all
        console.log(JSON.stringify(<p title={import.meta.env.MAPS_KEY}>it's</p>))`,
    })
    const given = configOf({ ...options, entry: 'src/main.jsx' })
    const script = { plugins: [], target: 'es2022' as const, parser: { esConfig: { jsx: true } } }
    const compilation = { ...given.compilation, script: { ...script } } as UserConfig['compilation']
    await farm(world.project, { ...given, compilation: compilation! }, [
      secrets(config({ consumer: 'client' })),
    ])
    expect(world.emitted(/js$/)).toContain(values.MAPS_KEY)
  })
})
