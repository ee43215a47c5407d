import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { SecretsError } from '../../../src/core/errors.ts'
import type { Provider } from '../../../src/core/types.ts'
import { canariesIn, canary, canaryFiles } from '../../support/canary.ts'
import { fromLocal } from '../../support/project.ts'
import type { Specifics } from '../harness.ts'
import { changed, config, values, type World } from '../world.ts'

const { MAPS_KEY, TITLE } = values
const print = (expression: string): string => `console.log(JSON.stringify(${expression}))`

export function operationCases(world: World, specifics: Required<Specifics>): void {
  it('makes source maps that hold the sources and no module of ours', async () => {
    const code = `${print('import.meta.env.MAPS_KEY')}\n`
    await world.client(code, { sourcemap: true, minify: specifics.minifiedMaps })
    const maps = world.outputs().filter((file) => file.endsWith('.map'))
    expect(maps.length).toBeGreaterThan(0)
    const text = world.emitted(/\.map$/)
    if (specifics.sourcesContent) expect(text).toContain(JSON.stringify(code).slice(1, -1))
    expect(text).not.toContain(MAPS_KEY)
    expect(text).not.toContain(TITLE.slice(-30))
  })

  it('makes none where none are wanted', async () => {
    await world.client(print('import.meta.env.MAPS_KEY'), { sourcemap: false })
    expect(world.outputs().filter((file) => file.endsWith('.map'))).toEqual([])
  })

  it('keeps two builds of one process apart, at once and with different configurations', async () => {
    await world.app({ 'src/main.js': print('import.meta.env.KEY') })
    const meaning = (path: string) => ({
      ...fromLocal([]),
      secrets: { KEY: `local:${path}` },
      client: ['KEY'],
    })
    await Promise.all([
      world.build({ config: meaning('MAPS_KEY'), outDir: 'one' }),
      world.build({ config: meaning('TITLE'), outDir: 'two' }),
    ])
    expect(world.run({}, 'one/main.js')).toBe(MAPS_KEY)
    expect(world.run({}, 'two/main.js')).toBe(TITLE)
    await world.build({ config: { ...meaning('TITLE'), client: [] }, outDir: 'three' }).then(
      () => expect.unreachable(),
      (error: Error) => expect(error.message).toContain('Client code reads KEY'),
    )
    expect(existsSync(join(world.project.root, 'three'))).toBe(false)
  })

  it('builds a client and a server in one process', async () => {
    await world.app({
      'src/main.js': print('import.meta.env.MAPS_KEY'),
      'src/server/main.js': print('import.meta.env.DATABASE_URL'),
    })
    await Promise.all([
      world.build({ outDir: 'client' }),
      world.build({ outDir: 'server', entry: 'src/server/main.js', consumer: 'server' }),
    ])
    expect(world.run({}, 'client/main.js')).toBe(MAPS_KEY)
    const env = { DATABASE_URL: 'one', STRIPE_KEY: '-', MAPS_KEY: '-', TITLE: '-', db: '{}' }
    expect(world.run(env, 'server/main.js')).toBe('one')
  })

  it('reads and guards a workspace package whose real folder is outside the root', async () => {
    const main = { 'src/main.js': `import { key } from 'shared'; ${print('key')}` }
    const manifest = '{ "name": "shared", "type": "module", "exports": "./index.js" }'
    await world.app(main)
    world.neighbour('shared', {
      'package.json': manifest,
      'index.js': `export const key = 'shared ' + import.meta.env.MAPS_KEY`,
    })
    await world.build()
    expect(world.run()).toBe(`shared ${MAPS_KEY}`)
    world.neighbour('bad', {
      'package.json': manifest,
      'index.js': `export const key = import.meta.env.DATABASE_URL`,
    })
    world.write({ 'src/main.js': `import { key } from 'bad'; ${print('key')}` })
    const error = await world.build({ outDir: 'denied' }).then(String, (reason: Error) => reason.message)
    expect(error).toMatch(
      /Client code reads DATABASE_URL.*packages\/bad\/index\.js:1:20\n\s+imported by src\/main\.js/s,
    )
  })

  it('leaves packages alone', async () => {
    await world.app({
      'src/main.js': `import { key } from 'dependency'; ${print('key')}`,
      'node_modules/dependency/package.json':
        '{ "name": "dependency", "type": "module", "exports": "./index.js" }',
      'node_modules/dependency/index.js': `export const key = typeof import.meta.env?.DATABASE_URL`,
    })
    await world.build()
    expect(world.run()).toBe('undefined')
  })

  if (world.harness.watch) {
    it('takes a changed value when it builds again', async () => {
      await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY') })
      const watching = world.harness.watch!(world.project, {
        config: config(),
        entry: 'src/main.js',
        consumer: 'client',
      })
      try {
        await watching.next()
        expect(world.run()).toBe(MAPS_KEY)
        const rotated = canary('rotated')
        await changed(watching, () => world.set('MAPS_KEY', rotated))
        expect(world.run()).toBe(rotated)
        await changed(watching, () =>
          world.write({ 'src/main.js': print(`['again', import.meta.env.MAPS_KEY]`) }),
        )
        expect(world.run()).toEqual(['again', rotated])
      } finally {
        await watching.close()
      }
    })
  }

  if (world.harness.watch) {
    it('notices a file that is there only later', async () => {
      await world.app({ 'src/main.js': print('import.meta.env.MAPS_KEY'), '.env': 'MAPS_KEY=first\n' })
      const watching = world.harness.watch!(world.project, {
        config: config({
          providers: { local: { type: 'dotenv' } },
          secrets: { MAPS_KEY: 'local:MAPS_KEY' },
          client: ['MAPS_KEY'],
        }),
        entry: 'src/main.js',
        consumer: 'client',
      })
      try {
        await watching.next()
        expect(world.run()).toBe('first')
        await changed(watching, () => world.write({ '.env.local': 'MAPS_KEY=second\n' }))
        expect(world.run()).toBe('second')
        await changed(watching, () => world.write({ '.env.local': 'MAPS_KEY=third\n' }))
        expect(world.run()).toBe('third')
      } finally {
        await watching.close()
      }
    })
  }

  if (world.harness.watch) {
    it('builds again when a value changes at its provider, though no file of the project has', async () => {
      await world.app({ 'src/main.js': print('import.meta.env.REMOTE') })
      let [value, version, isDown] = [canary('first'), 1, false]
      const answer = async <T>(requests: readonly unknown[], one: T): Promise<T[]> => {
        if (isDown) throw new SecretsError('UNREACHABLE', 'Cannot reach the place.')
        return requests.map(() => one)
      }
      const remote: Provider = {
        type: 'remote',
        location: 'test',
        read: (requests) => answer(requests, { value, version: String(version) }),
        versions: (requests) => answer(requests, String(version)),
      }
      const watching = world.harness.watch!(world.project, {
        config: {
          providers: { remote },
          secrets: { REMOTE: 'remote:a' },
          client: ['REMOTE'],
          cache: false,
          timeout: 300,
          watch: { interval: '100ms' },
        },
        entry: 'src/main.js',
        consumer: 'client',
      })
      try {
        await watching.next()
        expect(world.run()).toBe(value)
        for (let round = 0; round < 2; round++) {
          await changed(watching, () => {
            ;[value, version] = [canary('next'), version + 1]
          })
          await vi.waitFor(() => expect(world.run()).toBe(value), { timeout: 15_000, interval: 200 })
        }
        // Away when a file changes: that build may fail, and one that comes by itself has both changes.
        isDown = true
        await changed(watching, () =>
          world.write({ 'src/main.js': print(`[import.meta.env.REMOTE]`) }),
        ).catch(() => {})
        ;[value, version, isDown] = [canary('back'), version + 1, false]
        await vi.waitFor(() => expect(world.run()).toEqual([value]), { timeout: 20_000, interval: 200 })
        expect(canariesIn(world.project.output.join('\n'), [value])).toEqual([])
      } finally {
        await watching.close()
      }
    })
  }

  if (specifics.cache) {
    it('keeps no server value in a persistent cache, and no old client value', async () => {
      await world.app({
        'src/main.js': `import { MAPS_KEY } from 'virtual:secrets/client'; ${print('[MAPS_KEY, import.meta.env.MAPS_KEY]')}`,
        'src/server/main.js': print('import.meta.env.DATABASE_URL'),
      })
      const [one, two] = [canary('v1'), canary('v2')]
      for (const value of [one, one, two, two]) {
        await world.set('MAPS_KEY', value)
        await world.set('DATABASE_URL', `server-${value}`)
        const cacheFolder = join(world.project.root, 'cache')
        await world.build({ cacheFolder, sourcemap: true, minify: true })
        expect(world.run()).toEqual([value, value])
        await world.build({
          cacheFolder: join(world.project.root, 'server-cache'),
          entry: 'src/server/main.js',
          consumer: 'server',
          outDir: 'server',
        })
        expect(canaryFiles(world.project.folder, [`server-${one}`, `server-${two}`])).toEqual([])
      }
      expect(existsSync(join(world.project.root, 'cache'))).toBe(true)
    })
  }
}
