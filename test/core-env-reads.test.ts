import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import fc from 'fast-check'
import { parseSync } from 'rolldown/utils'
import { parseAst } from 'vite'
import { afterAll, describe, expect, it } from 'vitest'
import { rewriteEnvReads } from '../src/core/expose/env-reads.ts'
import { clientModule } from '../src/core/expose/modules.ts'
import { rewritePlainReads } from '../src/core/expose/plain-reads.ts'
import type { EnvProblem, EnvReadsResult } from '../src/core/expose/rewrite.ts'
import { rewriteSureReads } from '../src/core/expose/sure-reads.ts'

const VALUES = new Map(
  Object.entries({ A: 'a', B: 'b', LIST: ['x', 'y'], 'my-key': 'k', $D: 'd', class: 'c' }),
)
const SERVER = ['TOKEN', 'DB_URL']
const FROM = `data:text/javascript,${encodeURIComponent(clientModule(VALUES))}`

/** Modules that the lexer alone could do, and those that did not even need it. */
let plain = 0
let sure = 0

/** By the parser, by the lexer and by lines as well: where one of these does a module by itself, it must say the same. */
function rewrite(code: string, { processEnv = false, parser = 'vite' } = {}): EnvReadsResult {
  const program = parser === 'vite' ? parseAst(code) : parseSync('module.js', code).program
  const options = {
    names: new Set([...VALUES.keys(), ...SERVER]),
    from: FROM,
    allows: (name: string) => VALUES.has(name),
    exported: (name: string) => VALUES.has(name),
    processEnv,
  }
  const result = rewriteEnvReads(code, program, options)
  const fast = rewritePlainReads(code, options)
  if (fast) {
    plain++
    expect(fast.problems).toEqual(result.problems)
    expect(fast.output?.code).toBe(result.output?.code)
    expect(fast.output?.map?.mappings).toBe(result.output?.map?.mappings)
  }
  const surely = rewriteSureReads(code, { ...options, plain: true, map: false })
  if (surely) {
    sure++
    expect(result.problems).toEqual([])
    expect(surely.output?.code).toBe(result.output?.code)
  }
  return result
}

afterAll(() => {
  expect(plain).toBeGreaterThan(20)
  expect(sure).toBeGreaterThan(10)
})

/** What the rewritten module exports. The bundler's own environment is that of a build of two variables. */
async function run(code: string, options = {}): Promise<Record<string, unknown>> {
  const { output, problems } = rewrite(code, options)
  expect(problems).toEqual([])
  const own = `import.meta.env = { MODE: 'test', DEV: false };`
  const text = `${own}${output?.code ?? code}\n// ${Math.random()}`
  return (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(text)}`)) as Record<
    string,
    unknown
  >
}

const problemsOf = (code: string, options = {}): [EnvProblem['kind'], string | undefined][] =>
  rewrite(code, options).problems.map(({ kind, name }) => [kind, name])

describe('reads', () => {
  it.each([
    ['import.meta.env.A', 'a'],
    ['import.meta.env["A"]', 'a'],
    ["import.meta.env['my-key']", 'k'],
    ['import.meta.env[`A`]', 'a'],
    ['import.meta["env"].A', 'a'],
    ['import.meta.env?.A', 'a'],
    ['import.meta?.env?.A', 'a'],
    ['import.meta?.env?.["A"]', 'a'],
    ['(import.meta.env).A', 'a'],
    ['(import.meta?.env).A', 'a'],
    ['((import.meta).env)["A"]', 'a'],
    ['import . meta\n. env /* x */ . A', 'a'],
    ['import.meta.env.$D + import.meta.env.class', 'dc'],
    ['import.meta.env.A.length', 1],
    ['import.meta.env.A?.toUpperCase()', 'A'],
    ['import.meta.env?.A.toUpperCase?.()', 'A'],
    ['import.meta.env.LIST[1]', 'y'],
    ['import.meta.env.LIST.map((x) => x + import.meta.env.B)', ['xb', 'yb']],
    ['typeof import.meta.env.A', 'string'],
    ['`${import.meta.env.A}-${import.meta.env.A}`', 'a-a'],
    ['{ A: import.meta.env.A, import: 1 }.A', 'a'],
    ['[...import.meta.env.LIST, import.meta.env.MODE]', ['x', 'y', 'test']],
    ['((v = import.meta.env.A) => v)()', 'a'],
    [
      '(() => { const A = 1; { let __secret_0 = 2; return [A, import.meta.env.A, __secret_0] } })()',
      [1, 'a', 2],
    ],
    [
      'new (class { f = import.meta.env.A; static [import.meta.env.B] = 1; get g() { return this.f } })().g',
      'a',
    ],
    ['import.meta.env.MODE', 'test'],
    ['import.meta.env.TYPO', undefined],
    ['import.meta.env["PRE_" + "A"]', undefined],
    ['"import.meta.env.TOKEN" /* import.meta.env.TOKEN */', 'import.meta.env.TOKEN'],
    ['/import.meta.env.TOKEN/.source.length', 21],
    ['h("div", { title: import.meta.env.A }, import.meta.env.B)', ['div', 'a', 'b']],
  ])('%s', async (expression, value) => {
    const code = `const h = (tag, props, child) => [tag, props.title, child]\nexport const value = ${expression}`
    for (const parser of ['vite', 'rolldown']) expect((await run(code, { parser })).value).toEqual(value)
  })

  it.each([
    ['const { A } = import.meta.env', 'A', 'a'],
    ['const { A: x } = import.meta.env', 'x', 'a'],
    ['const { "my-key": x } = import.meta.env', 'x', 'k'],
    ['const { ["A"]: x } = import.meta.env', 'x', 'a'],
    ['const { [`A`]: x } = import.meta.env', 'x', 'a'],
    ['const { A = "no" } = import.meta.env', 'A', 'a'],
    ['const { NONE = "yes", A } = import.meta.env', 'NONE + A', 'yesa'],
    ['const { LIST: [, y] } = import.meta.env', 'y', 'y'],
    ['const { LIST: { length } } = import.meta.env', 'length', 2],
    ['const { A: { length } = "" } = import.meta.env', 'length', 1],
    ['const { MODE, A, DEV } = import.meta.env', '[MODE, A, DEV]', ['test', 'a', false]],
    ['const { A, ...rest } = import.meta.env', 'rest', { MODE: 'test', DEV: false }],
    ['const { MODE, A, ...rest } = import.meta.env', 'rest', { DEV: false }],
    // Defaults see what stands before them, on whichever side it comes from.
    ['const { MODE, X = MODE, A, Y = A } = import.meta.env', '[X, Y]', ['test', 'a']],
    ['const { NONE = import.meta.env.A, B = import.meta.env.A } = import.meta.env', '[NONE, B]', ['a', 'b']],
    ['const { A } = import.meta?.env', 'A', 'a'],
    ['const { A } = (import.meta.env)', 'A', 'a'],
    ['let p = 1, { A } = import.meta.env, q = A', 'p + q', '1a'],
    ['let A; ({ A } = import.meta.env)', 'A', 'a'],
    ['let o = {}; ({ A: o.x, MODE: o.m } = import.meta.env)', 'o', { x: 'a', m: 'test' }],
    ['const f = ({ A, MODE } = import.meta.env) => A + MODE', 'f() + f({ A: 1, MODE: 2 })', 'atest3'],
    ['for (var { A } = import.meta.env; false; );', 'A', 'a'],
  ])('%s', async (statement, expression, value) => {
    const code = `${statement}\nexport const value = ${expression}`
    for (const parser of ['vite', 'rolldown']) expect((await run(code, { parser })).value).toEqual(value)
  })

  it('export const { A } = import.meta.env', async () => {
    expect(await run('export const { A, MODE: mode } = import.meta.env')).toMatchObject({
      A: 'a',
      mode: 'test',
    })
  })

  it('leaves a module alone that reads nothing of ours', () => {
    for (const code of ['export const A = 1', 'const x = import.meta.env', 'f(import.meta.env.MODE)'])
      expect(rewrite(code)).toEqual({ output: undefined, problems: [] })
  })

  it('binds names that nothing of the module can capture', async () => {
    const { output } = rewrite(
      'const __secret_0 = 1, __secret1_0 = 2; export const value = import.meta.env.A',
    )
    expect(output?.code).toContain('as __secret2_0')
  })

  it('keeps what must come first, and every line where it was', () => {
    const code = `#!/usr/bin/env node\n'use client'\nimport x from 'x'\nx(import.meta.env.A) // end`
    const { output } = rewrite(code, { parser: 'rolldown' })
    const lines = output!.code.split('\n')
    expect(lines.slice(0, 4)).toEqual([
      '#!/usr/bin/env node',
      "'use client'",
      "import x from 'x'",
      'x(__secret_0) // end',
    ])
    expect(parseSync('out.js', output!.code).errors).toEqual([])
  })

  it('maps lines and columns', () => {
    const code = `const before = import.meta.env.A\n  const ü = '😀', after = f(import.meta.env.B, late)`
    const { output } = rewrite(code)
    const map = new TraceMap(output!.map as never)
    const lines = output!.code.split('\n')
    const back = (line: number, text: string) => {
      const { line: row, column } = originalPositionFor(map, { line, column: lines[line - 1]!.indexOf(text) })
      return code.split('\n')[row! - 1]!.slice(column!)
    }
    expect(back(1, '__secret_0')).toMatch(/^import\.meta\.env\.A/)
    expect(back(2, '__secret_1')).toMatch(/^import\.meta\.env\.B/)
    expect(back(2, 'late')).toBe('late)')
    expect(back(2, 'after')).toMatch(/^after/)
  })
})

describe('what cannot be', () => {
  it.each([
    'import.meta.env.TOKEN',
    'import.meta.env["TOKEN"]',
    'import.meta.env?.[`TOKEN`]',
    'const { TOKEN } = import.meta.env',
    'const { TOKEN: { x } = {} } = import.meta.env',
    'import.meta.env.A + import.meta.env.TOKEN',
    'export const { TOKEN: t, MODE } = import.meta.env',
    'class C { #x = import.meta.env.TOKEN }',
  ])('denied: %s', (code) => {
    for (const parser of ['vite', 'rolldown'])
      expect(problemsOf(code, { parser })).toEqual([['denied', 'TOKEN']])
    const start = rewrite(code).problems[0]!.start
    expect(code.slice(start)).toMatch(/^(import\.meta\.env\W+TOKEN|TOKEN)/)
  })

  it.each([
    'import.meta.env.A = 1',
    '(import.meta.env.A) = 1',
    'import.meta.env["A"] ??= 1',
    'import.meta.env.A++',
    '--import.meta.env.A',
    'delete import.meta.env.A',
    'delete import.meta.env?.A',
    'for (import.meta.env.A of []);',
    'for (import.meta.env.A in {});',
    '[import.meta.env.A] = []',
    '[import.meta.env.A = 1] = []',
    '[...import.meta.env.A] = []',
    '({ x: import.meta.env.A } = {})',
    '({ x: (import.meta.env.A) } = {})',
    '({ x: import.meta.env.A = 1 } = {})',
    '({ ...import.meta.env.A } = {})',
    'for ([import.meta.env.A] of []);',
  ])('assigned: %s', (code) => {
    for (const parser of ['vite', 'rolldown'])
      expect(problemsOf(code, { parser })).toEqual([['assigned', 'A']])
    expect(rewrite(code).output).toBeUndefined()
  })

  it.each([
    'import.meta.env[key]',
    'import.meta.env?.[key]',
    'import.meta.env[`${x}`]',
    'import.meta.env[`DB_${x}`]',
    'import.meta.env["DB_" + x]',
    'import.meta.env[("DB" + "_") + x]',
    'import.meta.env[x ? "A" : "MODE"]',
    'const { [key]: v } = import.meta.env',
    'const { [`TO${x}`]: v } = import.meta.env',
  ])('computed, where a name could be meant: %s', (code) => {
    for (const parser of ['vite', 'rolldown'])
      expect(problemsOf(code, { parser })).toContainEqual(['computed', undefined])
  })

  it.each([
    'import.meta.env[`VITE_${x}`]',
    'import.meta.env["VITE_" + x]',
    'import.meta.env["VITE_" + x + y]',
    'const { [`VITE_${x}`]: v } = import.meta.env',
    'const { MODE } = import.meta.env',
  ])('not computed, where none could: %s', (code) => {
    expect(problemsOf(code)).toEqual([])
  })

  it.each([
    ['const env = import.meta.env; env.TOKEN', 'TOKEN'],
    ['const env = import.meta.env; env["A"]', 'A'],
    ['const env = import.meta.env; env[`A`]', 'A'],
    ['f({ ...import.meta.env }, "TOKEN")', 'TOKEN'],
    ['const env = import.meta.env, { A } = env', 'A'],
    ['x = { A } = import.meta.env', 'A'],
    ['const { MODE, ...rest } = import.meta.env; rest.A', 'A'],
    ['const { env } = import.meta; env.TOKEN', 'TOKEN'],
    ['const { env: { TOKEN } } = import.meta', 'TOKEN'],
  ])('whole, where a name is meant: %s', (code, name) => {
    for (const parser of ['vite', 'rolldown']) expect(problemsOf(code, { parser })).toEqual([['whole', name]])
  })

  it.each([
    'const env = import.meta.env; env.MODE',
    'const A = import.meta.env.A; debug(import.meta.env)',
    'const { A } = import.meta.env; debug(A, import.meta.env)',
    'const { url } = import.meta; f(url).A',
    'f(import.meta); x.A',
  ])('whole, where none is: %s', (code) => {
    expect(problemsOf(code)).toEqual([])
  })

  it('tells every problem, in order', () => {
    const code = 'import.meta.env.DB_URL; import.meta.env.A = 1; import.meta.env[x]; import.meta.env.TOKEN'
    expect(problemsOf(code)).toEqual([
      ['denied', 'DB_URL'],
      ['assigned', 'A'],
      ['computed', undefined],
      ['denied', 'TOKEN'],
    ])
  })
})

describe('process.env', () => {
  const on = { processEnv: true }

  it('means the same where that is asked for', async () => {
    expect(rewrite('process.env.A').output).toBeUndefined()
    expect(problemsOf('process.env.TOKEN')).toEqual([])
    const code = `const { B, PATH: path = 'p' } = process.env
      export const value = [process.env.A, process.env?.['A'], process['env'].A, B, process.env.NODE_ENV, typeof path]`
    expect((await run(code, on)).value).toEqual(['a', 'a', 'a', 'b', process.env.NODE_ENV, 'string'])
    expect(problemsOf('process.env.TOKEN', on)).toEqual([['denied', 'TOKEN']])
    expect(problemsOf('process.env.A = 1', on)).toEqual([['assigned', 'A']])
    // The object is the real one, and much in it is no secret.
    expect(problemsOf('f(process.env, process.env[key], "A")', on)).toEqual([])
  })

  it.each([
    'import process from "node:process"; process.env.A',
    'import * as process from "process"; process.env.A',
    'function f(process) {} process.env.A',
    '{ let process = {} } process.env.A',
    'f({ process }); process.env.A',
    'const f = function process() {}; process.env.A',
    'try {} catch (process) {} process.env.A',
    'x.process.env.B; process.env.A',
    'const { x: { process: real } } = y; process.env.A',
  ])('the real one: %s', (code) => {
    for (const parser of ['vite', 'rolldown']) {
      const { output } = rewrite(code, { ...on, parser })
      expect(output?.code).toContain('__secret_0')
      expect(output?.code).not.toContain('process.env.A')
    }
  })

  it.each([
    'import process from "./mine.js"; process.env.A',
    'import { process } from "./mine.js"; process.env.A',
    'const process = {}; process.env.A',
    'const { process } = x; process.env.A',
    'const { a: [process = 1] } = x; process.env.A',
    'const { ...process } = x; process.env.A',
    'function process() {} process.env.A',
    'class process {} process.env.A',
    'function f(process) { return process.env.A }',
    'const f = (a, { process = {} }) => process.env.A',
    'const f = (process = {}) => () => process.env.A',
    'try {} catch (process) { process.env.A }',
    '{ let process = {}; process.env.A }',
    'function f() { if (x) { var process = {} } return process.env.A }',
    'const f = function process() { return process.env.A }',
    'for (const process of []) process.env.A',
  ])('another one: %s', (code) => {
    for (const parser of ['vite', 'rolldown']) expect(rewrite(code, { ...on, parser }).output).toBeUndefined()
  })
})

describe('the client module', () => {
  it.each([
    [`import { A, TOKEN } from 'virtual:secrets/client'; console.log(A, TOKEN)`, [['denied', 'TOKEN']]],
    [`import { TOKEN as t } from 'virtual:secrets/client'; console.log(t)`, [['denied', 'TOKEN']]],
    [`export { TOKEN } from 'virtual:secrets/client'`, [['denied', 'TOKEN']]],
    [`import { A } from 'virtual:secrets/client'; console.log(A, import.meta.env.B)`, []],
    [`import * as all from 'virtual:secrets/client'; console.log(all)`, []],
  ])('%s', (code, expected) => {
    expect(problemsOf(code)).toEqual(expected)
  })
})

describe('what can be told line by line', () => {
  const pieces = [
    'import.meta.env.A',
    'import.meta.env.B',
    'x = ',
    '+ 1',
    'f(',
    ')',
    'o.',
    '$',
    '`',
    '${',
    '}',
    "'",
    '"',
    '/',
    '/*',
    '*/',
    '//',
    '\\',
    '\n',
    ' ',
    ';',
    '...',
    '[',
    ']',
  ]

  it('is what the parser says', () => {
    let read = 0
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 14 }), (parts) => {
        // Hidden in turn, so that most of what comes out is a module.
        for (const [open, close] of [
          ['', ''],
          ["s = 'a", "'\n"],
          ['t = `', '`\n'],
          ['/*', '*/'],
          ['//', '\n'],
        ]) {
          const code = `let x, s, t\n${open}${parts.join('')}${close};y = import.meta.env.A\n`
          try {
            parseAst(code)
          } catch {
            continue
          }
          if (rewrite(code).output) read++
        }
      }),
      {
        numRuns: 2000,
        examples: [
          [['o.', '\n', 'import.meta.env.A']],
          [["'", '\\', '\n', 'import.meta.env.A', "'"]],
          [['/', 'f(', 'import.meta.env.A', ')', '/']],
          [['/', 'o.', '/*', 'import.meta.env.A']],
          [['o.', '//', 'f(', '\n', 'import.meta.env.A']],
        ],
      },
    )
    expect(read).toBeGreaterThan(500)
    expect(sure).toBeGreaterThan(100)
  })
})
