import { describe, expect, it } from 'vitest'
import type { Specifics } from '../harness.ts'
import { config, type World } from '../world.ts'

export function guardCases(world: World, specifics: Required<Specifics>): void {
  const refused = (code: string): Promise<string> => world.refused({ 'src/main.js': code })

  it('names the secret, the chain, the code and the fix', async () => {
    const text = await world.refused({
      'src/main.js': `import './app.js'`,
      'src/app.js': `import { connect } from './db.js'\nconnect()`,
      'src/db.js': `// Where the data is.\n\nexport function connect() {\n  console.log(import.meta.env.DATABASE_URL)\n}\n`,
    })
    expect(text).toContain('Client code reads DATABASE_URL, which is a server secret.')
    expect(text).toMatch(
      /src\/db\.js:4:15\n\s+imported by src\/app\.js\n\s+imported by src\/main\.js \(entry\)/,
    )
    expect(text).toContain('> 4 |   console.log(import.meta.env.DATABASE_URL)')
    expect(text).toContain("client: ['DATABASE_URL']")
  })

  it('reports every place at once', async () => {
    const text = await world.refused({
      'src/main.js': `import './a.js'\nimport './b.js'`,
      'src/a.js': `console.log(import.meta.env.DATABASE_URL)`,
      'src/b.js': `import { STRIPE_KEY } from 'virtual:secrets/server'\nconsole.log(STRIPE_KEY)`,
    })
    expect(text).toContain('src/a.js:1:13')
    expect(text).toContain('Client code imports virtual:secrets/server')
    expect(text).toMatch(/src\/b\.js:1:\d+\n\s+imported by src\/main\.js/)
  })

  it.each<[string, string]>([
    ['an import', `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL)`],
    ['a namespace import', `import * as all from 'virtual:secrets/server'; console.log(all)`],
    ['a re-export of all', `export * from 'virtual:secrets/server'`],
    ['a re-export of one', `export { DATABASE_URL } from 'virtual:secrets/server'`],
    ['a re-export under a name', `export * as all from 'virtual:secrets/server'`],
    ['a dynamic import', `import('virtual:secrets/server').then(console.log)`],
    ['an import for its effect', `import 'virtual:secrets/server'`],
    [
      'a tree-shaken import',
      `import { DATABASE_URL } from 'virtual:secrets/server'; const f = () => DATABASE_URL`,
    ],
    ['a raw import', `import text from 'virtual:secrets/server?raw'; console.log(text)`],
    ['a url import', `import text from 'virtual:secrets/server?url'; console.log(text)`],
    ['an import with a query', `import * as all from 'virtual:secrets/server?x=1'; console.log(all)`],
    ['an import with a fragment', `import * as all from 'virtual:secrets/server#x'; console.log(all)`],
    ['a raw import of the runtime', `import text from 'virtual:secrets/runtime?raw'; console.log(text)`],
    ['the runtime behind it', `import { bind } from 'virtual:secrets/runtime'; console.log(bind)`],
  ])('denies %s of the server module', async (_, code) => {
    expect(await refused(code)).toMatch(/Client code imports virtual:secrets\/server.*src\/main\.js/s)
  })

  it.each<[string, string]>([
    ['member', `console.log(import.meta.env.DATABASE_URL)`],
    ['bracket', `console.log(import.meta.env['DATABASE_URL'])`],
    ['template', 'console.log(import.meta.env[`DATABASE_URL`])'],
    ['optional', `console.log(import.meta.env?.DATABASE_URL?.length)`],
    ['destructured', `const { DATABASE_URL: url } = import.meta.env; console.log(url)`],
    ['defaulted', `const { DATABASE_URL = 'x', ...rest } = import.meta.env; console.log(DATABASE_URL, rest)`],
    ['dead', `if (false) console.log(import.meta.env.DATABASE_URL)`],
    ['tree-shaken', `const unused = () => import.meta.env.DATABASE_URL`],
    ['typeof', `console.log(typeof import.meta.env.DATABASE_URL)`],
  ])('denies a %s read', async (_, code) => {
    expect(await refused(code)).toMatch(/Client code reads DATABASE_URL.*src\/main\.js:1:\d+/s)
  })

  it('denies an alias, a module that is only imported on demand, a re-exporting one', async () => {
    const alias = { 'my-secrets': 'virtual:secrets/server' }
    const code = `import { DATABASE_URL } from 'my-secrets'; console.log(DATABASE_URL)`
    expect(await world.refused({ 'src/main.js': code }, { alias })).toContain(
      'Client code imports virtual:secrets/server',
    )
    world.project.remove()
    const text = await world.refused({
      'src/main.js': `import('./lazy.js').then(console.log)`,
      'src/lazy.js': `export * from './pass.js'`,
      'src/pass.js': `export * from 'virtual:secrets/server'`,
    })
    expect(text).toMatch(
      /src\/pass\.js:1:\d+\n\s+imported by src\/lazy\.js\n\s+imported by src\/main\.js \(entry\)/,
    )
  })

  if (specifics.require) {
    it('denies require() of the server module in a CommonJS module', async () => {
      const text = await world.refused({
        'src/main.js': `import part from './part.cjs'; console.log(part)`,
        'src/part.cjs': `const { DATABASE_URL } = require('virtual:secrets/server')\nexports.url = () => DATABASE_URL`,
      })
      expect(text).toMatch(
        /Client code imports virtual:secrets\/server.*src\/part\.cjs:1:\d+\n\s+imported by src\/main\.js/s,
      )
    })
  }

  it('denies what is asked of the server module by a package, also one that was bundled before', async () => {
    for (const code of [
      `import { DATABASE_URL } from 'virtual:secrets/server'; export const url = () => DATABASE_URL`,
      `export { DATABASE_URL as url } from 'virtual:secrets/server'`,
      `export const url = () => import('virtual:secrets/server?x')`,
    ]) {
      const text = await world.refused({
        'src/main.js': `import { url } from 'dependency'; console.log(url)`,
        'node_modules/dependency/package.json':
          '{ "name": "dependency", "type": "module", "exports": "./index.js" }',
        'node_modules/dependency/index.js': code,
      })
      expect(text).toMatch(
        /Client code imports virtual:secrets\/server.*dependency\/index\.js:1:\d+\n\s+imported by src\/main\.js/s,
      )
      world.project.remove()
    }
    await world.app({})
  })

  it('denies process.env.NAME where that means a secret', async () => {
    const text = await world.refused(
      { 'src/main.js': `console.log(process.env.DATABASE_URL)` },
      { config: config({ replaceProcessEnv: true }) },
    )
    expect(text).toContain('Client code reads DATABASE_URL')
  })

  it('denies a server name asked of the client module', async () => {
    const code = `import { DATABASE_URL } from 'virtual:secrets/client'; console.log(DATABASE_URL)`
    expect(await refused(code)).toContain('Client code reads DATABASE_URL')
  })

  describe('what cannot be followed', () => {
    it.each<[string, string, RegExp]>([
      ['assignment', `import.meta.env.MAPS_KEY = 'x'`, /MAPS_KEY is written to/],
      ['increment', `import.meta.env.MAPS_KEY++`, /MAPS_KEY is written to/],
      ['delete', `delete import.meta.env.MAPS_KEY`, /MAPS_KEY is written to/],
      ['a target of destructuring', `;[import.meta.env.MAPS_KEY] = ['x']`, /MAPS_KEY is written to/],
      [
        'a computed key',
        `const key = Date.now(); console.log(import.meta.env[key])`,
        /A key of import\.meta\.env is computed/,
      ],
      [
        'a key that is put together',
        `const key = 'X'; console.log(import.meta.env['MAPS_' + key])`,
        /A key of import\.meta\.env is computed/,
      ],
      [
        'the whole object',
        `const env = import.meta.env; console.log(env.MAPS_KEY)`,
        /used as a whole.*MAPS_KEY/s,
      ],
      [
        'the whole object as an argument',
        `const f = (env) => env.MAPS_KEY; console.log(f(import.meta.env))`,
        /used as a whole.*MAPS_KEY/s,
      ],
    ])('explains %s', async (_, code, expected) => {
      const text = await refused(code)
      expect(text).toMatch(expected)
      expect(text).toMatch(/src\/main\.js:1:\d+/)
    })
  })

  it('lets the object be where no secret can be meant', async () => {
    const read = await world.client(`
      const env = import.meta.env ?? {}
      const key = Object.keys({ a: 1 })[0]
      console.log(JSON.stringify([env.NOTHING_OF_OURS ?? null, env['VITE_' + key] ?? null]))`)
    expect(read).toEqual([null, null])
  })

  if (specifics.typescript) {
    it('shows the author’s own line of a TypeScript module', async () => {
      const text = await world.refused(
        {
          'src/main.ts': `import { open } from './db.ts'\nopen()`,
          'src/db.ts': `interface Url {\n  a: string\n}\n\nexport function open(): void {\n  const url: string = import.meta.env.DATABASE_URL as string\n  console.log(url as unknown as Url)\n}\n`,
        },
        { entry: 'src/main.ts', sourcemap: true },
      )
      expect(text).toMatch(/src\/db\.ts:6:\d+\n\s+imported by src\/main\.ts/)
      expect(text).toContain('> 6 |   const url: string = import.meta.env.DATABASE_URL as string')
    })
  }

  if (specifics.worker) {
    it('denies a worker', async () => {
      const text = await world.refused({
        'src/main.js': `new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })`,
        'src/worker.js': `console.log(import.meta.env.DATABASE_URL)`,
      })
      expect(text).toMatch(/Client code reads DATABASE_URL.*src\/worker\.js:1:13/s)
    })
  }
}
