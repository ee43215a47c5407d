import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, inject, it, vi } from 'vitest'
import type { Provider } from '../src/core/types.ts'
import { Bao, startBao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { buildServer, environmentOf, hash, isAlive, Lines, sayingServer } from './support/server.ts'
import { may } from './support/vault.ts'

const { bao: server } = inject('servers')
const root = new Bao(server)
const kv = `run-watch-${randomBytes(4).toString('hex')}`
const children = new Set<ChildProcess>()
const printed: string[] = []
let place: CliPlace
let token: string
let current: string

beforeAll(async () => {
  place = new CliPlace('run-watch', await buildPackage('run-watch-package'))
  await root.mount(kv, 2)
  await root.policy(kv, may(`${kv}/*`, 'read', 'list'))
  token = place.secret(await root.token([kv]))
  place.write('secrets.config.json', JSON.stringify(configFor(server.url)))
  place.write('env.mjs', ENV_PROGRAM)
  place.write(
    'package.json',
    '{"name":"project","private":true,"scripts":{"start":"node env.mjs","server":"node server.mjs"}}',
  )
  // What is bundled cannot fetch: it has what it is handed.
  const own: Provider = {
    type: 'own',
    location: 'here',
    read: async (requests) => requests.map(({ path }) => ({ value: path })),
  }
  await buildServer(
    place,
    'server.mjs',
    sayingServer(['TOKEN'], 'setInterval(() => console.log(TOKEN), 50)'),
    { providers: { own }, secrets: { TOKEN: 'own:TOKEN' } },
  )
})

beforeEach(async () => {
  await rotate()
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  expect(printed.join('').length).toBeGreaterThan(0)
  expect(canariesIn(printed.join('\n'), place.values)).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

const configFor = (url: string) => ({
  providers: { vault: { type: 'vault', url, mount: kv } },
  secrets: { TOKEN: 'vault:app#token' },
  cache: false,
})

/** Says what its environment has, in the form of `sayingServer`. */
const ENV_PROGRAM = `
import { createHash } from 'node:crypto'
const hash = (value) => createHash('sha256').update(value).digest('hex').slice(0, 12)
if (process.env.STUBBORN) process.on('SIGTERM', () => {})
console.log(JSON.stringify({ what: 'start', pid: process.pid, has: { TOKEN: hash(process.env.TOKEN) } }))
if (process.env.CRASHES_WITH === hash(process.env.TOKEN)) process.exit(7)
setInterval(() => console.log(process.env.TOKEN), 50)
`

async function rotate(bao = root): Promise<string> {
  current = place.secret(canary())
  await bao.write2(kv, 'app', { token: current })
  return hash(current)
}

function start(args: readonly string[], env: Record<string, string> = {}) {
  const child = place.start(['run', '--watch', '--interval', '100ms', ...args], {
    env: { VAULT_TOKEN: token, ...env },
  })
  children.add(child)
  const lines = new Lines(child)
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      children.delete(child)
      printed.push(lines.everything)
      resolve(code)
    })
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return ended
  }
  return { lines, stop, ended }
}

const says = (has: string, what?: string) => (line: { what: string; has: Record<string, string> }) =>
  line.has.TOKEN === has && (what === undefined || line.what === what)
const remarks = (lines: Lines) => lines.errors.split('\n').filter((line) => line !== '')
const gone = (pid: number) => vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 30_000 })

it.each([
  ['itself', ['node', 'server.mjs']],
  ['through a shell', ['sh', '-c', 'node server.mjs; exit 5']],
  ['in a thread', ['node', '-e', 'new (require("node:worker_threads").Worker)("./server.mjs")']],
  ['through npm', ['npm', 'run', '--silent', 'server']],
])('a program that carries our runtime, %s, has the new value at once and goes on', async (_, command) => {
  const { lines, stop } = start(['--no-export', '--', ...command])
  const { pid } = await lines.until(says(hash(current), 'start'))
  const before = environmentOf(pid)
  const second = await rotate()
  expect(await lines.until(says(second))).toMatchObject({ what: 'change', pid, names: ['TOKEN'] })
  const third = await rotate()
  expect((await lines.until(says(third))).pid).toBe(pid)
  // One for both, where the program had not been heard of yet.
  await vi.waitFor(() => expect(remarks(lines).length).toBeGreaterThan(0), { timeout: 20_000 })
  expect(new Set(remarks(lines))).toEqual(new Set(['[secrets] TOKEN changed: 1 program told.']))
  const values = place.values.filter((value) => value !== token)
  expect(canariesIn(before + environmentOf(pid), values)).toEqual([])
  // It prints its value all the time: old and new ones are masked.
  expect(lines.other).toContain('[secret TOKEN]')
  await stop()
  await gone(pid)
})

it('no value is lost in fifty changes in a row', async () => {
  const { lines, stop } = start(['--no-export', '--', 'node', 'server.mjs'])
  const { pid } = await lines.until(says(hash(current), 'start'))
  let last = ''
  for (let count = 0; count < 50; count++) last = await rotate()
  expect((await lines.until(says(last))).pid).toBe(pid)
  expect(lines.all.filter(({ what }) => what === 'start')).toHaveLength(1)
  await stop()
})

it('nor for who is started again', async () => {
  const { lines, stop } = start(['--', 'node', 'env.mjs'])
  await lines.until(says(hash(current), 'start'))
  let last = ''
  for (let count = 0; count < 50; count++) last = await rotate()
  await lines.until(says(last, 'start'))
  await stop()
})

it('every worker of a cluster hears of it', async () => {
  const script = `
    const cluster = require('node:cluster')
    cluster.setupPrimary({ exec: 'server.mjs', execArgv: [] })
    cluster.fork(); cluster.fork()`
  const { lines, stop } = start(['--no-export', '--', 'node', '-e', script])
  await vi.waitFor(() => expect(lines.all.filter(({ what }) => what === 'start')).toHaveLength(2), {
    timeout: 30_000,
  })
  const second = await rotate()
  await vi.waitFor(() => expect(new Set(lines.all.filter(says(second)).map(({ pid }) => pid)).size).toBe(2), {
    timeout: 30_000,
  })
  expect(lines.all.filter(({ what }) => what === 'start')).toHaveLength(2)
  await stop()
  for (const { pid } of lines.all) await gone(pid)
})

it('a program that does not listen is started again, with everything that npm has started', async () => {
  const { lines, stop } = start(['--', 'npm', 'start', '--silent'])
  const first = await lines.until(says(hash(current), 'start'))
  const second = await lines.until(says(await rotate(), 'start'))
  expect(second.pid).not.toBe(first.pid)
  await gone(first.pid)
  expect(remarks(lines).filter((line) => line.startsWith('[secrets]'))).toEqual([
    '[secrets] TOKEN changed: npm is started again.',
  ])
  await stop('SIGINT')
  await gone(second.pid)
})

it('who does not end in time is killed', async () => {
  const { lines, stop } = start(['--grace', '200ms', '--', 'npm', 'start', '--silent'], { STUBBORN: '1' })
  const first = await lines.until(says(hash(current), 'start'))
  const second = await lines.until(says(await rotate(), 'start'))
  await gone(first.pid)
  process.kill(second.pid, 'SIGKILL')
  await stop()
})

it('--restart says who is started again', async () => {
  const always = start(['--restart', 'always', '--', 'node', 'server.mjs'])
  const never = start(['--restart', 'never', '--', 'node', 'env.mjs'])
  const [first, kept] = await Promise.all(
    [always, never].map(({ lines }) => lines.until(says(hash(current), 'start'))),
  )
  const second = await always.lines.until(says(await rotate(), 'start'))
  expect(second.pid).not.toBe(first!.pid)
  await vi.waitFor(
    () => expect(never.lines.errors).toBe('[secrets] TOKEN changed: node keeps what it was started with.\n'),
    { timeout: 20_000 },
  )
  expect(always.lines.errors).toBe('[secrets] TOKEN changed: 1 program told, node is started again.\n')
  expect(isAlive(kept!.pid)).toBe(true)
  await Promise.all([always.stop(), never.stop()])
})

it('who fails with a new value gets further tries, with pauses, and the next value', async () => {
  const [good, bad] = [hash(current), place.secret(canary())]
  const { lines, stop } = start(['--', 'node', 'env.mjs'], { CRASHES_WITH: hash(bad) })
  await lines.until(says(good, 'start'))
  await root.write2(kv, 'app', { token: bad })
  await vi.waitFor(
    () => expect(lines.errors).toContain('node ended with 7 after a change: once more in 1 s.'),
    {
      timeout: 30_000,
    },
  )
  await lines.until(says(await rotate(), 'start'))
  expect(await stop()).toBe(143)
})

it('the end of the program is the end, with its exit code', async () => {
  const crashing = start(['--', 'node', 'env.mjs'], { CRASHES_WITH: hash(current) })
  expect(await crashing.ended).toBe(7)
  const { ended, lines } = start(['--', 'no-such-program'])
  expect(await ended).toBe(127)
  expect(lines.errors).toContain('There is no program no-such-program.')
})

it.each(['SIGINT', 'SIGTERM', 'SIGQUIT'] as const)('%s ends everything', async (signal) => {
  const { lines, stop } = start(['--', 'sh', '-c', 'node env.mjs & node env.mjs; wait'])
  await vi.waitFor(() => expect(lines.all).toHaveLength(2), { timeout: 30_000 })
  const code = await stop(signal)
  expect(code).toBeGreaterThan(128)
  for (const { pid } of lines.all) await gone(pid)
})

it('a value that was withdrawn stays, is told once, and follows when it is given again', async () => {
  const { lines, stop } = start(['--no-export', '--', 'node', 'server.mjs'])
  const { pid } = await lines.until(says(hash(current), 'start'))
  await root.policy(kv, may('nothing/*'))
  await vi.waitFor(() => expect(lines.errors).toContain('The last values stay.'), { timeout: 30_000 })
  await root.policy(kv, may(`${kv}/*`, 'read', 'list'))
  expect((await lines.until(says(await rotate()))).pid).toBe(pid)
  await vi.waitFor(() => expect(lines.errors).toContain('[secrets] The providers answer again.'), {
    timeout: 30_000,
  })
  expect(lines.errors.match(/The last values stay/g)).toHaveLength(1)
  await stop()
})

it('a provider that is away takes nothing away', async () => {
  const away = await startBao({ binary: server.binary, name: 'run-watch-bao' })
  await away.bao.mount(kv, 2)
  await rotate(away.bao)
  place.write('away.json', JSON.stringify(configFor(away.url)))
  const { lines, stop } = start(['--config', 'away.json', '--', 'node', 'env.mjs'], {
    VAULT_TOKEN: place.secret(away.bao.options.token!),
  })
  const { pid } = await lines.until(says(hash(current), 'start'))
  await away.stop()
  await vi.waitFor(() => expect(lines.errors).toContain('The last values stay.'), { timeout: 30_000 })
  expect(isAlive(pid)).toBe(true)
  expect(await stop()).toBe(143)
})

it('refuses flags that say nothing', async () => {
  for (const args of [
    ['--interval', '1s'],
    ['--watch', '--restart', 'maybe'],
  ]) {
    const { code, stderr } = await place.run(['run', ...args, '--', 'node', '-e', '0'])
    expect(code).toBe(2)
    printed.push(stderr)
  }
  const { code, stderr } = await place.run(['run', '--watch', '--grace', 'soon', '--', 'node', '-e', '0'])
  expect([code, stderr]).toEqual([1, expect.stringContaining('--grace is not a duration')])
})
