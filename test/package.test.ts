import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { filesBelow, makeWorkspace } from './support/workspace.ts'

// The packed tarball in an empty project, by the README. `npm test` has built what is packed here.
const root = fileURLToPath(new URL('..', import.meta.url))
const workspace = makeWorkspace()
const app = workspace.root
const API_TOKEN = canary('token')
const MAPS_KEY = canary('maps')
const said: string[] = []

function run(command: string, args: string[], options: { cwd?: string; input?: string; env?: object } = {}) {
  const result = spawnSync(command, args, {
    cwd: options.cwd ?? app,
    input: options.input ?? '',
    env: { ...process.env, NO_COLOR: '1', NODE_ENV: undefined, ...options.env } as NodeJS.ProcessEnv,
    encoding: 'utf8',
  })
  said.push(result.stdout, result.stderr)
  return { status: result.status, text: result.stdout + result.stderr, stdout: result.stdout }
}
const secrets = (...args: string[]) => run(join(app, 'node_modules/.bin/secrets'), args)
const write = (files: Record<string, string>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(app, name)), { recursive: true })
    writeFileSync(join(app, name), text)
  }
}

beforeAll(() => {
  const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', workspace.folder], {
    cwd: root,
  })
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  write({
    'package.json': '{ "name": "shop", "private": true, "type": "module" }',
    'index.html': '<!doctype html><title>Shop</title><script type="module" src="/src/main.ts"></script>',
    'src/main.ts': 'console.log(import.meta.env.MODE)',
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        module: 'esnext',
        moduleResolution: 'bundler',
        target: 'es2022',
        lib: ['es2022', 'dom'],
        types: ['vite/client'],
        skipLibCheck: true,
      },
      include: ['src', '*.config.ts'],
    }),
    'vite.config.ts': `import { defineConfig } from 'vite'
      import secrets from 'unplugin-secrets/vite'
      export default defineConfig({ plugins: [secrets()] })`,
  })
  const { vite, typescript } = (
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>
    }
  ).devDependencies
  const installed = run('npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    join(workspace.folder, filename),
    `vite@${vite}`,
    `typescript@${typescript}`,
  ])
  expect(installed.status, installed.text).toBe(0)
}, 300_000)

afterAll(() => {
  // `secrets run` masks, everything else never shows: nothing printed holds a value; files only what is allowed.
  expect(canariesIn(said.join('\n'), [API_TOKEN])).toEqual([])
  expect(canaryFiles(workspace.folder, [API_TOKEN])).toEqual([])
  vi.unstubAllEnvs()
  workspace.remove()
})

describe('the packed package, by the README', () => {
  it('sets up, stores and builds', () => {
    const init = secrets('init', '--yes')
    expect(init.status, init.text).toBe(0)
    expect(readFileSync(join(app, '.gitignore'), 'utf8')).toContain('.secrets/')
    const set = run(join(app, 'node_modules/.bin/secrets'), ['set', 'API_TOKEN'], { input: API_TOKEN })
    expect(set.status, set.text).toBe(0)
    expect(run(join(app, 'node_modules/.bin/secrets'), ['set', 'MAPS_KEY'], { input: MAPS_KEY }).status).toBe(
      0,
    )
    write({
      'secrets.config.ts': `import { defineConfig } from 'unplugin-secrets'
        import { local } from 'unplugin-secrets/providers'
        export default defineConfig({
          providers: { local: local() },
          secrets: { API_TOKEN: 'local:API_TOKEN', MAPS_KEY: 'local:MAPS_KEY' },
          client: ['MAPS_KEY'],
        })`,
      'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
        console.log(MAPS_KEY.length, MAPS_KEY, import.meta.env.MAPS_KEY)`,
      'src/server.ts': `import { API_TOKEN } from 'virtual:secrets/server'
        console.log(API_TOKEN.length, import.meta.env.MAPS_KEY === undefined)`,
    })
    expect(secrets('list').text).toMatch(/API_TOKEN.*local:API_TOKEN/)
    const vite = join(app, 'node_modules/.bin/vite')
    const client = run(vite, ['build'])
    expect(client.status, client.text).toBe(0)
    const server = run(vite, ['build', '--ssr', 'src/server.ts', '--outDir', 'dist-server'])
    expect(server.status, server.text).toBe(0)
    const built = filesBelow(join(app, 'dist'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n')
    expect(built).toContain(MAPS_KEY)
  })

  it('has the dashboard’s page, which is no code of the package', () => {
    for (const file of ['index.html', 'app.js', 'app.css'])
      expect(
        readFileSync(join(app, 'node_modules/unplugin-secrets/dist/dashboard', file)).length,
      ).toBeGreaterThan(0)
  })

  it('types what it generated', () => {
    const types = run(join(app, 'node_modules/.bin/tsc'), ['-p', '.'])
    expect(types.status, types.text).toBe(0)
  })

  it('runs the server with its values handed over, and by itself', () => {
    const handed = secrets('run', '--env', 'production', '--', 'node', 'dist-server/server.js')
    expect(handed.text).toContain(`${API_TOKEN.length} false`)
    expect(handed.status).toBe(0)
    const alone = run(process.execPath, ['dist-server/server.js'])
    expect(alone.text).toContain(`${API_TOKEN.length} false`)
  })

  it('fails a leak with an error a person can follow', () => {
    write({ 'src/main.ts': `import { API_TOKEN } from 'virtual:secrets/server'\nconsole.log(API_TOKEN)` })
    const denied = run(join(app, 'node_modules/.bin/vite'), ['build'])
    expect(denied.status).toBe(1)
    expect(denied.text).toMatch(
      /Client code imports virtual:secrets\/server.*src\/main\.ts:1:\d+\s+imported by index\.html \(entry\)/s,
    )
  })

  it('can be required by a CommonJS configuration', () => {
    const script = `
      const plugin = require('unplugin-secrets/vite')
      const { createSecrets, defineConfig } = require('unplugin-secrets')
      console.log(typeof plugin, plugin().name, typeof createSecrets, typeof defineConfig)`
    const required = run(process.execPath, ['--no-warnings', '-e', script])
    expect(required.text.trim()).toBe('function unplugin-secrets function function')
  })
})
