import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, vi } from 'vitest'
import { provide } from '../../../src/runtime/store.ts'
import { buildClient } from '../../support/project.ts'
import type { Specifics } from '../harness.ts'
import { config, values, type World } from '../world.ts'

const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`
/** What a built server is started with. */
const env = {
  DATABASE_URL: 'one',
  STRIPE_KEY: 'two',
  MAPS_KEY: 'three',
  TITLE: 'four',
  db: '{"user":"five","password":"six"}',
}
const server = { consumer: 'server' } as const
const NAMES = ['DATABASE_URL', 'STRIPE_KEY', 'MAPS_KEY', 'TITLE'] as const

/** What the values of a built server are kept under. */
function scopeOf(world: World, outDir = 'dist'): string | undefined {
  return /\bscope"?:\s*["'`]([0-9a-f]{16})["'`]/.exec(world.emitted(/js$/, outDir))?.[1]
}

export function serverCases(world: World, specifics: Required<Specifics>): void {
  it.each([false, true])('gets every name when it starts, and holds none (minified: %s)', async (minify) => {
    await world.app({
      'src/main.js': `
        import { DATABASE_URL, db } from 'virtual:secrets/server'
        import * as all from 'virtual:secrets/server'
        import { MAPS_KEY } from 'virtual:secrets/client'
        import { pass } from './pass.js'
        const { STRIPE_KEY: stripe, NOTHING = 'none' } = import.meta.env
        import('virtual:secrets/server').then((lazy) => ${print(`{
          DATABASE_URL, db, names: Object.keys(all).sort(), pass, stripe, NOTHING, lazy: lazy.STRIPE_KEY,
          read: import.meta.env.DATABASE_URL, length: import.meta.env?.DATABASE_URL.length, MAPS: import.meta.env.MAPS_KEY,
        }`)})
        if (MAPS_KEY.length < 3) throw new Error('built in')`,
      'src/pass.js': `export { STRIPE_KEY as pass } from 'virtual:secrets/server'`,
    })
    await world.build({ ...server, minify, sourcemap: true })
    expect(world.run(env)).toEqual({
      DATABASE_URL: 'one',
      db: { user: 'five', password: 'six' },
      names: ['DATABASE_URL', 'MAPS_KEY', 'STRIPE_KEY', 'TITLE', 'db'],
      pass: 'two',
      stripe: 'two',
      NOTHING: 'none',
      lazy: 'two',
      read: 'one',
      length: 3,
      MAPS: 'three',
    })
  })

  it('reads process.env through the same bindings where that is asked for', async () => {
    await world.app({ 'src/main.js': print('[process.env.DATABASE_URL, process.env.HOME_TOWN]') })
    await world.build({ ...server, config: config({ replaceProcessEnv: true }) })
    expect(world.run({ ...env, HOME_TOWN: 'Bern' })).toEqual(['one', 'Bern'])
  })

  it('keeps bindings live: what is provided anew is read anew', async () => {
    await world.app({
      'src/main.js': `
        import { DATABASE_URL } from 'virtual:secrets/server'
        export const imported = () => DATABASE_URL
        export const member = () => import.meta.env.DATABASE_URL
        export const apart = () => { const { DATABASE_URL: url } = import.meta.env; return url }`,
    })
    await world.build(server)
    // A process that has built it is given the values themselves.
    if (!specifics.inProcess) for (const name of NAMES) vi.stubEnv(name, values[name])
    vi.stubEnv('db', '{}')
    const built = (await import(pathToFileURL(join(world.project.root, 'dist/main.js')).href)) as Record<
      'imported' | 'member' | 'apart',
      () => string
    >
    const read = (): string[] => [built.imported(), built.member(), built.apart()]
    expect(read()).toEqual(Array(3).fill(values.DATABASE_URL))
    provide(scopeOf(world)!, { DATABASE_URL: 'rotated' })
    expect(read()).toEqual(Array(3).fill('rotated'))
  })

  if (specifics.cjs) {
    it('works as CommonJS, by require()', async () => {
      await world.app({
        'src/main.js': `
          import { DATABASE_URL } from 'virtual:secrets/server'
          export const read = () => [DATABASE_URL, import.meta.env.STRIPE_KEY]`,
      })
      await world.build({ ...server, format: 'cjs' })
      const script = `
        const { read } = require(process.argv[1])
        const first = read()
        const { listeners } = globalThis[Symbol.for('unplugin-secrets.store.v1')]
        for (const all of listeners.values()) for (const tell of all) tell({ DATABASE_URL: 'rotated', STRIPE_KEY: 'too' })
        console.log(JSON.stringify([first, read()]))`
      const printed = execFileSync(
        process.execPath,
        ['-e', script, join(world.project.root, 'dist/main.cjs')],
        { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' },
      )
      expect(JSON.parse(printed)).toEqual([
        ['one', 'two'],
        ['rotated', 'too'],
      ])
    })
  }

  it('says how to start a server that has no values', async () => {
    await world.app({
      'src/main.js': `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL.length)`,
    })
    await world.build(server)
    expect(() => world.run()).toThrowError(
      /DATABASE_URL.*not in the environment, and unplugin-secrets is not installed/s,
    )
  })

  it('says the same as Vite: one manifest, one set of client values', async () => {
    await world.app({
      'src/main.js': `
        import * as all from 'virtual:secrets/client'
        import { DATABASE_URL } from 'virtual:secrets/server'
        ${print('[all, DATABASE_URL]')}`,
    })
    // Only Vite has a mode of its own to take it from.
    const same = config({ environment: 'production' })
    await world.build({ ...server, config: same })
    await buildClient(world.project, same, {
      build: {
        ssr: 'src/main.js',
        outDir: 'vite',
        rolldownOptions: { output: { entryFileNames: '[name].js' } },
      },
    })
    expect(scopeOf(world)).toMatch(/./)
    expect(scopeOf(world)).toBe(scopeOf(world, 'vite'))
    expect(world.run(env)).toEqual(world.run(env, 'vite/main.js'))
  })

  it.each<[string, string, RegExp]>([
    ['assignment', `import.meta.env.DATABASE_URL = 'x'`, /DATABASE_URL is written to/],
    [
      'a server name from the client module',
      `import { DATABASE_URL } from 'virtual:secrets/client'; console.log(DATABASE_URL)`,
      /DATABASE_URL is a server secret; virtual:secrets\/client does not have it/,
    ],
    [
      'a module that is none',
      `import x from 'virtual:secrets/serverr'; console.log(x)`,
      /no module virtual:secrets\/serverr/,
    ],
  ])('explains %s', async (_, code, expected) => {
    expect(await world.refused({ 'src/main.js': code }, server)).toMatch(expected)
  })
}
