// What a watch costs while nothing changes: `node --expose-gc bench/watch-idle.mjs [--minutes 10] [--interval 30s]`
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadSource } from './load.mjs'
import { startVault } from './servers.mjs'
import { atOnce, printMachine, printTable, readOptions, startRun } from './support.mjs'

const SECRETS = 200
const PATHS = 10
const options = readOptions(1, {
  minutes: { type: 'string', default: '10' },
  interval: { type: 'string', default: '30s' },
})
const minutes = Number(options.minutes)
if (!(minutes > 0)) throw new Error('--minutes takes a number above 0')
if (!globalThis.gc) throw new Error('node --expose-gc bench/watch-idle.mjs')
const run = startRun('watch-idle', options.dist)
Object.assign(process.env, run.env)
const { createSecrets } = await import(run.entry('index.js'))
const { dotenv, vault } = await import(run.entry('providers/index.js'))

const { bao, url, ca, stop } = await startVault(await loadSource('test/support/bao.ts'), 'bench-idle')
const fresh = () => randomBytes(24).toString('base64url')
await bao.mount('kv', 2)
const keys = Array.from({ length: SECRETS / PATHS }, (_, index) => `k${index}`)
const document = () => Object.fromEntries(keys.map((key) => [key, fresh()]))
const paths = Array.from({ length: PATHS }, (_, index) => `app/doc${index}`)
await atOnce(PATHS, paths, (path) => bao.write2('kv', path, document()))
writeFileSync(join(run.folder, '.env'), `LOCAL=${fresh()}\n`)

const secrets = await createSecrets({
  configFile: false,
  root: run.folder,
  providers: {
    vault: vault({ url, mount: 'kv', tls: { ca }, auth: { method: 'token', token: bao.options.token } }),
    files: dotenv(),
  },
  secrets: {
    LOCAL: 'files:LOCAL',
    ...Object.fromEntries(
      paths.flatMap((path, at) => keys.map((key) => [`S_${at}_${key}`, `vault:${path}#${key}`])),
    ),
  },
})
await secrets.load()
const changes = []
const watch = await secrets.watch({
  interval: options.interval,
  onChange: (names) => void changes.push(...names),
  onError: (error) => {
    throw error
  },
})

/** Bytes that are in use, whatever the collector has left to do. */
const heap = () => {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}
// What is loaded and compiled at the first check is no part of being idle.
for (let time = 0; time < 5; time++) await watch.check()
const samples = [heap()]
const cpu = process.cpuUsage()
const started = performance.now()
for (let minute = 0; minute < minutes; minute++) {
  await sleep(Math.min(1, minutes - minute) * 60_000)
  samples.push(heap())
}
const { user, system } = process.cpuUsage(cpu)
const wall = performance.now() - started
// It did watch all the while.
const next = document()
await bao.write2('kv', paths[0], next)
await watch.check()
if (changes.length !== keys.length) throw new Error(`${changes.length} names were told, not ${keys.length}`)

printMachine(
  `Watching ${SECRETS} secrets in ${PATHS} paths and a .env file, every ${options.interval}, ${minutes} minutes`,
  options.rounds,
)
const kb = (bytes) => `${(bytes / 1024).toFixed(0)} kB`
printTable([
  ['figure', 'measured', 'goal'],
  ['CPU, of one core', `${((100 * (user + system)) / 1000 / wall).toFixed(3)} %`, '0.5 %'],
  ['heap at the beginning', kb(samples[0]), ''],
  ['heap after half the time', kb(samples[samples.length >> 1]), ''],
  ['heap at the end', kb(samples.at(-1)), 'no growth'],
])
await secrets.close()
await stop()
process.exit(0)
