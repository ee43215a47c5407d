import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import type { Provider } from '../src/core/types.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { loginRole, mountLogins, type Postgres, startPostgres } from './support/postgres.ts'
import { buildServer, hash, Lines, sayingServer } from './support/server.ts'
import { may } from './support/vault.ts'

const { bao: server, programs } = inject('servers')
const root = new Bao(server)
const id = randomBytes(4).toString('hex')
const kv = `runtime-watch-${id}`
const database = `runtime-db-${id}`
const children = new Set<ChildProcess>()
const printed: string[] = []
let place: CliPlace
let token: string
let current: string
let postgres: Postgres

const rights = () =>
  [
    may(`${kv}/*`, 'read', 'list'),
    may(`${database}/creds/*`),
    may('sys/leases/renew', 'update'),
    may('sys/leases/revoke', 'update'),
  ].join('\n')

beforeAll(async () => {
  place = new CliPlace('runtime-watch', await buildPackage('runtime-watch-package'))
  postgres = await startPostgres(programs.postgres)
  place.secret(postgres.password)
  await root.mount(kv, 2)
  await mountLogins(root, database, postgres)
  await role('app', '1h', '24h')
  await role('short', '2s', '4s')
  await root.policy(kv, rights())
  token = place.secret(await root.token([kv]))
  await rotate()
  const kvConfig = configFor({ TOKEN: 'vault:app#token', MAYBE: maybe })
  const wait = 'setInterval(() => {}, 1000)'
  const names = ['TOKEN', 'MAYBE']
  const watching = `
const stop = watch({ interval: '100ms', onChange: (names) => say('told', { names }), onError: (error) => say('failed', { error: error.message }) })
process.on('SIGUSR2', () => { stop(); say('stopped') })`
  await buildServer(place, 'watching.mjs', sayingServer(names, `${watching}\n${wait}`), kvConfig)
  await buildServer(place, 'plain.cjs', sayingServer(names, wait), kvConfig)
  await buildServer(place, 'short.mjs', sayingServer(names, watching), kvConfig)
  await buildServer(place, 'lent.mjs', lentServer, configFor(lent('app')), { external: ['signal-exit'] })
  place.write('secrets.config.json', JSON.stringify({ ...configFor(lent('short')), providers: vaultHere }))
  const own: Provider = {
    type: 'own',
    location: 'here',
    read: async (requests) => requests.map(({ path }) => ({ value: path })),
  }
  await buildServer(
    place,
    'handed.mjs',
    lentServer,
    { providers: { own }, secrets: { PGUSER: 'own:user', PGPASSWORD: 'own:password' } },
    { external: ['signal-exit'] },
  )
  await buildServer(place, 'ending.cjs', lentServer, configFor(lent('short')), { external: ['signal-exit'] })
})

beforeEach(async () => {
  await rotate()
})

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await postgres?.stop()
  expect(printed.join('').length).toBeGreaterThan(0)
  expect(canariesIn(printed.join('\n'), place.values)).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

const maybe = {
  from: 'vault:maybe#value',
  schema: { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const,
}
const configFor = (secrets: Record<string, string | typeof maybe>) => ({
  providers: {
    vault: { type: 'vault', url: server.url, mount: kv, auth: { method: 'token', token } },
  },
  secrets,
  cache: false as const,
})
/** Without the token, which the environment has. */
const vaultHere = { vault: { type: 'vault', url: server.url, mount: kv } }
const lent = (name: string) => ({
  PGUSER: `vault:/${database}/creds/${name}#username`,
  PGPASSWORD: `vault:/${database}/creds/${name}#password`,
})
/** Says the user's name as it is: whether the database knows it is what the tests ask. */
const lentServer = sayingServer(
  ['PGUSER', 'PGPASSWORD'],
  `
say('user', { user: PGUSER })
onSecretsChange(() => say('user', { user: PGUSER }))
const act = {
  stays() { setInterval(() => {}, 1000) },
  listens() { setInterval(() => {}, 1000); process.on('SIGTERM', () => say('draining')); process.on('SIGUSR2', () => process.exit(9)) },
  async library() {
    setInterval(() => {}, 1000)
    const { default: onExit } = await import('signal-exit')
    onExit(() => say('library'))
    say('listens')
  },
  exits() { process.exit(4) },
  ends() {},
  throws() { setTimeout(() => { throw new Error('broken') }) },
}
act[process.env.ACT]()`,
)

const role = (name: string, ttl: string, longest: string) => loginRole(root, database, name, ttl, longest)

async function rotate(): Promise<string> {
  current = place.secret(canary())
  await root.write2(kv, 'app', { token: current })
  return hash(current)
}

function start(file: string, env: Record<string, string> = {}, cwd = place.root) {
  const child = spawn(process.execPath, [resolve(cwd, file)], {
    cwd,
    env: { ...place.env, VAULT_TOKEN: token, ...env },
  })
  children.add(child)
  const lines = new Lines(child)
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      children.delete(child)
      printed.push(lines.everything)
      resolve(code ?? signal!)
    })
  })
  return { child, lines, ended }
}

const says = (has: string, what?: string) => (line: { what: string; has: Record<string, string> }) =>
  line.has.TOKEN === has && (what === undefined || line.what === what)
const isThere = (user: string) => postgres.query(`select 1 from pg_roles where rolname = '${user}'`) === '1'
const until = (is: () => boolean) =>
  vi.waitFor(() => expect(is()).toBe(true), { timeout: 30_000, interval: 50 })

describe('a server that fetches by itself', () => {
  it('has new values while it runs, and tells their names', async () => {
    const { child, lines, ended } = start('watching.mjs')
    await lines.until(says(hash(current)))
    expect(await lines.until(says(await rotate(), 'told'))).toMatchObject({ names: ['TOKEN'] })
    await root.write2(kv, 'maybe', { value: place.secret(canary()) })
    await lines.until(({ names }) => names?.includes('MAYBE') === true)
    await lines.until(says(await rotate(), 'told'))
    expect(lines.errors).toBe('')
    // Stopped: the worker goes, and nobody asks any more.
    child.kill('SIGUSR2')
    await lines.until(({ what }) => what === 'stopped')
    child.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
  })

  it('does so for SECRETS_WATCH alone, in CommonJS too', async () => {
    const { child, lines, ended } = start('plain.cjs', { SECRETS_WATCH: '100ms' })
    // What is in the cache is good enough for a start.
    await lines.until(says(hash(current)))
    await lines.until(says(await rotate(), 'change'))
    child.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
    const wrong = start('plain.cjs', { SECRETS_WATCH: 'often' })
    expect(await wrong.ended).toBe(1)
    expect(wrong.lines.errors).toContain('[secrets] SECRETS_WATCH is not a duration.')
  })

  it('misses nothing in fifty changes in a row', async () => {
    const { child, lines, ended } = start('watching.mjs')
    await lines.until(says(hash(current)))
    let last = ''
    for (let count = 0; count < 50; count++) last = await rotate()
    await lines.until(says(last, 'told'))
    child.kill('SIGTERM')
    await ended
  })

  it('keeps its values when the provider will not give them, says so once, and goes on after it', async () => {
    const told = start('watching.mjs')
    const quiet = start('plain.cjs', { SECRETS_WATCH: '100ms' })
    await Promise.all([told, quiet].map(({ lines }) => lines.until(says(hash(current)))))
    await root.policy(kv, may('nothing/*'))
    await told.lines.until(({ what }) => what === 'failed')
    await until(() => quiet.lines.errors.includes('[secrets] '))
    await root.policy(kv, rights())
    const next = await rotate()
    await Promise.all([told, quiet].map(({ lines }) => lines.until(says(next))))
    await until(() => quiet.lines.errors.includes('[secrets] The providers answer again.'))
    expect(told.lines.all.filter(({ what }) => what === 'failed')).toHaveLength(1)
    expect(told.lines.errors).toBe('')
    expect(quiet.lines.errors.match(/^\[secrets\]/gm)).toHaveLength(2)
    for (const { child, ended } of [told, quiet]) {
      child.kill('SIGTERM')
      await ended
    }
  })

  it('ends by itself when its own work is over', async () => {
    const { lines, ended } = start('short.mjs')
    expect(await ended).toBe(0)
    expect(lines.errors).toBe('')
  })

  it('says what it lacks where the package is not installed', async () => {
    const lonely = mkdtempSync(join(tmpdir(), 'runtime-watch-'))
    const file = join(lonely, 'server.mjs')
    copyFileSync(join(place.root, 'watching.mjs'), file)
    const { child, lines, ended } = start(file, { TOKEN: current }, lonely)
    await lines.until(({ what }) => what === 'failed')
    expect(lines.all.at(-1)).toMatchObject({
      error: '[secrets] MAYBE cannot be watched: unplugin-secrets is not installed beside this server.',
    })
    child.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
    rmSync(lonely, { recursive: true })
  })
})

describe('what was lent', () => {
  const lives = async (act: string, file = 'lent.mjs') => {
    const { child, lines, ended } = start(file, { ACT: act })
    const line = await lines.until(({ what }) => what === 'user')
    const { user } = line as unknown as { user: string }
    return { child, lines, ended, user }
  }

  it('is there while the server runs, and goes back when a signal ends it', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      const { child, user, ended } = await lives('stays')
      expect(isThere(user)).toBe(true)
      child.kill(signal)
      expect(await ended).toBe(signal)
      expect(isThere(user)).toBe(false)
    }
  })

  it('is no hindrance to libraries that look in on signals, nor they to it', async () => {
    const { child, lines, user, ended } = await lives('library')
    await lines.until(({ what }) => what === 'listens')
    child.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
    expect(lines.all.map(({ what }) => what)).toContain('library')
    expect(isThere(user)).toBe(false)
  })

  it('is there until the end that a server makes itself', async () => {
    const { child, lines, user, ended } = await lives('listens')
    child.kill('SIGTERM')
    await lines.until(({ what }) => what === 'draining')
    expect(isThere(user)).toBe(true)
    child.kill('SIGUSR2')
    expect(await ended).toBe(9)
    expect(isThere(user)).toBe(false)
  })

  it.each([
    ['exits', 4],
    ['ends', 0],
    ['throws', 1],
  ] as const)('goes back when the server %s', async (act, code) => {
    const { user, ended } = await lives(act)
    expect(await ended).toBe(code)
    expect(isThere(user)).toBe(false)
  })

  it('reaches a program of secrets run, another one when it cannot be renewed, and goes back at the end', async () => {
    const child = place.start(['run', '--watch', '--no-export', '--no-mask', '--', 'node', 'handed.mjs'], {
      env: { VAULT_TOKEN: token, ACT: 'stays' },
    })
    children.add(child)
    const lines = new Lines(child)
    const ended = new Promise((resolve) => child.once('close', resolve))
    const users = () => lines.all.flatMap((line) => ('user' in line ? [String(line.user)] : []))
    await until(() => new Set(users()).size > 1)
    expect(isThere(users().at(-1)!)).toBe(true)
    child.kill('SIGTERM')
    expect(await ended).toBe(143)
    expect(isThere(users().at(-1)!)).toBe(false)
    printed.push(lines.everything)
  })

  it('is renewed, and another one when it cannot be', async () => {
    const { child, lines, user, ended } = await lives('stays', 'ending.cjs')
    const next = await lines.until((line) => 'user' in line && line.user !== user)
    expect(isThere((next as unknown as { user: string }).user)).toBe(true)
    child.kill('SIGTERM')
    expect(await ended).toBe('SIGTERM')
  })
})
