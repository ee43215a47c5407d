// 200 secrets from AWS Secrets Manager (moto): `node bench/aws.mjs [--rounds 10]`
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { loadSource } from './load.mjs'
import { startMoto } from './servers.mjs'
import { atOnce, compare, printMachine, readOptions, startRun, timed } from './support.mjs'

const SECRETS = 200
/** The most that one BatchGetSecretValue takes. */
const BATCH = 20
const CONCURRENCY = 16
const options = readOptions(10)
const run = startRun('aws', options.dist)
Object.assign(process.env, run.env, { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' })
const { createSecrets } = await import(run.entry('index.js'))
const { aws } = await import(run.entry('providers/index.js'))

const { url: endpoint, stop } = await startMoto(await loadSource('test/support/servers.ts'))
const region = 'eu-west-1'
// The SDK writes into the object it is given: each client gets its own.
const credentials = { accessKeyId: 'bench', secretAccessKey: randomBytes(12).toString('hex') }
const values = Object.fromEntries(
  Array.from({ length: SECRETS }, (_, index) => [
    `bench/name-${index}`,
    randomBytes(24).toString('base64url'),
  ]),
)
const names = Object.keys(values)

async function ours() {
  const secrets = await createSecrets({
    configFile: false,
    root: run.folder,
    environment: 'production',
    providers: { aws: aws({ region, endpoint, auth: { method: 'keys', ...credentials } }) },
    secrets: Object.fromEntries(names.map((name, index) => [`NAME_${index}`, `aws:${name}`])),
    cache: false,
  })
  const snapshot = await secrets.load()
  await secrets.close()
  return names.map((_, index) => snapshot.get(`NAME_${index}`).reveal())
}

/** The SDK's own call for the same chunks, as many at once. */
async function bare() {
  const { SecretsManager } = await import('@aws-sdk/client-secrets-manager')
  const httpAgent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY })
  const client = new SecretsManager({
    region,
    endpoint,
    credentials: { ...credentials },
    maxAttempts: 1,
    requestHandler: { httpAgent },
  })
  const chunks = Array.from({ length: SECRETS / BATCH }, (_, index) =>
    names.slice(index * BATCH, (index + 1) * BATCH),
  )
  const answers = await atOnce(CONCURRENCY, chunks, (SecretIdList) =>
    client.batchGetSecretValue({ SecretIdList }),
  )
  client.destroy()
  const found = new Map(
    answers.flatMap(({ SecretValues }) => SecretValues.map((value) => [value.Name, value.SecretString])),
  )
  return names.map((name) => found.get(name))
}

const expected = Object.values(values)
const arms = { bare, again: bare, ours }
try {
  await fill()
  const first = await timed(ours, expected)
  // Not measured: what each imports and compiles at its first call.
  for (const arm of Object.values(arms)) for (let time = 0; time < 2; time++) await timed(arm, expected)
  printMachine(`${SECRETS} AWS secrets in batches of ${BATCH}, moto on the same machine`, options.rounds)
  await compare({ bare: 'bare SDK', again: 'bare SDK (A/A)', ours: 'ours' }, arms, expected, options.rounds)
  console.log(
    `\nours, the first in its process after the SDK: ${first.wall.toFixed(0)} ms, CPU ${first.cpu.toFixed(0)} ms`,
  )
} finally {
  await stop()
}

async function fill() {
  const { SecretsManager } = await import('@aws-sdk/client-secrets-manager')
  const client = new SecretsManager({ region, endpoint, credentials: { ...credentials } })
  await atOnce(CONCURRENCY, names, (Name) => client.createSecret({ Name, SecretString: values[Name] }))
  client.destroy()
}
