// Pulls per second of the vault-env server beside a bare Hono route: `node bench/server.mjs [--rounds 10] [--seconds 3]`
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSource } from './load.mjs'
import { interleave, median, printMachine, printTable, ratio, readOptions, startRun } from './support.mjs'

const CLIENTS = 64
const SECRETS = 30
const options = readOptions(10, { seconds: { type: 'string', default: '3' } })
const seconds = Number(options.seconds)
const run = startRun('server', options.dist)
const child = fileURLToPath(new URL('server-child.mjs', import.meta.url))
const databaseUrl = `file:${join(run.folder, 'vault.db')}`
const { authKey, encryptBlob, encryptionKey, makeVaultKey, signRequest } = await loadSource(
  'src/core/crypto/vault-env.ts',
)

/** The server on a core of its own; this process, which is the clients, on another one. */
const taskset = ['/usr/bin/taskset', '/bin/taskset'].find((path) => existsSync(path))
if (taskset) spawn(taskset, ['-p', '-c', '1', String(process.pid)], { stdio: 'ignore' })
async function start(arm, answer = '') {
  const args = [child, arm, run.entry('server/index.js'), databaseUrl, answer]
  const [command, ...rest] = taskset
    ? [taskset, '-c', '0', process.execPath, ...args]
    : [process.execPath, ...args]
  const server = spawn(command, rest, { env: run.env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ url }] = await once(server, 'message')
  return { server, url }
}

// One project with 30 values.
const seeding = await start('ours')
const post = async (route, text, headers = {}) => {
  const response = await fetch(`${seeding.url}/api/v1/${route}`, { method: 'POST', body: text, headers })
  if (!response.ok) throw new Error(`${route}: ${response.status}`)
  return response.text()
}
const projectId = JSON.parse(await post('project/create', '{"project_name":"bench"}')).project_id
const vaultKey = makeVaultKey(projectId)
const key = authKey(vaultKey)
await post('project/set-key', JSON.stringify({ project_id: projectId, auth_key_hash: key.toString('hex') }))
const signed = (route, body) => {
  const text = JSON.stringify({ project_id: projectId, environment: 'production', ...body })
  return [route, text, { 'X-Vault-Signature': signRequest(text, key, Date.now()) }]
}
const deviceHash = randomBytes(32).toString('hex')
await post(...signed('devices/register', { device_name: 'bench', device_hash: deviceHash }))
const values = Object.fromEntries(
  Array.from({ length: SECRETS }, (_, index) => [`NAME_${index}`, randomBytes(24).toString('base64')]),
)
const secrets = encryptBlob(JSON.stringify(values), encryptionKey(vaultKey))
await post(...signed('secrets/push', { secrets, device_hash: deviceHash }))
const answer = await post(...signed('secrets/pull', { device_hash: deviceHash }))
seeding.server.send('end')
await once(seeding.server, 'exit')

printMachine(
  `${CLIENTS} clients pull ${SECRETS} values (${answer.length} bytes) of an approved device`,
  options.rounds,
)
const load = (arm) => async () => {
  const { server, url } = await start(arm, answer)
  await drive(url, 1)
  const before = await cpuOf(server)
  const result = await drive(url, seconds)
  const cpu = ((await cpuOf(server)) - before) / result.count
  server.send('end')
  await once(server, 'exit')
  return { ...result, cpu: cpu * 1e6 }
}
async function cpuOf(server) {
  server.send('cpu')
  const [{ cpu }] = await once(server, 'message')
  return cpu
}
const results = await interleave(
  { answers: load('answers'), again: load('answers'), reads: load('reads'), ours: load('ours') },
  options.rounds,
)
const of = (arm, field) => results[arm].map((result) => result[field])
const labels = {
  answers: 'bare route, answers',
  again: 'bare route, answers (A/A)',
  reads: 'bare route, reads JSON and answers',
  ours: 'vault-env server',
}
printTable([
  ['', 'pulls a second', 'p50 ms', 'p99 ms', 'CPU µs', 'rate / bare [min..max]', 'bare / ours, CPU'],
  ...Object.entries(labels).map(([arm, label]) => [
    label,
    median(of(arm, 'rate')).toFixed(0),
    median(of(arm, 'p50')).toFixed(1),
    median(of(arm, 'p99')).toFixed(1),
    median(of(arm, 'cpu')).toFixed(0),
    ...(arm === 'answers'
      ? ['', '']
      : [ratio(of(arm, 'rate'), of('answers', 'rate')), ratio(of('answers', 'cpu'), of(arm, 'cpu'))]),
  ]),
])
console.log(
  `\nserver on ${taskset ? 'one core, clients on another' : 'whatever core it gets'}; goal: 0.5 of bare`,
)

/** Every client sends its next request when it has the answer of the last one. */
async function drive(url, time) {
  const { port } = new URL(url)
  const body = JSON.stringify({ project_id: projectId, environment: 'production', device_hash: deviceHash })
  const request = [
    'POST /api/v1/secrets/pull HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    `X-Vault-Signature: ${signRequest(body, key, Date.now())}`,
    '',
    body,
  ].join('\r\n')
  const latencies = []
  const end = performance.now() + time * 1000
  const client = () =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', send)
      let sent = 0
      let text = ''
      function send() {
        if (performance.now() >= end) {
          socket.destroy()
          return resolve()
        }
        sent = performance.now()
        text = ''
        socket.write(request)
      }
      socket.setNoDelay(true)
      socket.on('error', reject)
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        if (!text.endsWith(answer)) return
        if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(text.slice(0, 200)))
        latencies.push(performance.now() - sent)
        send()
      })
      socket.on('close', resolve)
    })
  const started = performance.now()
  await Promise.all(Array.from({ length: CLIENTS }, client))
  const sorted = Float64Array.from(latencies).sort()
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  const count = sorted.length
  return { count, rate: count / ((performance.now() - started) / 1000), p50: at(0.5), p99: at(0.99) }
}
