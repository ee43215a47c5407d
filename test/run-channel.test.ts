import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { Provider } from '../src/core/types.ts'
import { encodeFrame } from '../src/runtime/frames.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { buildServer, environmentOf, hash, isAlive, Lines, sayingServer } from './support/server.ts'

let place: CliPlace
const values = { TOKEN: canary(), OTHER: canary(), password: canary(), outside: canary() }
const db = JSON.stringify({ password: values.password, port: 5432 })
const printed: string[] = []
const children = new Set<ChildProcess>()

const config = {
  providers: { local: { type: 'local' } },
  secrets: { TOKEN: 'local:TOKEN', OTHER: 'local:OTHER', db: { from: 'local:db', mode: 'json' as const } },
}
/** The same names from a place that a built server cannot reach: it has nothing but what it is handed. */
const own: Provider = {
  type: 'own',
  location: 'here',
  read: async (requests) => requests.map(({ path }) => ({ value: path === 'db' ? db : path })),
}
const handed = {
  providers: { own },
  secrets: { TOKEN: 'own:TOKEN', OTHER: 'own:OTHER', db: { from: 'own:db', mode: 'json' as const } },
}
const all = () => ({ TOKEN: hash(values.TOKEN), OTHER: hash(values.OTHER), db: hash(db) })

beforeAll(async () => {
  place = new CliPlace('run-channel', await buildPackage('run-channel-package'))
  for (const value of Object.values(values)) place.secret(value)
  place.write('secrets.config.json', JSON.stringify(config))
  place.write('tmp/keep', '')
  await place.run(['set', 'TOKEN'], { input: values.TOKEN })
  await place.run(['set', 'OTHER'], { input: values.OTHER })
  await place.run(['set', 'db'], { input: db })
  const names = ['TOKEN', 'OTHER', 'db']
  await buildServer(place, 'server.mjs', sayingServer(names), handed)
  await buildServer(place, 'once.cjs', sayingServer(names, ''), handed)
  await buildServer(place, 'fetching.cjs', sayingServer(names, ''), config)
  await buildServer(place, 'part.mjs', sayingServer(['TOKEN'], ''), {
    ...handed,
    secrets: { TOKEN: 'own:TOKEN' },
  })
  place.write(
    'package.json',
    '{"name":"project","private":true,"scripts":{"start":"node server.mjs","once":"node once.cjs && node once.cjs"}}',
  )
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  expect(canariesIn(printed.join('\n'), place.values)).toEqual([])
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
  expect(sockets()).toEqual([])
})

const temporary = () => join(place.root, 'tmp')
const sockets = () =>
  readdirSync(temporary())
    .filter((name) => name.startsWith('secrets-run-'))
    .map((name) => join(temporary(), name))

function start(...args: string[]): { child: ChildProcess; lines: Lines; ended: Promise<number | null> } {
  const child = place.start(['run', ...args], { env: { TMPDIR: temporary() } })
  children.add(child)
  const lines = new Lines(child)
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      children.delete(child)
      printed.push(lines.everything)
      resolve(code)
    })
  })
  return { child, lines, ended }
}

const run = async (...args: string[]) => {
  const { lines, ended } = start(...args)
  return { code: await ended, lines }
}

it('gives a program its values by the descriptor it inherits, and in no environment', async () => {
  const { child, lines, ended } = start('--no-export', '--', 'node', 'server.mjs')
  const { pid, has } = await lines.until(({ what }) => what === 'start')
  expect(has).toEqual(all())
  for (const each of [pid, child.pid!]) expect(canariesIn(environmentOf(each), place.values)).toEqual([])
  child.kill('SIGTERM')
  expect(await ended).toBe(143)
})

it('needs no more than one of the two', async () => {
  const elsewhere = 'SECRETS_CHANNEL="${SECRETS_CHANNEL%:*}:/nowhere/s" exec node once.cjs'
  const closed = 'exec node once.cjs 3<&-'
  const other = 'exec node once.cjs 3</dev/null'
  for (const script of [elsewhere, closed, other]) {
    const { code, lines } = await run('--no-export', '--', 'sh', '-c', script)
    expect([script, code, lines.errors]).toEqual([script, 0, ''])
    expect(lines.all.map(({ has }) => has)).toEqual([all()])
  }
  const neither = await run('--no-export', '--', 'sh', '-c', elsewhere.replace('once.cjs', 'once.cjs 3<&-'))
  expect(neither.code).toBe(1)
  expect(neither.lines.errors).toContain('[secrets] OTHER, TOKEN, db: kept in a provider of your own')
})

it('gives them through npm, which closes the descriptor', async () => {
  const { child, lines, ended } = start('--no-export', '--', 'npm', 'start')
  const { pid, has } = await lines.until(({ what }) => what === 'start')
  expect(has).toEqual(all())
  expect(canariesIn(environmentOf(pid), place.values)).toEqual([])
  child.kill('SIGTERM')
  process.kill(pid, 'SIGTERM')
  await ended
})

it('gives them to one program after another, to several at once, and to several bundles of one process', async () => {
  const chain = await run('--no-export', '--', 'npm', 'run', '--silent', 'once')
  expect(chain.lines.all.map(({ has }) => has)).toEqual([all(), all()])
  const shell = 'node once.cjs & node once.cjs & node part.mjs & wait; node once.cjs'
  const several = await run('--no-export', '--', 'sh', '-c', shell)
  expect([several.code, several.lines.errors]).toEqual([0, ''])
  const has = several.lines.all.map((line) => JSON.stringify(line.has)).sort()
  expect(has).toEqual([all(), all(), all(), { TOKEN: all().TOKEN }].map((one) => JSON.stringify(one)).sort())
  const both = await run(
    '--no-export',
    '--',
    'node',
    '-e',
    'require("./once.cjs"); import("./part.mjs").then(() => require("node:child_process").fork("./once.cjs"))',
  )
  expect([both.code, both.lines.errors]).toEqual([0, ''])
  expect(both.lines.all.map((line) => line.has)).toEqual([all(), { TOKEN: all().TOKEN }, all()])
})

it('gives other programs nothing without the environment, and everything with it', async () => {
  const script =
    'console.log(Object.keys(process.env).filter((name) => /^(TOKEN|OTHER|db|SECRETS_CHANNEL)$/.test(name)).join())'
  const names = async (...flags: string[]) =>
    (await run(...flags, '--', 'node', '-e', script)).lines.other.join('')
  expect(await names('--no-export')).toBe('SECRETS_CHANNEL')
  expect((await names()).split(',').sort()).toEqual(['OTHER', 'TOKEN', 'db'])
})

it('hands down no more than --only says', async () => {
  const { lines } = await run('--no-export', '--only', 'TOKEN', '--', 'node', 'part.mjs')
  expect(lines.all.map(({ has }) => has)).toEqual([{ TOKEN: all().TOKEN }])
  const missing = spawnFrom(['run', '--no-export', '--only', 'TOKEN', '--', 'node', 'fetching.cjs'], {
    OTHER: values.outside,
  })
  const line = await missing.lines.until(({ what }) => what === 'start')
  // A name that was not handed down is looked for as ever: in the environment, then at the provider.
  expect(line.has).toEqual({ ...all(), OTHER: hash(values.outside) })
  await missing.ended
})

it('is not asked by a program inside that is run by another one', async () => {
  const inner = ['run', '--only', 'TOKEN', '--', 'node', 'part.mjs']
  const main = join(place.root, 'node_modules/unplugin-secrets/dist/cli/main.js')
  const { lines } = await run('--no-export', '--only', 'OTHER', '--', 'node', main, ...inner)
  expect(lines.all.map(({ has }) => has)).toEqual([{ TOKEN: all().TOKEN }])
})

it('lets nobody else in: a folder of one user, a token, and nothing for who says something else', async () => {
  const { child, lines, ended } = start('--no-export', '--', 'node', 'server.mjs')
  const { pid } = await lines.until(({ what }) => what === 'start')
  const [, token, address] = /SECRETS_CHANNEL=1:\d+:([\w-]+):0:([^\0]+)/.exec(environmentOf(pid))!
  expect(token).toMatch(/^[\w-]{43}$/)
  expect(statSync(dirname(address!)).mode & 0o777).toBe(0o700)
  if (process.getuid?.() === 0) expect(await connectAs(65_534, address!)).toBe('EACCES')
  const hello = (said: unknown) => encodeFrame(said as Parameters<typeof encodeFrame>[0])
  const wrong = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    hello({ token: `${token!.slice(0, -1)}${token!.endsWith('A') ? 'B' : 'A'}`, stays: false }),
    hello({ token: '', stays: true }),
    hello({ token: [token], stays: true }),
    hello(null),
    hello({ token, stays: false, more: 'x'.repeat(2000) }),
    Buffer.concat([hello({ token, stays: false }).subarray(0, 8), Buffer.from('not JSON'.repeat(20))]),
  ]
  for (const bytes of wrong) expect((await ask(address!, bytes)).length).toBe(0)
  const right = await ask(address!, hello({ token, stays: false }))
  expect(right.includes(values.TOKEN)).toBe(true)
  child.kill('SIGTERM')
  await ended
  expect(existsSync(dirname(address!))).toBe(false)
})

it('takes what is on the channel for nothing when it is something else', async () => {
  // Descriptor 3 is the line between a fork and its parent; the address is nobody's.
  const { SECRETS_CHANNEL: _, ...outer } = place.env as Record<string, string>
  const forks = `
    const { fork } = require('node:child_process')
    const child = fork('once.cjs', { env: { ...process.env, SECRETS_CHANNEL: '1:' + process.pid + ':token:1:/nowhere/s' } })
    child.on('message', () => {}); child.send('hello')
    child.on('close', (code) => process.exit(code))`
  for (const channel of ['1:1:token:1:/nowhere/s', 'garbage', '1:x:::', '2:1:token:1:/nowhere/s', '']) {
    const env = { ...outer, SECRETS_CHANNEL: channel, TOKEN: values.TOKEN, OTHER: values.OTHER, db }
    const direct = spawn('node', ['once.cjs'], { cwd: place.root, env })
    const lines = new Lines(direct)
    await new Promise((resolve) => direct.once('close', resolve))
    expect([lines.errors, lines.all.map(({ has }) => has)]).toEqual(['', [all()]])
  }
  const env = { ...outer, TOKEN: values.TOKEN, OTHER: values.OTHER, db }
  const forking = spawn('node', ['-e', forks], { cwd: place.root, env })
  const lines = new Lines(forking)
  await new Promise((resolve) => forking.once('close', resolve))
  expect([lines.errors, lines.all.map(({ has }) => has)]).toEqual(['', [all()]])
})

it('leaves nothing to read when it is killed, and the program goes on', async () => {
  const { child, lines, ended } = start('--no-export', '--no-mask', '--watch', '--', 'node', 'server.mjs')
  const { pid } = await lines.until(({ what }) => what === 'start')
  const [, token, address] = /SECRETS_CHANNEL=1:\d+:([\w-]+):1:([^\0]+)/.exec(environmentOf(pid))!
  child.kill('SIGKILL')
  await vi.waitFor(() => expect(child.signalCode).toBe('SIGKILL'), { timeout: 20_000 })
  expect(await ask(address!, encodeFrame({ token: token!, stays: false }))).toEqual(
    Buffer.from('ECONNREFUSED'),
  )
  expect(isAlive(pid)).toBe(true)
  process.kill(pid, 'SIGKILL')
  await ended
  // The next one sweeps what has stood there for a while, and no socket at which somebody answers.
  const living = start('--no-export', '--', 'node', 'server.mjs')
  const { pid: other } = await living.lines.until(({ what }) => what === 'start')
  const before = sockets()
  expect(before).toHaveLength(2)
  for (const folder of before) utimesSync(folder, 0, 0)
  const sweeping = start('--no-export', '--', 'node', 'server.mjs')
  await vi.waitFor(() => expect(existsSync(dirname(address!))).toBe(false), { timeout: 20_000 })
  await sweeping.lines.until(({ what }) => what === 'start')
  expect(before.filter((folder) => existsSync(folder))).toHaveLength(1)
  expect(isAlive(other)).toBe(true)
  for (const each of [living, sweeping]) {
    each.child.kill('SIGTERM')
    await each.ended
  }
  expect(sockets()).toEqual([])
})

/** @returns what comes until the end, or the code of the error */
function ask(address: string, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const socket = connect(address)
    socket
      .on('connect', () => socket.write(bytes))
      .on('data', (part) => parts.push(part as Buffer))
      .on('error', (error: NodeJS.ErrnoException) => parts.push(Buffer.from(error.code ?? '')))
      .on('close', () => resolve(Buffer.concat(parts)))
  })
}

/** Connects as another user. @returns what came of it */
function connectAs(uid: number, address: string): Promise<string> {
  const script = `require('node:net').connect(process.argv[1]).on('connect', () => { console.log('in'); process.exit() }).on('error', (error) => console.log(error.code))`
  // Node itself must be readable for that user, which a developer's home folder may prevent.
  const child = spawn('/bin/sh', ['-c', `exec "$0" -e "$1" "$2"`, process.execPath, script, address], {
    uid,
    gid: uid,
    cwd: '/',
    env: {},
  })
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  return new Promise((resolve) => child.once('close', () => resolve(output.trim())))
}

function spawnFrom(args: string[], env: Record<string, string>) {
  const child = place.start(args, { env: { TMPDIR: temporary(), ...env } })
  const lines = new Lines(child)
  const ended = new Promise((resolve) => child.once('close', resolve)).then(() =>
    printed.push(lines.everything),
  )
  return { lines, ended }
}
