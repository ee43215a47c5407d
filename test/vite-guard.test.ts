import { Buffer } from 'node:buffer'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { canariesIn, canary } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject, type Project } from './support/project.ts'

const PAGE = '<!doctype html><title>t</title><script type="module" src="/src/main.ts"></script>'
const DATABASE_URL = canary('db')
const MAPS_KEY = canary('maps')
const names = ['DATABASE_URL', 'MAPS_KEY']
const config = () => fromLocal(names, { client: ['MAPS_KEY'] })

let project: Project
const errors: string[] = []
const app = async (files: Record<string, string>): Promise<void> => {
  project = await makeProject({ 'index.html': PAGE, ...files }, { DATABASE_URL, MAPS_KEY })
}
const refused = async (
  files: Record<string, string>,
  ...more: [Parameters<typeof buildClient>[2]?]
): Promise<string> => {
  await app(files)
  const text = await failure(buildClient(project, config(), ...more))
  errors.push(text)
  expect(existsSync(join(project.root, 'dist'))).toBe(false)
  return text
}

afterEach(() => {
  expect(canariesIn([...errors, ...project.output].join('\n'), [DATABASE_URL, MAPS_KEY])).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

describe('the guard', () => {
  it('names the secret, the chain, the code and the fix', async () => {
    const text = await refused({
      'src/main.ts': `import './app.ts'`,
      'src/app.ts': `import { connect } from './db.ts'\nconnect()`,
      'src/db.ts': `interface Url { a: string }\n\nexport function connect(): void {\n  console.log(import.meta.env.DATABASE_URL)\n}\n`,
    })
    expect(text).toContain('Client code reads DATABASE_URL, which is a server secret.')
    expect(text).toMatch(
      /src\/db\.ts:4:15\n\s+imported by src\/app\.ts\n\s+imported by src\/main\.ts\n\s+imported by index\.html.* \(entry\)/,
    )
    expect(text).toContain('> 4 |   console.log(import.meta.env.DATABASE_URL)')
    expect(text).toContain("client: ['DATABASE_URL']")
  })

  it('reports every place at once', async () => {
    const text = await refused({
      'src/main.ts': `import './a.ts'\nimport './b.ts'`,
      'src/a.ts': `console.log(import.meta.env.DATABASE_URL)`,
      'src/b.ts': `import { DATABASE_URL } from 'virtual:secrets/server'\nconsole.log(DATABASE_URL)`,
    })
    expect(text).toContain('src/a.ts:1:13')
    expect(text).toContain('Client code imports virtual:secrets/server')
    expect(text).toContain('src/b.ts:1:31')
  })

  it.each<[string, string]>([
    ['a namespace import', `import * as all from 'virtual:secrets/server'; console.log(all)`],
    ['a re-export', `export * from 'virtual:secrets/server'`],
    ['a dynamic import', `import('virtual:secrets/server').then(console.log)`],
    ['an import for its effect', `import 'virtual:secrets/server'`],
    [
      'an unused import',
      `import { DATABASE_URL } from 'virtual:secrets/server'; export const x = () => DATABASE_URL`,
    ],
    ['a raw import', `import text from 'virtual:secrets/server?raw'; console.log(text)`],
    ['an import with a query', `import * as all from 'virtual:secrets/server?x'; console.log(all)`],
    ['the runtime behind it', `import { bind } from 'virtual:secrets/runtime'; console.log(bind)`],
  ])('denies %s of the server module', async (_, code) => {
    expect(await refused({ 'src/main.ts': code })).toContain('Client code imports virtual:secrets/server')
  })

  it.each<[string, string]>([
    ['member', `console.log(import.meta.env.DATABASE_URL)`],
    ['bracket', `console.log(import.meta.env['DATABASE_URL'])`],
    ['template bracket', 'console.log(import.meta.env[`DATABASE_URL`])'],
    ['optional', `console.log(import.meta.env?.DATABASE_URL?.length)`],
    ['destructured', `const { MODE, DATABASE_URL: url } = import.meta.env; console.log(MODE, url)`],
    ['misplaced import', `import { DATABASE_URL } from 'virtual:secrets/client'; console.log(DATABASE_URL)`],
    ['misplaced re-export', `export { MAPS_KEY, DATABASE_URL } from 'virtual:secrets/client'`],
    ['dead code', `if (false) console.log(import.meta.env.DATABASE_URL)`],
  ])('denies a %s read', async (_, code) => {
    expect(await refused({ 'src/main.ts': code })).toContain('Client code reads DATABASE_URL')
  })

  it.each<[string, string, RegExp]>([
    ['assignment', `import.meta.env.MAPS_KEY = 'x'`, /MAPS_KEY is written to/],
    [
      'computed access',
      `export const get = (key) => import.meta.env[key]; console.log(get('x'))`,
      /A key of import\.meta\.env is computed/,
    ],
    [
      'the whole object',
      `const env = import.meta.env; console.log(env.MAPS_KEY)`,
      /used as a whole.*MAPS_KEY/s,
    ],
  ])('explains %s', async (_, code, expected) => {
    expect(await refused({ 'src/main.js': code, 'src/main.ts': `import './main.js'` })).toMatch(expected)
  })

  it('denies a server name in HTML and in a worker', async () => {
    expect(await refused({ 'index.html': `<title>%DATABASE_URL%</title>`, 'src/main.ts': '' })).toMatch(
      /Client code reads DATABASE_URL.*index\.html:1:8/s,
    )
    project.remove()
    const worker = {
      'src/main.ts': `new Worker(new URL('./w.ts', import.meta.url))`,
      'src/w.ts': `console.log(import.meta.env.DATABASE_URL)`,
    }
    expect(await refused(worker)).toMatch(/Client code reads DATABASE_URL.*src\/w\.ts:1:13/s)
  })

  it('lets types, comments, strings and other keys pass', async () => {
    await app({
      'src/main.ts': `
        import type { DATABASE_URL } from 'virtual:secrets/server'
        // import.meta.env.DATABASE_URL
        export type U = typeof DATABASE_URL
        const key = 'X'
        console.log('import.meta.env.DATABASE_URL', import.meta.env.MODE, import.meta.env[\`VITE_\${key}\`])`,
    })
    await buildClient(project, config())
    expect(existsSync(join(project.root, 'dist'))).toBe(true)
  })

  it('refuses names that Vite would expose by prefix', async () => {
    await app({ 'src/main.ts': '' })
    vi.stubEnv('VITE_TOKEN', 'x')
    const text = await failure(buildClient(project, fromLocal(['VITE_TOKEN'])))
    expect(text).toContain('VITE_TOKEN is not in the client list, but its prefix VITE_ would show it')
  })
})

describe('the scan', () => {
  const plain = 'src/main.ts'
  it.each<[string, () => Record<string, string>, RegExp]>([
    [
      'a hard-coded value',
      () => ({ [plain]: `console.log('${DATABASE_URL}')` }),
      /DATABASE_URL +dist\/assets\/\S+\.js:\d+:\d+ +plain/,
    ],
    [
      'base64',
      () => ({ [plain]: `console.log('${Buffer.from(`x${DATABASE_URL}y`).toString('base64')}')` }),
      /DATABASE_URL .* base64/,
    ],
    [
      'hex',
      () => ({ [plain]: `console.log('${Buffer.from(DATABASE_URL).toString('hex')}')` }),
      /DATABASE_URL .* hex/,
    ],
    [
      'a stylesheet',
      () => ({ [plain]: `import './a.css'`, 'src/a.css': `a { content: '${DATABASE_URL}' }` }),
      /DATABASE_URL +dist\/assets\/\S+\.css/,
    ],
    [
      'the page',
      () => ({ [plain]: '', 'index.html': `${PAGE}<!-- ${DATABASE_URL} -->` }),
      /DATABASE_URL +dist\/index\.html/,
    ],
    [
      'public/',
      () => ({ [plain]: '', 'public/robots.txt': `a\nb ${DATABASE_URL}` }),
      /DATABASE_URL +public\/robots\.txt:2:3/,
    ],
    [
      'JSON',
      () => ({
        [plain]: `import a from './a.json'; console.log(a)`,
        'src/a.json': `{"k":"${DATABASE_URL}"}`,
      }),
      /DATABASE_URL/,
    ],
    [
      'a worker',
      () => ({
        [plain]: `new Worker(new URL('./w.ts', import.meta.url))`,
        'src/w.ts': `console.log('${DATABASE_URL}')`,
      }),
      /DATABASE_URL +dist\/assets\/w-/,
    ],
  ])('finds %s, before anything is written', async (_, files, expected) => {
    expect(await refused(files())).toMatch(expected)
  })

  it('finds a value in a source map that the code itself no longer holds', async () => {
    const files = { [plain]: `// ${DATABASE_URL}\nconsole.log(1)` }
    expect(await refused(files, { build: { sourcemap: true, minify: true } })).toMatch(
      /DATABASE_URL +dist\/assets\/\S+\.js\.map/,
    )
    project.remove()
    expect(await refused(files, { build: { sourcemap: 'inline', minify: true } })).toMatch(/DATABASE_URL/)
  })

  it('finds what another plugin writes afterwards, packed too', async () => {
    await app({ [plain]: '' })
    const late = {
      name: 'late',
      closeBundle() {
        writeFileSync(join(project.root, 'dist/page.html.gz'), gzipSync(`<p>${DATABASE_URL}</p>`))
      },
    }
    const text = await failure(buildClient(project, config(), { plugins: [late] }))
    expect(text).toMatch(/DATABASE_URL +dist\/page\.html\.gz/)
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['a broken archive', (file) => writeFileSync(file, 'no gzip'), /page\.html\.gz cannot be unpacked/],
    ['half an archive', (file) => writeFileSync(file, gzipSync(PAGE).subarray(0, 30)), /cannot be unpacked/],
    ['a file that is not there', (file) => symlinkSync('nowhere', file), /page\.html\.gz/],
    ['a loop', (file) => symlinkSync('page.html.gz', file), /page\.html\.gz/],
  ])('does not let through what it cannot look into: %s', async (_, make, expected) => {
    await app({ [plain]: '' })
    const late = {
      name: 'late',
      closeBundle: () => make(join(project.root, 'dist/page.html.gz')),
    }
    const text = await failure(buildClient(project, config(), { plugins: [late] }))
    expect(text).toMatch(expected)
    expect(text).toContain('Not everything could be scanned')
    expect(text).toContain('scan.exclude')
  })

  it('can be narrowed and switched off by the configuration only', async () => {
    await app({ [plain]: '', 'public/robots.txt': DATABASE_URL })
    await buildClient(project, { ...config(), scan: { exclude: ['robots.txt'] } })
    await buildClient(project, { ...config(), scan: false })
    expect(existsSync(join(project.root, 'dist/robots.txt'))).toBe(true)
  })

  it('says which values are too short to look for', async () => {
    project = await makeProject({ 'index.html': PAGE, [plain]: '' }, { DATABASE_URL, MAPS_KEY, PIN: '12345' })
    await buildClient(project, fromLocal([...names, 'PIN'], { client: ['MAPS_KEY'] }))
    expect(project.output.join('\n')).toMatch(/Not scanned for: PIN \(/)
  })
})
