import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin } from 'vite'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildApp, buildClient, fromLocal, makeProject, type Project } from './support/project.ts'
import { filesBelow } from './support/workspace.ts'

const PAGE = '<!doctype html><title>%TITLE%</title><script type="module" src="/src/main.ts"></script>'

let project: Project
const server = [canary('db'), canary('stripe'), canary('pass')]
const [DATABASE_URL, STRIPE_KEY, PASSWORD] = server as [string, string, string]
const MAPS_KEY = canary('maps')

const app = async (files: Record<string, string>, title = 'Shop'): Promise<void> => {
  project = await makeProject(files, {
    DATABASE_URL,
    STRIPE_KEY,
    MAPS_KEY,
    TITLE: title,
    db: JSON.stringify({ user: 'app', password: PASSWORD, hosts: ['a.example', 'b.example'] }),
  })
}
const config = () => ({
  ...fromLocal(['DATABASE_URL', 'STRIPE_KEY', 'MAPS_KEY', 'TITLE'], {
    client: ['MAPS_KEY', 'TITLE', 'db.user'],
  }),
  secrets: {
    ...fromLocal(['DATABASE_URL', 'STRIPE_KEY', 'MAPS_KEY', 'TITLE']).secrets,
    db: { from: 'local:db', mode: 'json' as const },
  },
})
const emitted = (folder = 'dist'): string =>
  filesBelow(join(project.root, folder))
    .filter((file) => /\.(js|html)$/.test(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')

afterEach(() => {
  // Nothing that the build printed, and no file beside the sealed ones, holds a server value.
  expect(canariesIn(project.output.join('\n'), [...server, MAPS_KEY])).toEqual([])
  expect(canaryFiles(join(project.root, '..'), server).filter((file) => !file.includes('/src/'))).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

describe('client and server builds', () => {
  it('gives each graph what it may have, and no file a server value', async () => {
    await app({
      'index.html': PAGE,
      'src/main.ts': `
        import { MAPS_KEY, db } from 'virtual:secrets/client'
        import type { DATABASE_URL } from 'virtual:secrets/server'
        export type T = typeof DATABASE_URL
        console.log(MAPS_KEY, db.user, import.meta.env.TITLE, import.meta.env.MODE)
        import('./lazy.ts')
        new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })`,
      'src/lazy.ts': `const { MAPS_KEY: key, MODE } = import.meta.env; console.log('lazy', key, MODE)`,
      'src/worker.ts': `console.log('worker', import.meta.env['MAPS_KEY'])`,
      'src/server.ts': `
        import { DATABASE_URL, db } from 'virtual:secrets/server'
        export const read = () => ({ DATABASE_URL, db, stripe: import.meta.env.STRIPE_KEY, maps: import.meta.env.MAPS_KEY })`,
    })
    await buildApp(project, config())
    const client = emitted('dist/client')
    expect(client.split(MAPS_KEY).length).toBeGreaterThanOrEqual(3)
    expect(client).toContain('<title>Shop</title>')
    expect(client).not.toContain('b.example')
    expect(client).not.toContain('DATABASE_URL')
    expect(filesBelow(join(project.root, 'dist/client')).some((file) => file.endsWith('.map'))).toBe(true)

    // The server gets its values from this process, from the environment, and anew on rotation.
    const built = pathToFileURL(join(project.root, 'dist/server/server.js')).href
    const { read } = (await import(built)) as { read: () => Record<string, unknown> }
    expect(read()).toMatchObject({
      DATABASE_URL,
      stripe: STRIPE_KEY,
      maps: MAPS_KEY,
      db: { password: PASSWORD },
    })
    const printed = execFileSync(
      process.execPath,
      ['-e', `import(${JSON.stringify(built)}).then(({ read }) => console.log(JSON.stringify(read())))`],
      {
        env: {
          ...process.env,
          DATABASE_URL: 'one',
          STRIPE_KEY: 'two',
          MAPS_KEY: 'three',
          TITLE: 'four',
          db: '{"user":"five"}',
        },
        encoding: 'utf8',
      },
    )
    expect(JSON.parse(printed)).toEqual({
      DATABASE_URL: 'one',
      stripe: 'two',
      maps: 'three',
      db: { user: 'five' },
    })
  })

  it('says how to start a server that has no values', async () => {
    await app({
      'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'; console.log(DATABASE_URL.length)`,
    })
    await buildClient(project, config(), { build: { ssr: 'src/server.ts' } })
    const run = (): string =>
      execFileSync(process.execPath, [join(project.root, 'dist/server.js')], {
        cwd: project.root,
        encoding: 'utf8',
        stdio: 'pipe',
      })
    expect(run).toThrowError(/DATABASE_URL.*not in the environment, and unplugin-secrets is not installed/s)
    expect(run).not.toThrowError(/^ +at /m)
  })

  it('works as CommonJS, with live bindings', async () => {
    await app({
      'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'; export const read = () => DATABASE_URL`,
    })
    await buildClient(project, config(), {
      build: {
        ssr: 'src/server.ts',
        rolldownOptions: { output: { format: 'cjs', entryFileNames: '[name].cjs' } },
      },
    })
    const script = `
      const { read } = require(process.argv[1])
      const first = read()
      const store = globalThis[Symbol.for('unplugin-secrets.store.v1')]
      for (const [scope, listeners] of store.listeners) for (const tell of listeners) tell({ DATABASE_URL: 'rotated' })
      console.log(JSON.stringify([first, read()]))`
    const printed = execFileSync(process.execPath, ['-e', script, join(project.root, 'dist/server.cjs')], {
      env: { ...process.env, DATABASE_URL: 'one', STRIPE_KEY: 'x', MAPS_KEY: 'x', TITLE: 'x', db: '{}' },
      encoding: 'utf8',
    })
    expect(JSON.parse(printed)).toEqual(['one', 'rotated'])
  })

  it('escapes HTML and leaves other percent signs alone', async () => {
    await app(
      { 'index.html': `${PAGE}<p data-t="%TITLE%">100% %UNKNOWN%</p>`, 'src/main.ts': '' },
      `Tom & "Jerry" <x>`,
    )
    await buildClient(project, config())
    expect(emitted()).toContain('<title>Tom &amp; &quot;Jerry&quot; &lt;x&gt;</title>')
    expect(emitted()).toContain('100% %UNKNOWN%')
  })

  it('sees a component after its compiler, also when that plugin is listed last', async () => {
    await app({
      'index.html': PAGE,
      'src/main.ts': `import text from './page.sfc'; console.log(text)`,
      'src/page.sfc': '<p>MAPS_KEY</p>',
    })
    const { build } = await import('vite')
    const { viteConfig } = await import('./support/project.ts')
    const base = viteConfig(project, config(), { build: { outDir: 'dist', minify: false } })
    await build({
      ...base,
      plugins: [
        ...base.plugins!,
        {
          name: 'sfc',
          transform: (code, id) =>
            id.endsWith('.sfc')
              ? `export default ${JSON.stringify(code)} + import.meta.env.MAPS_KEY`
              : undefined,
        },
      ],
    })
    expect(emitted()).toContain(MAPS_KEY)
  })

  it('takes the environment from the mode, and the process before the vault', async () => {
    await app({ 'index.html': PAGE, 'src/main.ts': 'console.log(import.meta.env.TITLE)' })
    const { local } = await import('../src/providers/index.ts')
    const { contextFor } = await import('./support/workspace.ts')
    await local().write!(
      { path: 'TITLE', value: 'Staging', environment: 'staging' },
      contextFor(project.root),
    )
    await buildClient(project, config(), { mode: 'staging' })
    expect(emitted()).toContain('Staging')
    vi.stubEnv('TITLE', 'From process')
    await buildClient(project, config(), { mode: 'staging' })
    expect(emitted()).toContain('From process')
    expect(project.output.join('\n')).toContain('(from process.env: TITLE)')
  })

  it('has one value throughout, though it changes while the build runs', async () => {
    const later = canary('maps')
    await app({
      'index.html': PAGE,
      'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
        console.log('one', MAPS_KEY)
        import('./lazy.ts')`,
      'src/lazy.ts': `console.log('two', import.meta.env.MAPS_KEY)`,
    })
    const { local } = await import('../src/providers/index.ts')
    const { contextFor } = await import('./support/workspace.ts')
    let changes = 0
    const rotating: Plugin = {
      name: 'rotating',
      async transform(_, id) {
        if (!/(?:main|lazy)\.ts$/.test(id)) return
        changes++
        await local().write!({ path: 'MAPS_KEY', value: later }, contextFor(project.root))
      },
    }
    await buildClient(project, config(), { plugins: [rotating] })
    expect(changes).toBe(2)
    expect(emitted()).toContain(MAPS_KEY)
    expect(emitted()).not.toContain(later)
    await buildClient(project, config())
    expect(emitted()).toContain(later)
    expect(emitted()).not.toContain(MAPS_KEY)
  })
})
