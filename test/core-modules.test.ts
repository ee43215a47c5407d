import { spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { build } from 'esbuild'
import { parseSync } from 'rolldown/utils'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { generateTypes } from '../src/core/expose/dts.ts'
import { createExposure } from '../src/core/expose/exposure.ts'
import { fillHtml } from '../src/core/expose/html.ts'
import type { Manifest } from '../src/core/expose/manifest.ts'
import { clientModule, deniedModule, serverModule, toLiteral } from '../src/core/expose/modules.ts'
import { createSecrets, type Json, type SecretsConfig } from '../src/index.ts'
import { bind, provide } from '../src/runtime/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { holding, makeProject, type Project } from './support/core.ts'

let project: Project

beforeEach(() => {
  project = makeProject()
})

afterEach(() => {
  vi.unstubAllEnvs()
  project.remove()
})

const NASTY = [
  '$& $1 $$ $`',
  '`${process.exit()}`',
  `'"\\'"\\"`,
  'a\n\r\t\0\b\x7f',
  '\u2028\u2029\ufeff',
  '</script><!-- <![CDATA[ ]]>',
  '\ud800 \udfff 😀',
  '__proto__',
  '${a}{{vault:X}}',
  '',
]
const NAMES = [
  ...['A', '$', '_', '_0', '_1', '__', 'bind', 'bind_', 'values', 'my-key', 'a.b', 'x-'],
  ...[
    'class',
    'default',
    'await',
    'let',
    'static',
    'undefined',
    'NaN',
    'arguments',
    'eval',
    'then',
    'async',
    'of',
  ],
  ...['constructor', 'toString', 'hasOwnProperty', 'Object', 'globalThis'],
]

/** Evaluates module text by itself: a real import, which finds what is wrong with it. */
async function evaluate(code: string): Promise<Record<string, unknown>> {
  expect(parseSync('module.js', code).errors).toEqual([])
  const url = `data:text/javascript,${encodeURIComponent(`${code}\n// ${Math.random()}`)}`
  // The test runner copies a default export; seen through a module of its own it stays alive.
  const around = `import * as module from ${JSON.stringify(url)}\nexport { module }`
  const { module } = (await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(around)}`
  )) as { module: Record<string, unknown> }
  return module
}

const manifestOf = (names: readonly string[], kind: 'text' | 'json' = 'text'): Manifest => ({
  scope: canary('scope'),
  environment: 'test',
  profile: null,
  providers: {},
  secrets: Object.fromEntries(names.map((name) => [name, { mode: 'plaintext', kind, from: `p:${name}` }])),
})

describe('module texts', () => {
  it('give every value back, whatever is in it', async () => {
    const values: Json[] = [
      ...NASTY,
      ...[0, -1.5, 1e21, true, false, null],
      [],
      {},
      NASTY,
      JSON.parse('{"__proto__":{"a":1},"a b":["</script>"],"1":2,"":3}') as Json,
    ]
    for (const value of values) {
      const code = clientModule(new Map([['V', value]]))
      expect(code).not.toMatch(/<|\u2028|\u2029/)
      const { V } = await evaluate(code)
      expect(JSON.stringify(V)).toBe(JSON.stringify(value))
    }
    const inScript = vm.runInNewContext(toLiteral(NASTY)) as string[]
    expect([...inScript]).toEqual(NASTY)
  })

  it('export every name, whatever it is called', async () => {
    const values = new Map(NAMES.map((name) => [name, `value of ${name}`]))
    const module = await evaluate(clientModule(values))
    expect(Object.keys(module).sort()).toEqual([...NAMES].sort())
    for (const [name, value] of values) expect(module[name]).toBe(value)
    const denied = await evaluate(deniedModule(NAMES))
    expect(Object.keys(denied).sort()).toEqual([...NAMES].sort())
    expect(Object.values(denied).every((value) => value === undefined)).toBe(true)
    expect(Object.keys(await evaluate(clientModule(new Map())))).toEqual([])
    expect(Object.keys(await evaluate(deniedModule([])))).toEqual([])
  })

  it('are the same whatever the order', () => {
    const forth = new Map(NAMES.map((name) => [name, name]))
    const back = new Map(NAMES.toReversed().map((name) => [name, name]))
    expect(clientModule(forth)).toBe(clientModule(back))
  })
})

describe('the server module and its runtime', () => {
  let runtime: string

  beforeAll(async () => {
    const file = fileURLToPath(new URL('../src/runtime/index.ts', import.meta.url))
    const options = { bundle: true, write: false, format: 'esm', platform: 'neutral' } as const
    const { outputFiles } = await build({ ...options, entryPoints: [file] })
    runtime = `data:text/javascript,${encodeURIComponent(outputFiles[0]!.text)}`
  })

  const serve = (manifest: Manifest) =>
    evaluate(serverModule(manifest).replace('"virtual:secrets/runtime"', () => JSON.stringify(runtime)))

  it('fills live bindings of every name, and again when values change', async () => {
    const manifest = manifestOf(NAMES)
    const give = (what: string) =>
      provide(manifest.scope, Object.fromEntries(NAMES.map((name) => [name, `${what} ${name}`])))
    give('first')
    const module = await serve(manifest)
    for (const name of NAMES) expect(module[name]).toBe(`first ${name}`)
    give('second')
    for (const name of NAMES) expect(module[name]).toBe(`second ${name}`)
    expect(Object.keys(module).sort()).toEqual([...NAMES].sort())
  })

  it('keeps two configurations in one process apart', async () => {
    const [one, two] = [manifestOf(['A']), manifestOf(['A'])]
    provide(one.scope, { A: 1 })
    provide(two.scope, { A: 2 })
    const modules = [await serve(one), await serve(two), await serve(one)]
    provide(one.scope, { A: 3 })
    expect(modules.map(({ A }) => A)).toEqual([3, 2, 3])
  })

  it('reads the process environment: text, or JSON where the build found JSON', () => {
    const value = canary()
    const read = (manifest: Manifest): Record<string, unknown> => {
      let got = {}
      bind(manifest, (values) => {
        got = values
      })
      return got
    }
    vi.stubEnv('CORE_A', value)
    vi.stubEnv('CORE_J', '{"a":[1,null]}')
    expect(read(manifestOf(['CORE_A']))).toEqual({ CORE_A: value })
    expect(read(manifestOf(['CORE_J']))).toEqual({ CORE_J: '{"a":[1,null]}' })
    expect(read(manifestOf(['CORE_J'], 'json'))).toEqual({ CORE_J: { a: [1, null] } })
    expect(() => read(manifestOf(['CORE_A'], 'json'))).toThrow('[secrets] CORE_A is not JSON')
    try {
      read(manifestOf(['CORE_A'], 'json'))
    } catch (error) {
      expect(canariesIn(String((error as Error).stack), [value])).toEqual([])
    }
  })

  it('says what to do where the package is not installed beside the server', () => {
    const script = `${serverModule(manifestOf(['GONE_A', 'GONE_B'])).replace('"virtual:secrets/runtime"', () => JSON.stringify(runtime))}`
    project.write({ 'package.json': '{"name":"x"}', 'server.mjs': script })
    // From the root of the file system no folder above has the package.
    const file = join(project.root, 'server.mjs')
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', `process.argv[1] = '/'; await import(${JSON.stringify(file)})`],
      {
        cwd: '/',
        encoding: 'utf8',
      },
    )
    expect(status).toBe(1)
    expect(stderr).toContain(
      '[secrets] GONE_A, GONE_B: not in the environment, and unplugin-secrets is not installed',
    )
    expect(stderr).toContain('secrets run -- node server.js')
    expect(stderr).not.toMatch(/^ {4}at .*bind/m)
  })

  it('holds where to look, and no value', async () => {
    const [token, setting] = [canary(), canary()]
    const p = holding({ doc: { 'odd key': 'x', TOKEN: token } }, { settings: { address: 'https://x' } })
    const q = holding({ a: setting })
    const secrets = await createSecrets({
      root: project.root,
      cache: false,
      environment: 'production',
      providers: { p, q, unused: holding({}, { settings: {} }) },
      import: ['p:doc#deep'],
      secrets: {
        TOKEN: 'p:doc#TOKEN',
        ODD: 'p:doc#odd%20key',
        Q: 'q:a',
        T: { template: 'x-{{ vault:TOKEN }}' },
        J: { from: 'p:doc', mode: 'json' },
      },
    }).catch((error: unknown) => error as Error)
    expect(secrets).not.toBeInstanceOf(Error)
    if (secrets instanceof Error) return
    Object.assign(p, { read: holding({ doc: { deep: { 'a-b': 1 }, 'odd key': 'x', TOKEN: token } }).read })
    const { server } = createExposure(secrets.config, await secrets.load(), [])
    expect(server.manifest).toMatchObject({
      environment: 'production',
      profile: null,
      providers: { p: { type: 'place', address: 'https://x' } },
      secrets: {
        'a-b': { from: 'p:doc#deep.a-b', mode: 'json', kind: 'json' },
        TOKEN: { from: 'p:doc#TOKEN', mode: 'plaintext', kind: 'text' },
        ODD: { from: 'p:doc#odd%20key' },
        T: { template: 'x-{{vault:TOKEN}}' },
        J: { mode: 'json', kind: 'json' },
      },
    })
    expect(Object.keys(server.manifest.providers)).toEqual(['p'])
    expect(canariesIn(serverModule(server.manifest), [token, setting])).toEqual([])
  })
})

describe('HTML', () => {
  it('is filled for allowed names, escaped, and denied with the place for others', () => {
    const html = '<a title="%A%" href="/%20x%20">%NONE% 100% %my-key%</a>\n%TOKEN%'
    const values = new Map([
      ['A', `"><script>'&$&`],
      ['my-key', 'k'],
    ])
    const filled = fillHtml(html, new Set(['A', 'my-key', 'TOKEN']), (name) => values.get(name))
    expect(filled.html).toBe(
      '<a title="&quot;&gt;&lt;script&gt;&#39;&amp;$&amp;" href="/%20x%20">%NONE% 100% k</a>\n%TOKEN%',
    )
    expect(filled.denied).toEqual([{ name: 'TOKEN', start: html.indexOf('%TOKEN%') }])
  })
})

describe('generated types', () => {
  it('are what the schemas say, for every name and both modules', async () => {
    const repository = fileURLToPath(new URL('..', import.meta.url))
    project.write({
      'package.json': '{"type":"module"}',
      'node_modules/unplugin-secrets/package.json': JSON.stringify({
        name: 'unplugin-secrets',
        type: 'module',
        exports: { '.': './src/index.ts', './client': { types: './src/client.d.ts' } },
      }),
      'secrets.config.ts': `import { defineConfig } from 'unplugin-secrets'
        import * as v from 'valibot'
        import { z } from 'zod'
        export default defineConfig({
          providers: { env: { type: 'env' } },
          secrets: {
            PLAIN: 'env:PLAIN',
            PORT: { from: 'env:PORT', schema: z.coerce.number(), description: 'Where it listens */ always' },
            MODE: { from: 'env:MODE', schema: v.picklist(['on', 'off']) },
            LIST: { from: 'env:LIST', schema: z.string().transform((text) => text.split(',')) },
            doc: { from: 'env:DOC', mode: 'json' },
            'my-key': { from: 'env:K', schema: z.coerce.number() },
            class: 'env:C', default: 'env:C', _0: 'env:C', 'dot.ted': 'env:C',
          },
          client: ['PORT', 'my-key', 'class', 'doc.part'],
        })`,
      'secrets.config.json': '{}',
      'src/use.ts': `
        import { PORT, class as klass, 'my-key' as key, doc as part } from 'virtual:secrets/client'
        import fallback, { PLAIN, MODE, LIST, doc, _0, 'dot.ted' as dotted } from 'virtual:secrets/server'
        type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
        const is = <A, B>(_same: Same<A, B>): void => {}
        const { env } = import.meta
        is<typeof PORT, number>(true)
        is<typeof key, number>(true)
        is<typeof klass, string>(true)
        is<typeof PLAIN, string>(true)
        is<typeof MODE, 'on' | 'off'>(true)
        is<typeof LIST, string[]>(true)
        is<typeof fallback, string>(true)
        is<typeof _0, string>(true)
        is<typeof dotted, string>(true)
        is<typeof env.PORT, number>(true)
        is<(typeof env)['my-key'], number>(true)
        is<typeof env.default, string>(true)
        doc.anything.at.all
        part.part
        // @ts-expect-error: it is no client name
        import { PLAIN as denied } from 'virtual:secrets/client'
        // @ts-expect-error: it is read only
        import.meta.env.PLAIN = 'x'
        // @ts-expect-error: nobody declared it
        import.meta.env.TYPO
        export { denied }`,
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          target: 'es2023',
          module: 'preserve',
          moduleResolution: 'bundler',
          types: ['node'],
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          allowImportingTsExtensions: true,
          lib: ['es2023'],
        },
        include: ['src', 'secrets.config.ts'],
      }),
    })
    symlinkSync(join(repository, 'src'), join(project.root, 'node_modules/unplugin-secrets/src'))
    const { config } = await createSecrets({ root: project.root })
    const folder = join(project.root, 'src')
    const text = generateTypes({ config, names: [...config.secrets.keys()].sort(), folder })
    expect(text).toContain('/** Where it listens * / always */')
    project.write({ 'src/secrets-env.d.ts': text })
    const { stdout } = spawnSync(
      process.execPath,
      [join(repository, 'node_modules/typescript/bin/tsc'), '-p', project.root],
      {
        encoding: 'utf8',
      },
    )
    // The sources of the package have their own check.
    expect(stdout.split('\n').filter((line) => line.includes('project/'))).toEqual([])
    // The same again, and also where the configuration is no code: then nothing can be known of schemas.
    expect(generateTypes({ config, names: [...config.secrets.keys()].sort(), folder })).toBe(text)
    const bare = { ...config, files: [], origins: new Map() }
    expect(generateTypes({ config: bare, names: ['PORT'], folder })).toContain('export const PORT: unknown')
  })

  it('follow the file that declares a name, through layers', async () => {
    const declaring = (name: string): string =>
      `import { z } from 'zod'\nexport default { secrets: { ${name}: { from: 'env:X', schema: z.string() } }, providers: { env: { type: 'env' } } } as const`
    project.write({
      'secrets.config.ts': declaring('UP'),
      'apps/web/secrets.config.mjs': declaring('DOWN').replace(' as const', ''),
    })
    const { config } = await createSecrets({
      root: join(project.root, 'apps/web'),
    } satisfies SecretsConfig & { root: string })
    const text = generateTypes({ config, names: ['DOWN', 'UP'], folder: join(project.root, 'apps/web/src') })
    expect(text).toContain(
      `export const UP: SecretsOutput<typeof import('../../../secrets.config.js').default, 'UP'>`,
    )
    expect(text).toContain(
      `export const DOWN: SecretsOutput<typeof import('../secrets.config.mjs').default, 'DOWN'>`,
    )
  })
})
