import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { startPostgres } from './support/postgres.ts'
import { WireClient } from './support/vault-env.ts'
import { startWorker } from './support/vault-env-worker.ts'

// The pages on moving and on backups, followed to the letter. `npm test` has built what is run here.
const root = fileURLToPath(new URL('..', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'vault-env-docs-'))
const data = join(place, 'data')
let servers: RunningVaultServer[] = []
const start = async (name: string): Promise<RunningVaultServer> => {
  const server = await serve({ port: 0, databaseUrl: `file:${join(data, name)}`, rateLimit: 0 })
  servers.push(server)
  return server
}
beforeAll(() => {
  mkdirSync(join(place, 'bin'), { recursive: true })
  const programs = {
    secrets: 'dist/cli/main.js',
    'vault-env': 'dist/cli/vault-env.js',
    vite: 'node_modules/vite/bin/vite.js',
  }
  const cases = Object.entries(programs).map(
    ([name, file]) => `${name}) exec '${process.execPath}' '${join(root, file)}' "$@";;`,
  )
  const npx = `#!/bin/sh\nname=$1\nshift\ncase $name in\n${cases.join('\n')}\nesac\nexit 64\n`
  writeFileSync(join(place, 'bin/npx'), npx, { mode: 0o755 })
})
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})
afterAll(() => rmSync(place, { recursive: true, force: true }))

/** A project with the package in it. */
function project(name: string, files: Record<string, string>): string {
  const folder = join(place, name)
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules/unplugin-secrets'), 'dir')
  symlinkSync(join(root, 'node_modules/vite'), join(folder, 'node_modules/vite'), 'dir')
  const all = { 'package.json': '{"name":"shop","private":true,"type":"module"}\n', ...files }
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  return folder
}

/** The files that a page shows with their names, and its commands. */
function follow(page: string): { files: Record<string, string>; commands: string } {
  const blocks = [...readFileSync(join(root, 'docs', page), 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const files = blocks.flatMap(([, , code]) => {
    const name = /^\/\/ (\S+\.\w+)\n/.exec(code!)?.[1]
    return name ? [[name, code!] as const] : []
  })
  const commands = blocks.flatMap(([, kind, code]) => (kind === 'sh' ? [code!] : [])).join('')
  return { files: Object.fromEntries(files), commands: commands.replace(/^npm install .*$/gm, '') }
}

function bash(cwd: string, script: string, env: Record<string, string> = {}): Promise<string> {
  const PATH = [join(place, 'bin'), dirname(process.execPath), process.env.PATH].join(delimiter)
  const own = {
    HOME: join(place, 'home'),
    XDG_CACHE_HOME: join(place, 'cache'),
    XDG_CONFIG_HOME: join(place, 'config'),
  }
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, env: { ...own, ...env, PATH } })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  return new Promise((resolve, reject) => {
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${code}: ${output}`))))
  })
}

test('from dotenv', async () => {
  const [development, production] = [canary(), canary()]
  const { files, commands } = follow('migration/dotenv.md')
  const folder = project('dotenv', {
    ...files,
    '.env': `PORT=3000\nAPI_TOKEN=${development}\n`,
    '.env.production': `API_TOKEN=${production}\n`,
  })
  const { url } = await start('dotenv.db')
  const output = await bash(folder, commands.replaceAll('http://127.0.0.1:8787', url))
  const printed = output.split('\n').filter((line) => /^(3000|undefined) /.test(line))
  // From the file; then from the server, each environment its own.
  expect(printed).toEqual([`3000 ${development}`, `3000 ${development}`, `undefined ${production}`])
  expect(readFileSync(join(folder, '.env'), 'utf8')).toMatch(/^VAULT_KEY=vk_\S+\n$/)
  expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('.env\n.vault-cache*\n')
  expect(canaryFiles(place, [development, production])).toEqual([])
})

test('from vault-env, to another server', async () => {
  const [development, production] = [canary(), canary()]
  const { files, commands } = follow('migration/vault-env.md')
  const folder = project('vault-env', {
    ...files,
    'd.env': `API_TOKEN=${development}\n`,
    'p.env': `API_TOKEN=${production}\n`,
  })
  const [before, after] = [await start('before.db'), await start('after.db')]
  const setUp = `npx vault-env init --name shop
export VAULT_KEY=$(sed -n 's/^VAULT_KEY=//p' .env)
npx vault-env push --env development --file d.env
npx vault-env push --env production --file p.env
rm d.env p.env`
  await bash(folder, setUp, { VAULT_URL: before.url })
  const output = await bash(folder, commands.replaceAll('http://127.0.0.1:8787', after.url), {
    VAULT_URL: before.url,
  })
  expect(output.split('\n').filter((line) => line === `1 ${production}`)).toHaveLength(2)
  const keys = ['.env', '.env.before'].map((file) => readFileSync(join(folder, file), 'utf8'))
  expect(keys[0]).not.toBe(keys[1])
  expect(canaryFiles(place, [development, production])).toEqual([])
})

test('from Vite’s .env', async () => {
  const token = canary()
  const { files, commands } = follow('migration/vite-env.md')
  const folder = project('vite', {
    ...files,
    '.env': 'VITE_API_URL=https://api.example.com/v1\n',
    '.env.local': `API_TOKEN=${token}\nOTHER=1\n`,
    'index.html': '<script type="module" src="/src/main.js"></script>',
    'src/main.js': 'console.log(import.meta.env.VITE_API_URL)',
  })
  const output = await bash(folder, commands)
  expect(output).toMatch(/API_TOKEN +dotenv.*\n.*API_TOKEN +local/s)
  expect(readFileSync(join(folder, 'secrets.config.ts'), 'utf8')).toContain("API_TOKEN: 'local:API_TOKEN'")
  expect(readFileSync(join(folder, '.env.local'), 'utf8')).toBe('OTHER=1\n')
  expect(canariesIn(output, [token])).toEqual([])
  expect(canaryFiles(place, [token])).toEqual([])
})

test('the packages that the page names are enough, and a missing one is told', async () => {
  const folder = join(place, 'parts')
  const own = join(folder, 'node_modules/unplugin-secrets')
  cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(own, 'package.json'))
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const add = (name: string): void => {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir')
  }
  for (const name of Object.keys(dependencies)) add(name)
  const page = readFileSync(join(root, 'docs/vault-env-server.md'), 'utf8')
  const parts = /SQLite file +\| `([^`]+)`/.exec(page)![1]!.split(' ')
  const attempt = () =>
    bash(folder, `exec '${process.execPath}' node_modules/unplugin-secrets/dist/cli/main.js serve --port 0`)
  await expect(attempt()).rejects.toThrow(/packages that are not installed.*\n.*npm install hono /)
  for (const name of parts.filter((part) => part !== 'libsql')) add(name)
  await expect(attempt()).rejects.toThrow(/needs a package that is not installed.*\n.*libsql for a file/)
  add('libsql')
  const server = await serving(folder, 'vault-env.db', own)
  expect((await fetch(`${server.url}/health`)).status).toBe(200)
  await server.close()
})

test('a Worker of one line, with the package as it is published', async () => {
  const page = readFileSync(join(root, 'docs/vault-env-server.md'), 'utf8')
  const folder = project('worker', follow('vault-env-server.md').files)
  const worker = await startWorker({ folder: join(place, 'd1'), input: join(folder, 'src/index.ts') })
  try {
    const client = await new WireClient(worker.url).start()
    await pushed(client, 'from afar')
    expect(await pull(client)).toEqual({ secrets: 'from afar', version: 1 })
  } finally {
    await worker.close()
  }
  // What the page says is what this runtime was given.
  expect(page).toContain('compatibility_date = "2025-09-01"\ncompatibility_flags = ["nodejs_compat"]')
})

/** Two versions, of which a backup has one. */
async function pushed(client: WireClient, secrets: string): Promise<void> {
  const answer = await client.signed('secrets/push', { environment: 'production', secrets })
  expect(answer.status).toBe(200)
}
const pull = async (client: WireClient) =>
  (await client.signed('secrets/pull', { environment: 'production' })).body
const at = (server: RunningVaultServer, client: WireClient): WireClient =>
  Object.assign(new WireClient(server.url), { projectId: client.projectId, key: client.key })

/** `secrets serve` in a process of its own: what it has open ends with it. */
async function serving(folder: string, file: string, from = root): Promise<RunningVaultServer> {
  const args = ['serve', '--json', '--port', '0', '--rate-limit', '0', '--database-url', `file:${file}`]
  const child = spawn(process.execPath, [join(from, 'dist/cli/main.js'), ...args], { cwd: folder })
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
  const { url } = JSON.parse(line) as { url: string }
  return {
    url,
    async close() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

test('a backup of SQLite, taken while the server runs, and restored', async () => {
  const folder = join(place, 'sqlite')
  mkdirSync(folder)
  const { commands } = follow('vault-env-server.md')
  const lines = commands.split('\n')
  const [backup, restore] = [/^sqlite3 /, /vault-env\.db$|-wal/].map((kind) =>
    lines.filter((line) => kind.test(line)).join('\n'),
  )
  const server = await serving(folder, 'vault-env.db')
  const client = await new WireClient(server.url).start()
  await pushed(client, 'first')
  await bash(folder, backup!)
  await pushed(client, 'second')
  await server.close()
  await bash(folder, restore!)
  for (const file of ['vault-env.db', 'compact.db']) {
    const restored = await serving(folder, file)
    const again = at(restored, client)
    expect(await pull(again)).toEqual({ secrets: 'first', version: 1 })
    await pushed(again, 'second again')
    expect(await pull(again)).toEqual({ secrets: 'second again', version: 2 })
    await restored.close()
  }
  expect(existsSync(join(folder, 'backup.db'))).toBe(true)
})

test('a backup of Postgres, and restored into another database', async () => {
  const postgres = await startPostgres(inject('servers').programs.postgres)
  try {
    postgres.query('CREATE DATABASE vault')
    postgres.query('CREATE DATABASE restored')
    const [from, to] = ['vault', 'restored'].map((name) => postgres.url.replace(/postgres$/, name)) as [
      string,
      string,
    ]
    const server = await serve({ port: 0, databaseUrl: from, rateLimit: 0 })
    const client = await new WireClient(server.url).start()
    await pushed(client, 'first')
    const bin = dirname(inject('servers').programs.postgres)
    const commands = follow('vault-env-server.md')
      .commands.split('\n')
      .filter((line) => /^pg_/.test(line))
    expect(commands).toHaveLength(2)
    const folder = join(place, 'postgres')
    mkdirSync(folder)
    await bash(folder, `PATH='${bin}':$PATH\n${commands.join('\n')}`, {
      DATABASE_URL: from,
      RESTORED_URL: to,
    })
    await server.close()
    const restored = await serve({ port: 0, databaseUrl: to, rateLimit: 0 })
    expect(await pull(at(restored, client))).toEqual({ secrets: 'first', version: 1 })
    await pushed(at(restored, client), 'second')
    await restored.close()
  } finally {
    await postgres.stop()
  }
})
