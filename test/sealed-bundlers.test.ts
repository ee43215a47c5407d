import { execFileSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as esbuild } from 'esbuild'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Manifest } from '../src/core/expose/manifest.ts'
import { sealedModule } from '../src/core/expose/modules.ts'
import { sealMarks } from '../src/core/expose/seal-marks.ts'
import { createSealer } from '../src/core/expose/sealer.ts'
import { canary, canaryFiles } from './support/canary.ts'

/**
 * The module and the sealer alone, through bundlers as they are: what nothing reads is dropped by all of them,
 * marks survive their minifiers, and bindings stay live.
 */
const runtime = fileURLToPath(new URL('../src/runtime/sealed-node.ts', import.meta.url))
const key = randomBytes(32)
const scope = '0123456789abcdef'
const [A, B, UNUSED] = [canary('a'), canary('b'), canary('unused')]
const texts = new Map([
  ['A', A],
  ['b-c.d$', JSON.stringify({ b: B, quotes: '"\'`${x}\\ \u2028</script>' })],
  ['UNUSED', UNUSED],
  ['sealed', 'x'],
])
const manifest: Manifest = {
  scope,
  environment: 'production',
  profile: null,
  providers: {},
  secrets: Object.fromEntries(
    [...texts.keys(), 'OPTIONAL'].map((name) => {
      return [name, { mode: 'plaintext', kind: name.startsWith('b') ? 'json' : 'text' }]
    }),
  ),
}
const sealer = createSealer(createSecretKey(key), scope, texts)
const ENTRY = `import { A, OPTIONAL, 'b-c.d$' as b } from 'virtual:secrets/server'
export const read = () => [A, b, OPTIONAL]`
const SPACE = `import * as all from 'virtual:secrets/server'
export const read = (name = 'A') => all[name]; export { all }`

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'unplugin-secrets-'))
  writeFileSync(join(folder, 'entry.mjs'), ENTRY)
  writeFileSync(join(folder, 'space.mjs'), SPACE)
  writeFileSync(join(folder, 'server.mjs'), sealedModule(manifest, sealMarks(scope)))
  await esbuild({ entryPoints: [runtime], bundle: true, format: 'esm', outfile: join(folder, 'runtime.mjs') })
})
afterAll(() => {
  expect(canaryFiles(folder, [A, B, UNUSED, key.toString('hex')])).toEqual([])
  rmSync(folder, { recursive: true, force: true })
})

const idOf = (id: string): string | undefined =>
  id === 'virtual:secrets/server'
    ? join(folder, 'server.mjs')
    : id === 'virtual:secrets/runtime'
      ? join(folder, 'runtime.mjs')
      : undefined
const rollupPlugin = {
  name: 'ids',
  resolveId: (id: string) => {
    const found = idOf(id)
    return found === undefined ? undefined : { id: found, moduleSideEffects: false }
  },
}

const bundlers: Record<string, (entry: string, out: string, minify: boolean) => Promise<unknown>> = {
  esbuild: (entry, outfile, minify) =>
    esbuild({
      entryPoints: [entry],
      bundle: true,
      format: 'cjs',
      outfile,
      minify,
      plugins: [
        {
          name: 'ids',
          setup(build) {
            build.onResolve({ filter: /^virtual:/ }, ({ path }) => ({
              path: idOf(path)!,
              sideEffects: false,
            }))
          },
        },
      ],
    }),
  async rolldown(entry, file, minify) {
    const bundle = await rolldown({ input: entry, plugins: [rollupPlugin], logLevel: 'silent' })
    await bundle.write({ file, format: 'cjs', minify })
  },
  async rollup(entry, file, minify) {
    const { rollup } = await import('rollup')
    const { minify: terser } = await import('terser')
    const bundle = await rollup({ input: entry, plugins: [rollupPlugin] })
    await bundle.write({ file, format: 'cjs' })
    if (!minify) return
    const options = { toplevel: true, compress: { passes: 3, unsafe: true } }
    writeFileSync(file, (await terser(readFileSync(file, 'utf8'), options)).code!)
  },
  async webpack(entry, file, minify) {
    const { default: webpack } = await import('webpack')
    await compile(webpack as never, entry, file, minify)
  },
  async rspack(entry, file, minify) {
    const { rspack } = await import('@rspack/core')
    await compile(rspack as never, entry, file, minify)
  },
}

type Compiler = (options: object) => {
  run(done: (error: unknown, stats?: { toString(): string; hasErrors(): boolean }) => void): void
  close(done: () => void): void
}
async function compile(bundler: Compiler, entry: string, file: string, minify: boolean): Promise<void> {
  const name = file.slice(folder.length + 1)
  const alias = (id: string, to: string): object => ({ [id]: join(folder, to) })
  writeFileSync(
    `${entry}.js`,
    readFileSync(entry, 'utf8').replaceAll('virtual:secrets/server', 'secrets-server'),
  )
  writeFileSync(
    join(folder, 'aliased.mjs'),
    readFileSync(join(folder, 'server.mjs'), 'utf8').replace('virtual:secrets/runtime', 'secrets-runtime'),
  )
  const compiler = bundler({
    mode: minify ? 'production' : 'development',
    devtool: minify ? false : 'eval',
    target: 'node',
    context: folder,
    entry: `${entry}.js`,
    output: { path: folder, filename: name, library: { type: 'commonjs2' } },
    resolve: {
      alias: { ...alias('secrets-server', 'aliased.mjs'), ...alias('secrets-runtime', 'runtime.mjs') },
    },
    module: { rules: [{ test: /aliased|runtime/, sideEffects: false }] },
  })
  await new Promise<void>((resolve, reject) => {
    compiler.run((error, stats) => {
      compiler.close(() =>
        error || stats?.hasErrors() ? reject(error ?? new Error(String(stats))) : resolve(),
      )
    })
  })
}

/** What the built file gives, and gives after an update. */
function run(file: string, call = 'read()'): unknown[] {
  const script = `
    const built = require(${JSON.stringify(file)})
    const { read } = built
    const first = ${call}
    const store = globalThis[Symbol.for('unplugin-secrets.store.v1')]
    for (const tell of store.listeners.get('${scope}')) tell({ A: 'new', 'b-c.d$': 1 })
    console.log(JSON.stringify([first, ${call}]))`
  const env = { PATH: process.env.PATH, SECRETS_KEY: key.toString('base64') }
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' })) as unknown[]
}

const forms = Object.keys(bundlers).flatMap((name) => [true, false].map((minify) => ({ name, minify })))

describe.each(forms)('$name, minified: $minify', ({ name, minify }) => {
  const used = (text: string): string[] =>
    [...text.matchAll(sealMarks(scope).pattern)].flatMap(([, found]) => found || []).sort()

  it('needs what is read', async () => {
    const file = join(folder, `${name}-${minify}.cjs`)
    await bundlers[name]!(join(folder, 'entry.mjs'), file, minify)
    const text = readFileSync(file, 'utf8')
    // A development build of these two drops nothing, so all of it is sealed.
    const keepsAll = !minify && /pack$/.test(name)
    expect(used(text)).toEqual(
      keepsAll ? ['A', 'OPTIONAL', 'UNUSED', 'b-c.d$', 'sealed'] : ['A', 'OPTIONAL', 'b-c.d$'],
    )
    const done = sealer.seal(text, { map: false })!
    expect(done.code).toBe(sealer.seal(text, { map: false })!.code)
    writeFileSync(file, done.code)
    const json = JSON.parse(texts.get('b-c.d$')!) as unknown
    expect(run(file)).toEqual([
      [A, json, null],
      ['new', 1, null],
    ])
  })

  it('needs everything when the namespace escapes', async () => {
    const file = join(folder, `${name}-${minify}-space.cjs`)
    await bundlers[name]!(join(folder, 'space.mjs'), file, minify)
    const text = readFileSync(file, 'utf8')
    expect(used(text)).toEqual(['A', 'OPTIONAL', 'UNUSED', 'b-c.d$', 'sealed'])
    writeFileSync(file, sealer.seal(text, { map: false })!.code)
    expect(run(file, `[read(), read('UNUSED') === undefined, Object.keys(built.all).length]`)).toEqual([
      [A, false, 5],
      ['new', true, 5],
    ])
  })
})

it('leaves alone what has no marks', () => {
  expect(readdirSync(folder).length).toBeGreaterThan(10)
  expect(
    sealer.seal('export const a = "__SECRETS_SEALED_ffffffffffffffff__::"', { map: true }),
  ).toBeUndefined()
})

it('keeps its way to the variables through two bundlers', async () => {
  // A build for workers replaces `process.env`, and what a package's own build made of the source is what it sees.
  const bundle = await rolldown({ input: runtime, logLevel: 'silent' })
  const { output } = await bundle.generate()
  expect(output[0].code).toContain('SECRETS_KEY')
  expect(output[0].code).not.toMatch(/\bprocess\??\.env\b/)
})
