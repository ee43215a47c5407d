import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { canariesIn, canary } from '../../support/canary.ts'
import { failure, fromLocal } from '../../support/project.ts'
import type { Specifics } from '../harness.ts'
import { config, values, type World } from '../world.ts'

const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`
const text = (value: string): string => `console.log(${JSON.stringify(value)})`

/** Values that something on the way may trip over. */
const ODD = {
  EMPTY: '',
  ONE: 'x',
  FLAG: 'true',
  // Every sign that means something in a pattern or a replacement.
  PATTERN: `^(?:${canary('pattern')}|.*)+[^c]{2,}$\\d$&$1$\``,
  BINARY: `\u0000\u0001\u001f\u007f\u0080\u2028\u2029\ufeff${canary('binary')}\u{10ffff}\r\n\t`,
  LARGE: randomBytes(500_000).toString('hex'),
}
type OddName = keyof typeof ODD
const NAMES = Object.keys(ODD) as OddName[]

export function badInputCases(world: World, specifics: Required<Specifics>): void {
  const odd = async (code: string): Promise<void> => {
    await world.app({ 'src/main.js': code })
    for (const name of NAMES) await world.set(name, ODD[name])
  }

  it('hands a client values of every kind as they are', async () => {
    await odd(`
      import { EMPTY, ONE, FLAG, PATTERN } from 'virtual:secrets/client'
      const { LARGE, BINARY } = import.meta.env
      let sum = 0
      for (let at = 0; at < LARGE.length; at++) sum = (sum * 31 + LARGE.charCodeAt(at)) % 1000003
      ${print('{ EMPTY, ONE, FLAG, PATTERN, BINARY, large: [LARGE.length, sum] }')}`)
    await world.build({ config: fromLocal(NAMES, { client: NAMES }), minify: true })
    let sum = 0
    for (let at = 0; at < ODD.LARGE.length; at++) sum = (sum * 31 + ODD.LARGE.charCodeAt(at)) % 1000003
    const { LARGE, ...small } = ODD
    expect(world.run()).toEqual({ ...small, large: [LARGE.length, sum] })
  })

  it('finds those that can be told from other text, and says which cannot', async () => {
    await odd(`const x = true; ${print("[x, 'x', 'true', '']")}`)
    const build = (): Promise<void> => world.build({ config: fromLocal(NAMES) })
    await build()
    expect(world.run()).toEqual([true, 'x', 'true', ''])
    for (const name of ['EMPTY', 'ONE', 'FLAG'])
      expect(world.project.output.join('\n')).toMatch(new RegExp(`Not scanned for: .*${name} \\(`))
    for (const name of ['PATTERN', 'BINARY', 'LARGE'] as const) {
      world.write({ 'src/main.js': text(ODD[name]) })
      const said = await failure(world.build({ config: fromLocal([name]), outDir: 'leaking' }))
      expect(said).toMatch(new RegExp(`${name} +leaking/main\\.js`))
      expect(canariesIn(said, [ODD[name]])).toEqual([])
      expect(world.outputs('leaking')).toEqual([])
    }
  })

  it('adds nothing to a mistake that the bundler finds', async () => {
    await world.app({
      'src/main.js': `import { MAPS_KEY } from 'virtual:secrets/client'; const const = MAPS_KEY`,
    })
    const said = await failure(world.build({ config: config(), minify: true }))
    expect(said).not.toMatch(/scanned|SecretsError|ENOENT|acorn/)
    expect(world.outputs('dist')).toEqual([])
  })

  it('names every secret that has the value that leaks', async () => {
    const said = async (): Promise<string> => failure(world.build({ config: fromLocal(['ONE', 'OTHER']) }))
    await world.app({ 'src/main.js': text(values.STRIPE_KEY) })
    for (const name of ['ONE', 'OTHER']) await world.set(name, values.STRIPE_KEY)
    const both = await said()
    for (const name of ['ONE', 'OTHER']) expect(both).toMatch(new RegExp(`\\b${name}\\b`))
    expect(world.outputs()).toEqual([])
  })

  it('refuses a policy that contradicts itself: one value under a client and a server name', async () => {
    await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
    await world.set('STRIPE_KEY', values.MAPS_KEY)
    expect(await failure(world.build())).toContain(
      'MAPS_KEY and STRIPE_KEY have the same value, but only MAPS_KEY is in the client list.',
    )
    expect(world.outputs()).toEqual([])
  })

  it('is not led astray by a broken source map', async () => {
    const unreadable = ['data:application/json;base64,%%%', 'data:application/json,{"version":3']
    const broken = [...(specifics.brokenMaps ? unreadable : []), 'nowhere.js.map']
    const code = (main: string, map: string): string => `${main}\n//# sourceMappingURL=${map}\n`
    for (const map of broken) {
      await world.app({
        'src/main.js': `import { key } from './part.js'\n${print('key')}`,
        'src/part.js': code('export const key = import.meta.env.MAPS_KEY', map),
      })
      await world.build({ sourcemap: true })
      expect(world.run()).toBe(values.MAPS_KEY)
      world.write({ 'src/part.js': code(`export const key = import.meta.env.DATABASE_URL`, map) })
      expect(await failure(world.build({ sourcemap: true, outDir: 'denied' }))).toMatch(
        /Client code reads DATABASE_URL.*src\/part\.js:1:20/s,
      )
      world.write({ 'src/part.js': code(`export const key = '${values.DATABASE_URL}'`, map) })
      expect(await failure(world.build({ sourcemap: true, outDir: 'leaking' }))).toMatch(
        /DATABASE_URL +leaking\/main\.js/,
      )
      expect([...world.outputs('denied'), ...world.outputs('leaking')]).toEqual([])
      if (map !== broken.at(-1)) world.project.remove()
    }
  })

  if (specifics.json) {
    it('is refused a document that is none, by name and without its text', async () => {
      await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
      await world.set('db', `{ "user": "${values.PASSWORD}`)
      expect(await failure(world.build({ config: config() }))).toMatch(/\bdb\b.*JSON/s)
      expect(world.outputs()).toEqual([])
    })
  }
}
