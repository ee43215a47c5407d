import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Configuration, rspack } from '@rspack/core'
import { describe, expect, it } from 'vitest'
import { failure } from '../support/project.ts'
import { type CompilerLike, compilerConfig, pluginOf, runOnce, watch } from './compilers.ts'
import { changed, config, values, worldFor } from './world.ts'

/** Which modules come to JavaScript: Rspack's own search, and the look through the files where it has none. */
const secrets = await pluginOf('rspack')
const world = worldFor({ name: 'rspack rules', build: () => expect.unreachable() })
const print = (expression: string): string => `console.log(JSON.stringify(${expression}))\n`

/** `compiler.webpack` as an Rspack has it that knows no `codeFilter`. */
const older = {
  apply(compiler: { webpack: object }) {
    compiler.webpack = { ...rspack, rspackVersion: '2.2.9' }
  },
}

describe.each([
  ['Rspack looks into modules', []],
  ['the files are looked through, as for Rspack 2.2', [older]],
])('where %s', (_, before: object[]) => {
  const made = (more: object = {}, plugins: object[] = []) => {
    const given = { config: config(), entry: 'src/main.js', consumer: 'client', plugins } as const
    const whole = compilerConfig(world.project, given, secrets(given.config), more) as { plugins: object[] }
    const compiler = rspack({ ...whole, plugins: [...before, ...whole.plugins] } as Configuration)
    const bridge = (compiler as unknown as Record<symbol, { rewrite(context: object): unknown }>)[
      Symbol.for('unplugin-secrets.compiler.v1')
    ]!
    const came: string[] = []
    const { rewrite } = bridge
    bridge.rewrite = function (...args) {
      came.push((args[0] as { resourcePath: string }).resourcePath.slice(world.project.root.length + 1))
      return rewrite.apply(this, args)
    }
    return { came, compiler: compiler as unknown as CompilerLike }
  }

  it('only modules that read a secret come to JavaScript', async () => {
    await world.app({
      'src/main.js': `import { mode } from './mode.js'; import { key } from './key.js'; import { title } from './title.js'
        ${print('[mode, key, title]')}`,
      'src/mode.js': 'export const mode = typeof import.meta.url // MAPS_KEY is elsewhere\n',
      'src/key.js': 'export const key = import.meta.env.MAPS_KEY',
      'src/title.js': `export { TITLE as title } from 'virtual:secrets/client'`,
    })
    const { came, compiler } = made()
    await runOnce(world.project, compiler)
    expect(world.run()).toEqual(['string', values.MAPS_KEY, values.TITLE])
    expect(came.filter((path) => path !== 'src/mode.js')).toEqual(['src/key.js'])
    if (before.length === 0) expect(came).toEqual(['src/key.js'])
  })

  it('a denied name is told, and a watched file that comes to read', async () => {
    await world.app({ 'src/main.js': print('1') })
    const watching = watch(made().compiler)
    try {
      await watching.next()
      const write = (code: string): Promise<void> =>
        changed(watching, () => world.write({ 'src/main.js': code }))
      await write(print('import.meta.env.MAPS_KEY'))
      expect(world.run()).toBe(values.MAPS_KEY)
      expect(await failure(write(print('import.meta.env.DATABASE_URL')))).toMatch(/src\/main\.js:1:28/)
    } finally {
      await watching.close()
    }
  })

  it('what is no JavaScript stays as it is, byte by byte', async () => {
    await world.app({
      'src/main.js': `const url = new URL('./data.bin', import.meta.url)\n${print('[typeof url, import.meta.env.TITLE]')}`,
    })
    const bytes = Buffer.from([
      0xef,
      0xbb,
      0xbf,
      0xff,
      0xfe,
      0,
      0x80,
      ...Buffer.from('import.meta.env.MAPS_KEY'),
    ])
    writeFileSync(join(world.project.root, 'src/data.bin'), bytes)
    await runOnce(world.project, made({ output: assets() }).compiler)
    expect(readFileSync(join(world.project.root, 'dist/data.bin')).equals(bytes)).toBe(true)
  })

  const assets = (): object => ({
    path: join(world.project.root, 'dist'),
    filename: '[name].js',
    assetModuleFilename: '[name][ext]',
    module: true,
    chunkFormat: 'module',
    library: { type: 'module' },
  })
})

it('reads in a source that another plugin writes while the build runs', async () => {
  await world.app({ 'src/main.js': `import { key } from './made.js'\n${print('key')}` })
  const writes = {
    apply(compiler: { hooks: { make: { tap(name: string, call: () => void): void } } }) {
      compiler.hooks.make.tap('writes', () =>
        world.write({ 'src/made.js': 'export const key = import.meta.env.MAPS_KEY' }),
      )
    },
  }
  const given = { config: config(), entry: 'src/main.js', consumer: 'client', plugins: [writes] } as const
  const whole = compilerConfig(world.project, given, secrets(given.config), {}) as Configuration
  await runOnce(world.project, rspack(whole) as unknown as CompilerLike)
  expect(world.run()).toBe(values.MAPS_KEY)
})
