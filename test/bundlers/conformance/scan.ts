import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import type { Specifics } from '../harness.ts'
import { config, values, type World } from '../world.ts'

const { DATABASE_URL } = values
const text = (value: string): string => `console.log(${JSON.stringify(value)})`

export function scanCases(world: World, specifics: Required<Specifics>): void {
  it.each<[string, string, RegExp]>([
    ['a hard-coded value', text(DATABASE_URL), /DATABASE_URL +dist\/main\.js:\d+:\d+ +plain/],
    ['base64', text(Buffer.from(`x${DATABASE_URL}y`).toString('base64')), /DATABASE_URL .* base64/],
    ['hex', text(Buffer.from(DATABASE_URL).toString('hex')), /DATABASE_URL .* hex/],
    ['a part of a document', text(values.PASSWORD), /db\.password +dist\/main\.js/],
  ])('finds %s, before anything is written', async (_, code, expected) => {
    expect(await world.refused({ 'src/main.js': code })).toMatch(expected)
  })

  it('finds it in a chunk, minified, and in a server', async () => {
    const files = { 'src/main.js': `import('./lazy.js')`, 'src/lazy.js': text(DATABASE_URL) }
    expect(await world.refused(files, { minify: true })).toMatch(/DATABASE_URL +dist\/\S+\.js/)
    world.project.remove()
    expect(await world.refused(files, { consumer: 'server' })).toMatch(/DATABASE_URL +dist\/\S+\.js/)
  })

  if (specifics.sourcesContent) {
    it('finds it in a source map, where the code itself no longer holds it', async () => {
      const files = { 'src/main.js': `// ${DATABASE_URL}\nconsole.log(1)` }
      expect(await world.refused(files, { sourcemap: true, minify: specifics.minifiedMaps })).toMatch(
        /DATABASE_URL +dist\/main\.js\.map/,
      )
    })
  }

  if (specifics.css) {
    it('finds it in a stylesheet', async () => {
      const files = {
        'src/main.js': `import './a.css'`,
        'src/a.css': `a::after { content: '${DATABASE_URL}' }`,
      }
      expect(await world.refused(files)).toMatch(/DATABASE_URL +dist\/\S+\.css/)
    })
  }

  if (specifics.json) {
    it('finds it in JSON', async () => {
      const files = {
        'src/main.js': `import data from './data.json'; console.log(data)`,
        'src/data.json': JSON.stringify({ key: DATABASE_URL }),
      }
      expect(await world.refused(files)).toMatch(/DATABASE_URL +dist\/main\.js/)
    })
  }

  it('can be switched off by the configuration only', async () => {
    // A value of the first four bytes' length is no secret of the suite, so what is written may stay there.
    await world.app({ 'src/main.js': `console.log('PINNED-VALUE-1')` })
    await world.set('STRIPE_KEY', 'PINNED-VALUE-1')
    await expect(world.build()).rejects.toThrow(/STRIPE_KEY/)
    await world.build({ config: config({ scan: false }) })
    expect(world.outputs().length).toBeGreaterThan(0)
  })
}
