import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import swc from '@swc/core'
import { transformSync } from 'esbuild'
import { minifySync } from 'rolldown/utils'
import { minify as terser } from 'terser'
import { build as vite } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import webpack from 'webpack'
import { createScanner, formatFindings } from '../src/core/scan/index.ts'
import { canariesIn } from './support/canary.ts'

const random = (bytes: number) => randomBytes(bytes).toString('hex')
const VALUES: Record<string, string> = {
  NASTY: `${random(4)}Zq7"k'\\w<9>\${x}\`&/é`,
  UNICODE: `pässwörd-日本-😀-${random(4)}`,
  PEM: `-----BEGIN PRIVATE KEY-----\n${randomBytes(600)
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END PRIVATE KEY-----\n`,
  URL: `postgres://app:p%40s%5C${random(4)}@db.internal/app?a=1&lt;=2&é="x"`,
  DOCUMENT: JSON.stringify({ user: 'app', password: `${random(8)}"\\\n` }, null, 2),
}
const NAMES = Object.keys(VALUES).sort()
const source = `export const all = [${Object.values(VALUES)
  .map((value) => `(v => v)(${JSON.stringify(value)})`)
  .join(',\n')}]\nglobalThis.all = all\n`

const said: string[] = []
const scanner = createScanner(Object.entries(VALUES).map(([name, text]) => ({ name, text })))

/** The names found, without those of which only a line was. */
function found(content: string | Uint8Array): string[] {
  const findings = scanner.scan(Buffer.from(content as Uint8Array), 'out.js')
  said.push(formatFindings(findings))
  return [
    ...new Set(findings.filter(({ encoding }) => encoding !== 'pem line').map(({ name }) => name)),
  ].sort()
}

const folder = mkdtempSync(join(tmpdir(), 'scan-outputs-'))
beforeAll(() => {
  writeFileSync(join(folder, 'entry.js'), `import data from './data.json'\nglobalThis.data = data\n${source}`)
  writeFileSync(join(folder, 'data.json'), JSON.stringify(VALUES))
  writeFileSync(join(folder, 'only-json.js'), `import data from './data.json'\nglobalThis.data = data\n`)
})
afterAll(() => {
  rmSync(folder, { recursive: true })
  expect(canariesIn(said.join('\n'), Object.values(VALUES))).toEqual([])
})

describe('every value is found in what is emitted', () => {
  for (const charset of ['ascii', 'utf8'] as const)
    for (const minify of [false, true])
      test(`esbuild, ${charset}${minify ? ', minified' : ''}`, () => {
        const { code, map } = transformSync(source, {
          charset,
          minify,
          sourcemap: 'external',
          sourcefile: 'in.js',
        })
        expect(found(code)).toEqual(NAMES)
        expect(found(map)).toEqual(NAMES)
        const inline = transformSync(source, {
          charset,
          minify,
          sourcemap: 'inline',
          sourcefile: 'in.js',
        }).code
        expect(found(inline.slice(inline.indexOf('//# sourceMappingURL')))).toEqual(NAMES)
      })

  test('esbuild, JSON module and data URL', () => {
    const text = JSON.stringify(VALUES)
    expect(found(transformSync(text, { loader: 'json', minify: true }).code)).toEqual(NAMES)
    expect(found(transformSync(text, { loader: 'dataurl' }).code)).toEqual(NAMES)
    expect(found(transformSync(text, { loader: 'base64' }).code)).toContain('UNICODE')
  })

  test.each([false, true])('terser, ascii only: %s', async (ascii_only) => {
    const { code, map } = await terser(source, { module: true, sourceMap: true, format: { ascii_only } })
    expect(found(code!)).toEqual(NAMES)
    expect(found(map as string)).toEqual([])
  })

  test('swc, minified and not', async () => {
    const minified = await swc.minify(source, { module: true, compress: true, mangle: true, sourceMap: true })
    expect(found(minified.code)).toEqual(NAMES)
    for (const target of ['es5', 'es2022'] as const) {
      const { code, map } = await swc.transform(source, { swcrc: false, sourceMaps: true, jsc: { target } })
      expect(found(code)).toEqual(NAMES)
      expect(found(map!)).toEqual(NAMES)
    }
  })

  test.each([false, true, 'esbuild', 'terser'] as const)('Vite, minify: %s', async (minify) => {
    const outDir = join(folder, `vite-${minify}`)
    await vite({
      root: folder,
      configFile: false,
      logLevel: 'silent',
      build: { outDir, minify, sourcemap: true, rolldownOptions: { input: join(folder, 'entry.js') } },
    })
    const files = readdirSync(outDir, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    )
    expect(files.length).toBe(2)
    for (const file of files) expect(found(readFileSync(join(file.parentPath, file.name)))).toEqual(NAMES)
  })

  test('oxc, minified', () => {
    const { code, map } = minifySync('in.js', source, { sourcemap: true })
    expect(found(code)).toEqual(NAMES)
    expect(found(JSON.stringify(map))).toEqual(NAMES)
  })

  test.each([
    ['production', false],
    ['production', 'source-map'],
    ['production', 'inline-source-map'],
    ['production', 'nosources-source-map'],
    ['development', 'eval'],
    ['development', 'eval-source-map'],
    ['development', 'eval-cheap-module-source-map'],
  ] as const)('webpack, %s, %s', async (mode, devtool) => {
    for (const entry of ['entry.js', 'only-json.js']) {
      const path = join(folder, `${mode}-${devtool}-${entry}`)
      await build({ mode, devtool, entry: join(folder, entry), output: { path } })
      const files = readdirSync(path)
      const script = files.filter((file) => file.endsWith('.js'))
      expect(script.flatMap((file) => found(readFileSync(join(path, file))))).toEqual(NAMES)
      for (const file of files.filter((name) => name.endsWith('.map')))
        if (devtool === 'source-map' && entry === 'entry.js')
          expect(found(readFileSync(join(path, file)))).toEqual(NAMES)
    }
  })
})

describe('constants that are put together', () => {
  const divided = Object.values(VALUES).map((value) => {
    const at = value.length >> 1
    return [value.slice(0, at), value.slice(at)].map((part) => JSON.stringify(part))
  })
  const ways: Record<string, string> = {
    plus: divided.map(([a, b]) => `globalThis.x(${a} + ${b})`).join('\n'),
    lines: divided.map(([a, b]) => `globalThis.x(${a} +\n      ${b})`).join('\n'),
    template: divided.map(([a, b]) => `globalThis.x(\`\${${a}}\${${b}}\`)`).join('\n'),
  }
  const folded: Record<string, (code: string) => string | Promise<string>> = {
    'as it is': (code) => code,
    esbuild: (code) => transformSync(code).code,
    'esbuild, minified': (code) => transformSync(code, { minify: true }).code,
    'oxc, minified': (code) => minifySync('in.js', code).code,
    'swc, minified': async (code) => (await swc.minify(code, { compress: true })).code,
    terser: async (code) => (await terser(code)).code!,
    'in an eval': (code) => `eval(${JSON.stringify(code)})`,
  }
  test.each(Object.keys(folded).flatMap((tool) => Object.keys(ways).map((way) => [tool, way] as const)))(
    '%s: %s',
    async (tool, way) => expect(found(await folded[tool]!(ways[way]!))).toEqual(NAMES),
  )
})

function build(config: webpack.Configuration): Promise<void> {
  const compiler = webpack(config)
  return new Promise((resolve, reject) => {
    compiler?.run((error, stats) => {
      compiler.close(() => {
        if (error || stats?.hasErrors()) reject(error ?? new Error(stats?.toString('errors-only')))
        else resolve()
      })
    })
  })
}

test('nothing is found in files that hold none of the values', () => {
  const modules = join(import.meta.dirname, '../node_modules')
  const packages = ['esbuild', 'vite', 'rolldown', 'webpack', 'zod', 'valibot'].map((name) =>
    join(modules, name),
  )
  const clean = createScanner([
    ...Object.entries(VALUES).map(([name, text]) => ({ name, text })),
    // As short as a value may be, and shaped like the words of code.
    ...Array.from({ length: 100 }, (_, at) => ({ name: `HEX${at}`, text: random(4) })),
    ...Array.from({ length: 100 }, (_, at) => ({
      name: `B${at}`,
      text: randomBytes(6).toString('base64url'),
    })),
    ...Array.from({ length: 20 }, (_, at) => ({
      name: `ENV${at}`,
      text: `user_${random(3)}\n"key": "${random(8)}"`,
    })),
  ])
  let bytes = 0
  for (const installed of packages)
    for (const entry of readdirSync(installed, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (!entry.isFile() || !/\.(?:m?js|cjs|map|json|css|html|md|wasm)$/.test(entry.name)) continue
      if (statSync(path).size > 5_000_000 || bytes > 30_000_000) continue
      const content = readFileSync(path)
      bytes += content.length
      expect(clean.scan(content, path)).toEqual([])
    }
  expect(bytes).toBeGreaterThan(5_000_000)
})
