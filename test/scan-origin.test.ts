import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assetReader, createScanner, formatFindings, traceFindings } from '../src/core/scan/index.ts'
import { toSarif } from '../src/core/scan/sarif.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject } from './support/project.ts'

const TOKEN = canary('token')
const scanner = createScanner([{ name: 'TOKEN', text: TOKEN }])
const said: string[] = []
const folder = mkdtempSync(join(tmpdir(), 'scan-origin-'))

const source = `// a line\nimport x from 'x'\nexport const key = x(1, "${TOKEN}")\n`
const { code, map } = transformSync(source, {
  minify: true,
  sourcemap: 'external',
  sourcefile: '../src/pay.ts',
})
const place = { source: 'src/pay.ts', line: 3, column: 25 }

beforeAll(() => mkdirSync(join(folder, 'sub')))
afterAll(() => {
  rmSync(folder, { recursive: true })
  expect(canariesIn(said.join('\n'), [TOKEN])).toEqual([])
})

/** The origins of what is found in `a.js`, with these files around it. */
async function origins(files: Record<string, string>, asset = 'a.js'): Promise<unknown[]> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const findings = scanner.scan(Buffer.from(files[asset]!), asset)
  expect(findings.length).toBeGreaterThan(0)
  const traced = await traceFindings(findings, scanner, { read: assetReader(folder), shown: 'dist' })
  said.push(
    formatFindings(traced),
    JSON.stringify(toSarif({ findings: traced, problems: [], base: '', version: '1.0.0' })),
  )
  expect(traced.map(({ origin, ...finding }) => finding)).toEqual(findings)
  for (const name of Object.keys(files)) rmSync(join(folder, name))
  return traced.map(({ origin }) => origin)
}

describe('the place in the source', () => {
  const inline = `data:application/json;base64,${Buffer.from(map).toString('base64')}`
  const sections = JSON.stringify({
    version: 3,
    sections: [{ offset: { line: 1, column: 2 }, map: JSON.parse(map) as object }],
  })
  it.each([
    ['a map that is named', { 'a.js': `${code}//# sourceMappingURL=other.map`, 'other.map': map }, 'a.js'],
    ['a hidden map', { 'a.js': code, 'a.js.map': map }, 'a.js'],
    [
      'one that is named and lies elsewhere',
      { 'a.js': `${code}//# sourceMappingURL=https://x.example/a.map`, 'a.js.map': map },
      'a.js',
    ],
    ['an old comment', { 'a.js': `${code}//@ sourceMappingURL=a.js.map\n\n`, 'a.js.map': map }, 'a.js'],
    [
      'the last comment',
      {
        'a.js': `//# sourceMappingURL=b.map\n;${code}\n//# sourceMappingURL=a.js.map`,
        'a.js.map': JSON.stringify({ ...JSON.parse(map), mappings: `;${JSON.parse(map).mappings}` }),
      },
      'a.js',
    ],
    ['sections', { 'a.js': `\n  ${code}`, 'a.js.map': sections }, 'a.js'],
  ] as [string, Record<string, string>, string][])('by %s', async (_, files, asset) => {
    const [origin] = await origins(files, asset)
    expect(origin).toMatchObject({ source: 'src/pay.ts', line: 3 })
  })

  it('exactly, by an inline map, which also holds the value itself', async () => {
    const [own, inside] = await origins({ 'a.js': `${code}//# sourceMappingURL=${inline}` })
    expect(own).toEqual(place)
    expect(inside).toBeUndefined()
  })

  it('by a map without base64', async () => {
    const [origin] = await origins({
      'a.js': `${code}//# sourceMappingURL=data:application/json,${encodeURIComponent(map)}`,
    })
    expect(origin).toEqual(place)
  })

  it('in a folder, by a path that leads up', async () => {
    const deeper = JSON.stringify({ ...JSON.parse(map), sources: ['../../src/pay.ts'] })
    expect(
      await origins({ 'sub/a.js': `${code}//# sourceMappingURL=../maps.map`, 'maps.map': map }, 'sub/a.js'),
    ).toEqual([place])
    expect(await origins({ 'sub/a.js': code, 'sub/a.js.map': deeper }, 'sub/a.js')).toEqual([place])
  })

  it.each([
    ['no map', {}],
    ['an empty one', { 'a.js.map': '' }],
    ['what is no JSON', { 'a.js.map': '{"version":3,' }],
    ['another kind of JSON', { 'a.js.map': '[1]' }],
    ['null', { 'a.js.map': 'null' }],
    ['without mappings', { 'a.js.map': '{"version":3,"sources":[]}' }],
    [
      'broken mappings',
      { 'a.js.map': JSON.stringify({ version: 3, sources: ['a'], names: [], mappings: 'A!!;;%' }) },
    ],
    [
      'a source that is not there',
      { 'a.js.map': JSON.stringify({ version: 3, sources: [], names: [], mappings: 'AAEA' }) },
    ],
    [
      'a source without a name',
      { 'a.js.map': JSON.stringify({ version: 3, sources: [null], names: [], mappings: 'AAEA' }) },
    ],
    ['broken sections', { 'a.js.map': '{"version":3,"sections":[{}]}' }],
  ])('is left away with %s', async (_, files) => {
    const found = await origins({ 'a.js': code, ...files })
    expect(found).toHaveLength(1)
    expect((found[0] as { source?: string } | undefined)?.source ?? '').not.toContain('pay.ts')
  })

  it.each(['%E0%A4%A', '../../outside.map', 'data:application/json;base64,%%%', 'data:,%', '?'])(
    'is left away with a map called %s',
    async (url) =>
      expect(await origins({ 'a.js': `${code}//# sourceMappingURL=${url}` })).toEqual([undefined]),
  )

  it('never holds a value: a source may be one', async () => {
    const data = JSON.stringify({ ...JSON.parse(map), sources: [`data:text/javascript,key="${TOKEN}"`] })
    const [origin] = await origins({ 'a.js': code, 'a.js.map': data })
    expect(origin).toMatchObject({ source: expect.stringContaining('key="[TOKEN]"') })
  })

  it('is not looked for in other files', async () => {
    expect(await origins({ 'a.html': `<p>${TOKEN}`, 'a.html.map': map }, 'a.html')).toEqual([undefined])
  })
})

it('a build says where the value was written', async () => {
  const project = await makeProject(
    {
      'index.html': '<script type="module" src="/src/main.ts"></script>',
      'src/main.ts': `import { pay } from './pay'\npay()\n`,
      'src/pay.ts': `export const pay = (): void => {\n  console.log('key', '${TOKEN}' as string)\n}\n`,
    },
    { TOKEN },
  )
  try {
    const config = fromLocal(['TOKEN'])
    for (const sourcemap of [true, 'hidden', 'inline'] as const) {
      const told = await failure(buildClient(project, config, { build: { sourcemap, minify: true } }))
      said.push(told)
      expect(told).toMatch(
        /TOKEN {2}dist\/assets\/index-[\w-]+\.js:1:\d+ {2,}plain +from src\/pay\.ts:2:\d+\n/,
      )
    }
  } finally {
    project.remove()
  }
})
