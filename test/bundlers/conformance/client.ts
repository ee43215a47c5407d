import { expect, it } from 'vitest'
import type { Specifics } from '../harness.ts'
import { config, values, type World } from '../world.ts'

const { MAPS_KEY, TITLE } = values
const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`

export function clientCases(world: World, specifics: Required<Specifics>): void {
  it('imports by name, as a namespace, re-exported, on demand', async () => {
    await world.app({
      'src/main.js': `
        import { MAPS_KEY, TITLE as title, db } from 'virtual:secrets/client'
        import * as all from 'virtual:secrets/client'
        import { again } from './again.js'
        import * as passed from './pass.js'
        Promise.all([import('virtual:secrets/client'), import('./lazy.js')]).then(([lazy, { lazyKey }]) =>
          ${print('{ MAPS_KEY, title, db, names: Object.keys(all).sort(), again, passed: passed.MAPS_KEY, lazy: lazy.TITLE, lazyKey }')})`,
      'src/again.js': `export { MAPS_KEY as again } from 'virtual:secrets/client'`,
      'src/pass.js': `export * from 'virtual:secrets/client'`,
      'src/lazy.js': `export const lazyKey = import.meta.env.MAPS_KEY + '!'`,
    })
    await world.build()
    expect(world.run()).toEqual({
      MAPS_KEY,
      title: TITLE,
      db: { user: 'app' },
      names: ['MAPS_KEY', 'TITLE', 'db'],
      again: MAPS_KEY,
      passed: MAPS_KEY,
      lazy: TITLE,
      lazyKey: `${MAPS_KEY}!`,
    })
  })

  it.each([false, true])('reads members in every spelling (minified: %s)', async (minify) => {
    const read = await world.client(
      `#!/usr/bin/env node
      'use client'
      const __secret_0 = 'own'
      const { log } = console
      ${print(`{
        member: import.meta.env.MAPS_KEY,
        spaced: import . meta
          .env . MAPS_KEY,
        bracket: import.meta.env['MAPS_KEY'],
        template: import.meta.env[\`MAPS_KEY\`],
        optional: import.meta.env?.MAPS_KEY,
        optionalBracket: import.meta.env?.['MAPS_KEY'],
        length: import.meta.env.MAPS_KEY.length,
        optionalLength: import.meta.env.MAPS_KEY?.length,
        call: import.meta.env.MAPS_KEY.slice(0, 4),
        parenthesized: (import.meta.env).MAPS_KEY,
        nested: \`a \${\`b \${import.meta.env.MAPS_KEY}\`} c\`,
        type: typeof import.meta.env.MAPS_KEY,
        folded: import.meta.env.MAPS_KEY ? 'yes' : 'no',
        part: import.meta.env.db.user,
        title: import.meta.env.TITLE,
        own: __secret_0,
      }`)}`,
      { minify },
    )
    expect(read).toEqual({
      member: MAPS_KEY,
      spaced: MAPS_KEY,
      bracket: MAPS_KEY,
      template: MAPS_KEY,
      optional: MAPS_KEY,
      optionalBracket: MAPS_KEY,
      length: MAPS_KEY.length,
      optionalLength: MAPS_KEY.length,
      call: 'maps',
      parenthesized: MAPS_KEY,
      nested: `a b ${MAPS_KEY} c`,
      type: 'string',
      folded: 'yes',
      part: 'app',
      title: TITLE,
      own: 'own',
    })
  })

  it('takes the object apart: plain, renamed, with defaults, with rest, as a parameter, by assignment', async () => {
    const read = await world.client(`
      const { MAPS_KEY } = import.meta.env
      const { MAPS_KEY: key, TITLE: title = 'none' } = import.meta.env
      const { OTHER = 'other', ...rest } = { ...{} }
      const { TITLE: kept, ...others } = import.meta.env
      const { db: { user } } = import.meta.env
      let late
      ;({ MAPS_KEY: late } = import.meta.env)
      const parameter = (({ MAPS_KEY: inner } = import.meta.env) => inner)()
      ${print('{ MAPS_KEY, key, title, OTHER, rest, kept, others: typeof others, user, late, parameter }')}`)
    expect(read).toEqual({
      MAPS_KEY,
      key: MAPS_KEY,
      title: TITLE,
      OTHER: 'other',
      rest: {},
      kept: TITLE,
      others: 'object',
      user: 'app',
      ...(specifics.patternAssignments ? { late: MAPS_KEY } : {}),
      parameter: MAPS_KEY,
    })
  })

  it('leaves strings, comments, regular expressions and other keys alone', async () => {
    const read = await world.client(`
      // import.meta.env.DATABASE_URL is a comment
      /* import.meta.env.MAPS_KEY = 'x' */
      const DATABASE_URL = 'own variable'
      const own = { DATABASE_URL, env: { MAPS_KEY: 'own key' } }
      ${print(`[
        'import.meta.env.DATABASE_URL', "import.meta.env.MAPS_KEY", \`import.meta.env.TITLE\`,
        /import.meta.env.MAPS_KEY/.source, own.env.MAPS_KEY, own.DATABASE_URL, typeof import.meta.env?.UNKNOWN,
      ]`)}`)
    expect(read).toEqual([
      'import.meta.env.DATABASE_URL',
      'import.meta.env.MAPS_KEY',
      'import.meta.env.TITLE',
      'import.meta.env.MAPS_KEY',
      'own key',
      'own variable',
      'undefined',
    ])
  })

  it('reads process.env.NAME where replaceProcessEnv asks for it, and only the real process', async () => {
    const code = `
      const shadowed = (process) => process.env.MAPS_KEY
      const { TITLE: title } = process.env
      ${print(`[process.env.MAPS_KEY, process.env['MAPS_KEY'], process.env?.MAPS_KEY, title, shadowed({ env: { MAPS_KEY: 'own' } })]`)}`
    const on = await world.client(code, { config: config({ replaceProcessEnv: true }) })
    expect(on).toEqual([MAPS_KEY, MAPS_KEY, MAPS_KEY, TITLE, 'own'])
  })

  it('leaves process.env alone otherwise', async () => {
    await world.app({ 'src/main.js': `globalThis.taken = process.env.MAPS_KEY\n${print('taken ?? null')}` })
    await world.build()
    expect(world.emitted()).not.toContain(MAPS_KEY)
  })

  it('splits code, one copy of the values for all chunks', async () => {
    await world.app({
      'src/main.js': `
        Promise.all([import('./a.js'), import('./b.js')]).then(([a, b]) =>
          ${print('[a.a, b.b, import.meta.env.MAPS_KEY]')})`,
      'src/a.js': `import { MAPS_KEY } from 'virtual:secrets/client'; export const a = 'a' + MAPS_KEY`,
      'src/b.js': `const { MAPS_KEY } = import.meta.env; export const b = 'b' + MAPS_KEY`,
    })
    await world.build({ splitting: true })
    expect(world.run()).toEqual([`a${MAPS_KEY}`, `b${MAPS_KEY}`, MAPS_KEY])
    expect(world.outputs().length).toBeGreaterThan(2)
    expect(world.emitted(/js$/).split(MAPS_KEY)).toHaveLength(2)
  })

  it('ships no value that is not used', async () => {
    await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
    await world.build({ minify: true })
    expect(world.run()).toBe(MAPS_KEY)
    expect(world.emitted()).not.toContain(TITLE.slice(-30))
    expect(world.emitted()).not.toContain('DATABASE_URL')
  })

  it('works without a secret in sight', async () => {
    expect(await world.client(print('[1]'))).toEqual([1])
  })

  if (specifics.typescript) {
    it('reads through what TypeScript adds, and lets types be types', async () => {
      await world.app({
        'src/main.ts': `
          import type { DATABASE_URL } from 'virtual:secrets/server'
          import { MAPS_KEY, type TITLE } from 'virtual:secrets/client'
          interface Wanted { DATABASE_URL: string; STRIPE_KEY?: string }
          type Url = typeof DATABASE_URL | typeof TITLE
          const wanted: Partial<Wanted> = {}
          declare const never: Url
          enum Kind { A = 'kind' }
          const env = <T,>(value: T): T => value
          console.log(JSON.stringify([
            MAPS_KEY, (import.meta as any).env.MAPS_KEY, (import.meta.env as any).MAPS_KEY, import.meta.env!.MAPS_KEY,
            (import.meta.env satisfies object).MAPS_KEY, env<string>(import.meta.env.MAPS_KEY as string), wanted, Kind.A,
          ]))
          const { TITLE: title }: { TITLE: string } = import.meta.env as { TITLE: string }
          if (title.length < 3) throw new Error('short')`,
      })
      await world.build({ entry: 'src/main.ts' })
      expect(world.run()).toEqual([MAPS_KEY, MAPS_KEY, MAPS_KEY, MAPS_KEY, MAPS_KEY, MAPS_KEY, {}, 'kind'])
    })
  }

  if (specifics.json) {
    it('stands beside JSON', async () => {
      await world.app({
        'src/main.js': `import data from './data.json'; ${print('[data.MAPS_KEY, import.meta.env.MAPS_KEY]')}`,
        'src/data.json': '{ "MAPS_KEY": "import.meta.env.DATABASE_URL" }',
      })
      await world.build()
      expect(world.run()).toEqual(['import.meta.env.DATABASE_URL', MAPS_KEY])
    })
  }

  if (specifics.css) {
    it('stands beside CSS', async () => {
      await world.app({
        'src/main.js': `import './a.css'; ${print('import.meta.env.MAPS_KEY')}`,
        'src/a.css': '.DATABASE_URL { color: rgb(1, 2, 3) }',
      })
      await world.build()
      expect(world.run()).toBe(MAPS_KEY)
      expect(world.emitted(/\.css$/)).toContain('.DATABASE_URL')
    })
  }
}
