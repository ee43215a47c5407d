// Cold fetch of 200 KV v2 secrets over TLS with an authority of its own: `node bench/vault.mjs [--rounds 10]`
import { randomBytes } from 'node:crypto'
import { Agent, get } from 'node:https'
import nodeVault from 'node-vault'
import { loadSource } from './load.mjs'
import { startVault } from './servers.mjs'
import { atOnce, compare, printMachine, readOptions, startRun, timed } from './support.mjs'

const SECRETS = 200
const CONCURRENCY = 16
const options = readOptions(10)
const run = startRun('vault', options.dist)
Object.assign(process.env, run.env)
const { createSecrets } = await import(run.entry('index.js'))
const { vault } = await import(run.entry('providers/index.js'))

const { bao, url, ca, stop } = await startVault(await loadSource('test/support/bao.ts'), 'bench-vault')
const { token } = bao.options
await bao.mount('kv', 2)
const values = Object.fromEntries(
  Array.from({ length: SECRETS }, (_, index) => [`NAME_${index}`, randomBytes(24).toString('base64url')]),
)
const names = Object.keys(values)
await atOnce(CONCURRENCY, names, (name) => bao.write2('kv', name, { value: values[name] }))

/** Everything from the configuration to the values: one login, the engine's version, 200 reads. */
async function ours() {
  const secrets = await createSecrets({
    configFile: false,
    root: run.folder,
    environment: 'production',
    providers: { vault: vault({ url, mount: 'kv', tls: { ca }, auth: { method: 'token', token } }) },
    secrets: Object.fromEntries(names.map((name) => [name, `vault:${name}#value`])),
    cache: false,
  })
  const snapshot = await secrets.load()
  await secrets.close()
  return names.map((name) => snapshot.get(name).reveal())
}

/** The least that can be done: kept-alive sockets, JSON, nothing checked. */
async function bare() {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY, ca })
  const found = await atOnce(CONCURRENCY, names, async (name) => {
    const body = await read(`${url}/v1/kv/data/${name}`, agent)
    return body.data.data.value
  })
  agent.destroy()
  return found
}

function read(address, agent) {
  return new Promise((resolve, reject) => {
    const request = get(address, { agent, headers: { 'X-Vault-Token': token } }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks))))
    })
    request.on('error', reject)
  })
}

/** node-vault as it comes, with the authority. */
async function library() {
  const client = nodeVault({ endpoint: url, token, requestOptions: { ca } })
  return atOnce(CONCURRENCY, names, async (name) => (await client.read(`kv/data/${name}`)).data.data.value)
}

const expected = Object.values(values)
const arms = { bare, again: bare, ours, library }
try {
  const first = await timed(ours, expected)
  // Not measured: what each imports and compiles at its first call.
  for (const arm of Object.values(arms)) for (let time = 0; time < 2; time++) await timed(arm, expected)
  printMachine(
    `${SECRETS} KV v2 secrets over TLS, ${CONCURRENCY} at once, OpenBao on the same machine`,
    options.rounds,
  )
  await compare(
    {
      bare: 'bare node:https',
      again: 'bare node:https (A/A)',
      ours: 'ours',
      library: 'node-vault as it comes',
    },
    arms,
    expected,
    options.rounds,
  )
  console.log(
    `\nours, the first in its process, with what it imports: ${first.wall.toFixed(0)} ms, CPU ${first.cpu.toFixed(0)} ms`,
  )
} finally {
  await stop()
}
