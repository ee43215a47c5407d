import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAst } from 'vite'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { importedNames } from '../src/core/expose/usage.ts'
import type { UsageFile } from '../src/core/expose/usage-file.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildApp, buildClient, failure, fromLocal, makeProject, type Project } from './support/project.ts'
import { filesBelow } from './support/workspace.ts'

const DATABASE_URL = canary('db')
const MAPS_KEY = canary('maps')
const TITLE = canary('title')
const PASSWORD = canary('pass')
const all = [DATABASE_URL, MAPS_KEY, TITLE, PASSWORD]
let project: Project

const files = {
  'index.html': '<!doctype html><title>%TITLE%</title><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': `
    import { shown } from './shown.ts'
    import { db } from 'virtual:secrets/client'
    console.log(shown, db.user)
    import('./lazy.ts')
    new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })`,
  'src/shown.ts': `export const shown = import.meta.env.MAPS_KEY; export const dropped = import.meta.env.TITLE`,
  'src/lazy.ts': `console.log(import.meta.env['MAPS_KEY'])`,
  'src/worker.ts': `console.log(import.meta.env.MAPS_KEY)`,
  'src/unused.ts': `export const x = import.meta.env.OTHER`,
  'src/server.ts': `
    import { DATABASE_URL } from 'virtual:secrets/server'
    import { MAPS_KEY } from 'virtual:secrets/client'
    export const read = () => [DATABASE_URL, MAPS_KEY]`,
}
const config = (manifest: string | boolean) => {
  const names = ['DATABASE_URL', 'MAPS_KEY', 'TITLE', 'OTHER']
  return {
    ...fromLocal(names, { client: ['MAPS_KEY', 'TITLE', 'OTHER', 'db.user'], manifest }),
    secrets: { ...fromLocal(names).secrets, db: { from: 'local:db', mode: 'json' as const } },
  }
}
const make = async (): Promise<void> => {
  const db = JSON.stringify({ user: 'app', password: PASSWORD })
  project = await makeProject(files, { DATABASE_URL, MAPS_KEY, TITLE, OTHER: 'other', db })
}
const read = (file = '.secrets/manifest.json'): UsageFile =>
  JSON.parse(readFileSync(join(project.root, file), 'utf8')) as UsageFile

function check(): void {
  expect(canariesIn(project.output.join('\n'), all)).toEqual([])
  const found = canaryFiles(project.folder, all).filter((file) => !/\/(dist|dist-server|src)\//.test(file))
  expect(found).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
}

describe('the manifest of a build', () => {
  afterEach(check)

  it('names what went into which file of which graph, and where it came from', async () => {
    await make()
    await buildApp(project, config(true))
    const { version, graphs } = read()
    expect([version, Object.keys(graphs)]).toEqual([1, ['client', 'ssr']])
    const { client, ssr } = graphs
    expect(client).toMatchObject({
      consumer: 'client',
      environment: 'production',
      profile: null,
      outDir: 'dist/client',
    })
    const from = { source: 'provider', provider: 'local', stale: false }
    expect(client!.secrets).toMatchObject([
      { name: 'MAPS_KEY', as: 'value', ...from, reference: 'local:MAPS_KEY' },
      { name: 'TITLE', as: 'value', ...from },
      { name: 'db', as: 'value', parts: ['db.user'], ...from },
    ])
    const [maps, title, db] = client!.secrets
    expect(maps!.version).toEqual(expect.any(String))
    expect(maps!.modules).toEqual(['src/lazy.ts', 'src/shown.ts', 'src/worker.ts'])
    expect(db!.modules).toEqual(['src/main.ts'])
    expect(title!.modules).toContain('index.html')
    // Every file that has the value is named, and every named file is there.
    const emitted = filesBelow(join(project.root, 'dist/client'))
    const short = (file: string): string => file.slice(join(project.root, 'dist/client').length + 1)
    for (const [row, value] of [
      [maps!, MAPS_KEY],
      [title!, TITLE],
    ] as const) {
      const holding = emitted.filter(
        (file) => /\.(js|html)$/.test(file) && readFileSync(file, 'utf8').includes(value),
      )
      expect(row.files).toEqual(expect.arrayContaining(holding.map(short)))
      expect(emitted.map(short)).toEqual(expect.arrayContaining([...row.files]))
    }
    expect(ssr!.secrets).toMatchObject([
      { name: 'DATABASE_URL', as: 'runtime', ...from, modules: ['src/server.ts'], files: ['server.js'] },
      { name: 'MAPS_KEY', as: 'value', ...from, modules: ['src/server.ts'], files: ['server.js'] },
    ])
    expect(readFileSync(join(project.root, '.secrets/.gitignore'), 'utf8')).toBe('*\n')
    expect(filesBelow(join(project.root, '.secrets')).filter((file) => /\.(tmp|lock)$/.test(file))).toEqual(
      [],
    )
  })

  it('goes where the setting says, keeps other graphs, and replaces what is no manifest', async () => {
    await make()
    mkdirSync(join(project.root, 'reports'))
    writeFileSync(join(project.root, 'reports/what.json'), 'not JSON')
    await buildClient(project, config('reports/what.json'))
    await buildClient(project, config('reports/what.json'), {
      build: { ssr: 'src/server.ts', outDir: 'dist-server' },
    })
    expect(Object.keys(read('reports/what.json').graphs)).toEqual(['client', 'ssr'])
    const before = readFileSync(join(project.root, 'reports/what.json'), 'utf8')
    await buildClient(project, config('reports/what.json'))
    expect(readFileSync(join(project.root, 'reports/what.json'), 'utf8')).toBe(before)
    expect(existsSync(join(project.root, '.secrets/manifest.json'))).toBe(false)
  })

  it('says that values are sealed', async () => {
    await make()
    vi.stubEnv('SECRETS_KEY', readFileSync(join(project.root, '.secrets/project.key'), 'utf8'))
    await buildClient(project, { ...config(true), server: 'sealed' }, { build: { ssr: 'src/server.ts' } })
    expect(read().graphs.ssr!.secrets.map(({ name, as }) => [name, as])).toEqual([
      ['DATABASE_URL', 'sealed'],
      ['MAPS_KEY', 'value'],
    ])
  })

  it('is not written unless asked for, and never where browsers get it', async () => {
    await make()
    await buildClient(project, config(false))
    expect(existsSync(join(project.root, '.secrets/manifest.json'))).toBe(false)
    for (const file of ['dist/manifest.json', 'public/manifest.json']) {
      expect(await failure(buildClient(project, config(file)))).toContain('which is served')
      expect(existsSync(join(project.root, file))).toBe(false)
    }
  })
})

describe('names that a module takes', () => {
  it.each([
    [`import { A, B as b } from 'virtual:secrets/client'`, [['client', ['A', 'B']]]],
    [`import { 'my-key' as k } from 'virtual:secrets/server'`, [['server', ['my-key']]]],
    [`export { A } from 'virtual:secrets/server'`, [['server', ['A']]]],
    [`export * from 'virtual:secrets/server'`, [['server', undefined]]],
    [`export * as all from 'virtual:secrets/server'`, [['server', undefined]]],
    [
      `import * as ns from 'virtual:secrets/client'; import { A } from 'virtual:secrets/client'`,
      [['client', undefined]],
    ],
    [`import 'virtual:secrets/server'; import { A } from './a'`, [['server', []]]],
  ])('%s', (code, expected) => {
    const found = importedNames(parseAst(code)).map(({ from, names }) => [
      from.slice('virtual:secrets/'.length),
      names,
    ])
    expect(found).toEqual(expected)
  })
})
