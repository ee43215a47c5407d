import { join } from 'node:path'
import { rolldown, watch as rolldownWatch } from 'rolldown'
import { type Plugin, rollup, watch } from 'rollup'
import { describe, expect, it } from 'vitest'
import rolldownSecrets from '../../src/bundlers/rolldown.ts'
import secrets from '../../src/bundlers/rollup.ts'
import { failure } from '../support/project.ts'
import { usual, watching } from './rollup-like.ts'
import { changed, config, values, worldFor } from './world.ts'

// What the common suite cannot ask: how plugin objects are used, and what only these two have.
const options = { config: config(), entry: 'src/main.js', consumer: 'client' } as const
const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`

interface Bundler {
  /** Builds `src/main.js` to `dist`, with this object of ours. */
  build(
    plugin: unknown,
    others?: Plugin[],
    more?: { external?: RegExp; entry?: string; file?: string },
  ): Promise<void>
  plugin(): { transform?: unknown }
}

describe.each(['rollup', 'rolldown'])('%s', (name) => {
  const world = worldFor({ name, build: () => expect.unreachable() })
  const root = (): string => world.project.root
  const onLog = (_: string, { message }: { message: string }): void => void world.project.output.push(message)
  const bundler: Bundler = {
    plugin: () =>
      name === 'rollup'
        ? secrets({ ...config(), root: root() })
        : (rolldownSecrets({ ...config(), root: root() }) as { transform?: unknown }),
    async build(plugin, others = [], { external = /^node:/, entry = 'src/main.js', file } = {}) {
      const input = join(root(), entry)
      const output = {
        ...(file ? { file: join(root(), file) } : { dir: join(root(), 'dist') }),
        sourcemap: true,
      }
      const plugins = [plugin, ...(name === 'rollup' ? usual(options) : []), ...others] as Plugin[]
      const bundle =
        name === 'rollup'
          ? await rollup({ input, plugins, external, onLog })
          : await rolldown({ input, plugins: plugins as never, external, onLog, cwd: root() })
      try {
        await bundle.write(output)
      } finally {
        await bundle.close()
      }
    },
  }

  it('asks for nothing of a module that names no secret', async () => {
    await world.app({
      // Rolldown replaces a plain member itself.
      'src/main.js': `import './plain.js'; import './other.js'; ${print('import.meta.env?.MAPS_KEY')}`,
      'src/plain.js': `console.log(import.meta.url, process.env.HOME, 'MAPS', 'XMAPS_KEY')`,
      'src/other.js': 'export const a = 1',
    })
    const plugin = bundler.plugin()
    const seen: string[] = []
    const transform = plugin.transform as { handler: (...args: string[]) => unknown }
    const { handler } = transform
    transform.handler = function (this: unknown, ...args) {
      seen.push(args[1]!)
      return handler.apply(this, args)
    }
    await bundler.build(plugin)
    expect(seen).toEqual([join(root(), 'src/main.js')])
  })

  it('lets one plugin object serve two builds at once, and fails both when one is denied', async () => {
    await world.app({
      'src/main.js': print('import.meta.env.MAPS_KEY'),
      'src/bad.js': print('import.meta.env.DATABASE_URL'),
    })
    const plugin = bundler.plugin()
    await Promise.all([
      bundler.build(plugin, [], { file: 'one/a.js' }),
      bundler.build(plugin, [], { file: 'two/a.js' }),
    ])
    expect([world.run({}, 'one/a.js'), world.run({}, 'two/a.js')]).toEqual([values.MAPS_KEY, values.MAPS_KEY])
    const [, bad] = await Promise.allSettled([
      bundler.build(plugin, [], { file: 'three/a.js' }),
      bundler.build(plugin, [], { file: 'four/a.js', entry: 'src/bad.js' }),
    ])
    expect(bad.status).toBe('rejected')
    expect(world.outputs('four')).toEqual([])
    // What was denied is not held against the next.
    await bundler.build(plugin)
  })

  it('refuses to leave a virtual module to somebody else', async () => {
    await world.app({
      'src/main.js': `import { MAPS_KEY } from 'virtual:secrets/client'; ${print('MAPS_KEY')}`,
    })
    const text = await failure(bundler.build(bundler.plugin(), [], { external: /^virtual:/ }))
    expect(text).toContain('virtual:secrets/client was left out of the bundle')
    expect(world.outputs()).toEqual([])
  })

  it.each(['writeBundle', 'closeBundle'])('finds what another plugin writes in %s', async (hook) => {
    await world.app({ 'src/main.js': print('1') })
    const late = {
      name: 'late',
      [hook]: () => world.write({ 'dist/page.html': `\n<p>${values.DATABASE_URL}</p>` }),
    }
    const text = await failure(bundler.build(bundler.plugin(), [late as Plugin]))
    expect(text).toMatch(/DATABASE_URL +dist\/page\.html:2:4/)
  })

  it('does not take the whole project for its output', async () => {
    await world.app({
      'src/main.js': print('import.meta.env.MAPS_KEY'),
      '.env': `DATABASE_URL=${values.DATABASE_URL}`,
    })
    await bundler.build(bundler.plugin(), [], { file: 'main.js' })
    expect(world.run({}, 'main.js')).toBe(values.MAPS_KEY)
  })

  it('says who is asked for, once, and through the bundler', async () => {
    await world.app({ 'src/main.js': print('1') })
    const plugin = bundler.plugin()
    await bundler.build(plugin)
    await bundler.build(plugin)
    const said = world.project.output.filter((line) => line.includes('secrets for'))
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('5 secrets for test from local; 3 for clients')
  })
})

describe.each(['rollup', 'rolldown'])('%s watching', (name) => {
  const world = worldFor({ name, build: () => expect.unreachable() })

  it('builds again when a mistake is mended, and keeps one that stands in an unchanged file', async () => {
    await world.app({
      'src/main.js': `import './a.js'; ${print('import.meta.env.MAPS_KEY')}`,
      'src/a.js': `console.log(import.meta.env.DATABASE_URL)`,
    })
    const { root, output } = world.project
    const common = {
      input: join(root, 'src/main.js'),
      output: { dir: join(root, 'dist') },
      onLog: (_: string, { message }: { message: string }) => void output.push(message),
    }
    const given = { ...config(), root }
    const watcher = watching(
      name === 'rollup'
        ? watch({ ...common, plugins: [secrets(given)] })
        : (rolldownWatch({ ...common, plugins: [rolldownSecrets(given)] }) as never),
    )
    try {
      expect(await failure(watcher.next())).toContain('Client code reads DATABASE_URL')
      expect(
        await failure(
          changed(watcher, () => world.write({ 'src/main.js': `import './a.js'; ${print('1')}` })),
        ),
      ).toContain('Client code reads DATABASE_URL')
      await changed(watcher, () => world.write({ 'src/a.js': '' }))
      expect(world.run()).toBe(1)
      expect(
        await failure(
          changed(watcher, () => world.write({ 'src/a.js': `console.log(import.meta.env.DATABASE_URL)` })),
        ),
      ).toContain('src/a.js:1:13')
      expect(
        await failure(
          changed(watcher, () => world.write({ 'src/a.js': `console.log('${values.STRIPE_KEY}')` })),
        ),
      ).toMatch(/STRIPE_KEY +\S*dist\/main\.js/)
    } finally {
      await watcher.close()
    }
  })
})

describe('rolldown’s own languages', () => {
  const world = worldFor({
    name: 'rolldown',
    async build(project, { config: given, entry }) {
      const bundle = await rolldown({
        cwd: project.root,
        input: entry,
        transform: { jsx: { runtime: 'classic', pragma: 'h' } },
        plugins: [rolldownSecrets({ ...given, root: project.root })],
        onLog: (_, { message }) => void project.output.push(message),
      })
      try {
        await bundle.write({ dir: 'dist' })
      } finally {
        await bundle.close()
      }
    },
  })

  it('reads in JSX, whatever its text looks like to a lexer', async () => {
    const page = `
      const h = (tag, props, ...all) => [tag, props, ...all]
      const view = <p title={import.meta.env.TITLE} data-x="MAPS_KEY">it's {import.meta.env.MAPS_KEY} isn't \`</p>
      console.log(JSON.stringify(view))`
    await world.app({ 'src/main.jsx': page })
    await world.build({ entry: 'src/main.jsx' })
    expect(world.run()).toEqual([
      'p',
      { title: values.TITLE, 'data-x': 'MAPS_KEY' },
      "it's ",
      values.MAPS_KEY,
      " isn't `",
    ])
    world.project.remove()
    const bad = `export const view = <p>it's {import.meta.env.DATABASE_URL} isn't</p>`
    expect(await world.refused({ 'src/main.tsx': bad }, { entry: 'src/main.tsx' })).toMatch(
      /Client code reads DATABASE_URL.*src\/main\.tsx:1:30/s,
    )
  })

  it.each<[string, string, RegExp]>([
    ['a cast', `console.log((import.meta as any).env.DATABASE_URL)`, /Client code reads DATABASE_URL/],
    [
      'an angle-bracket cast',
      `console.log((<any>import.meta.env).DATABASE_URL)`,
      /Client code reads DATABASE_URL/,
    ],
    ['a non-null assertion', `console.log(import.meta.env!.DATABASE_URL!)`, /Client code reads DATABASE_URL/],
    [
      'a pattern',
      `const { DATABASE_URL: u } = import.meta.env as Record<string, string>; console.log(u)`,
      /Client code reads/,
    ],
    ['an enum', `enum E { A = import.meta.env.DATABASE_URL.length }; console.log(E)`, /Client code reads/],
    [
      'a namespace',
      `namespace N { export const a = import.meta.env.DATABASE_URL }; console.log(N)`,
      /Client code reads/,
    ],
    ['a written cast', `(import.meta.env.MAPS_KEY as any) = 'x'`, /MAPS_KEY is written to/],
    ['a computed cast', `const k = 'a' as string; console.log((import.meta.env as any)[k])`, /is computed/],
    [
      'an import of a value',
      `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL)`,
      /imports virtual/,
    ],
  ])('denies through %s', async (_, code, expected) => {
    expect(await world.refused({ 'src/main.ts': code }, { entry: 'src/main.ts' })).toMatch(expected)
  })

  it('takes types for types', async () => {
    await world.app({
      'src/main.ts': `
        import type { DATABASE_URL } from 'virtual:secrets/client'
        import { type STRIPE_KEY } from 'virtual:secrets/client'
        export type { DATABASE_URL as Other } from 'virtual:secrets/server'
        declare const process: { env: Record<string, string> }
        declare module 'somewhere' { const DATABASE_URL: string }
        type Names = 'DATABASE_URL' | 'MAPS_KEY'
        interface Shape { 'DATABASE_URL': string; MAPS_KEY: typeof DATABASE_URL | typeof STRIPE_KEY }
        const whole: Partial<Shape> = import.meta.env ?? {}
        const pick = <K extends Names>(_: K): void => {}
        console.log(JSON.stringify([typeof whole, typeof pick, process.env.MAPS_KEY]))`,
    })
    await world.build({ entry: 'src/main.ts', config: config({ replaceProcessEnv: true }) })
    expect(world.run()).toEqual(['object', 'function', values.MAPS_KEY])
  })
})
