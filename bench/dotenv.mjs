// `configSync()` from its sealed cache beside dotenv's own `config()` on a plain file: `node bench/dotenv.mjs [--rounds 25]`
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  interleave,
  median,
  printMachine,
  printTable,
  ratio,
  readOptions,
  runNode,
  startRun,
} from './support.mjs'

const SECRETS = 30
/** Calls in one go of the arms that share a process. */
const CALLS = 200
const options = readOptions(25)
const run = startRun('dotenv', options.dist)
const child = fileURLToPath(new URL('dotenv-child.mjs', import.meta.url))
const dotenv = createRequire(import.meta.url).resolve('dotenv')
const plain = join(run.folder, 'plain/.env')
const sealed = join(run.folder, 'sealed/.env')
for (const folder of ['plain', 'sealed']) mkdirSync(join(run.folder, folder))
Object.assign(process.env, run.env)

// The same values: in a plain file, and in the cache that a first `config()` leaves.
const values = Object.fromEntries(
  Array.from({ length: SECRETS }, (_, index) => [`BENCH_NAME_${index}`, randomBytes(24).toString('base64')]),
)
writeFileSync(
  plain,
  `${Object.entries(values)
    .map(([name, value]) => `${name}="${value}"`)
    .join('\n')}\n`,
)
const { serve } = await import(run.entry('server/index.js'))
const server = await serve({ port: 0, databaseUrl: `file:${join(run.folder, 'vault.db')}` })
const post = async (route, body) => {
  const url = `${server.url}/api/v1/${route}`
  return (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).json()
}
const { loadSource } = await import('./load.mjs')
const { authKey, makeVaultKey } = await loadSource('src/core/crypto/vault-env.ts')
const { project_id: id } = await post('project/create', { project_name: 'bench' })
const key = makeVaultKey(id)
await post('project/set-key', { project_id: id, auth_key_hash: authKey(key).toString('hex') })
const { openProject } = await loadSource('src/providers/vault-env/project.ts')
const context = { environment: 'production', signal: AbortSignal.timeout(10_000), userAgent: 'bench' }
await openProject({ url: server.url, key, context }).push(values, [])
writeFileSync(sealed, `VAULT_KEY=${key}\n`)
const ours = await import(run.entry('dotenv/index.js'))
await ours.config({ path: sealed, environment: 'production', vaultUrl: server.url })
await server.close()

printMachine(
  `configSync() of ${SECRETS} values, decrypted, beside dotenv's config() of a plain file`,
  options.rounds,
)
const theirs = (await import(pathToFileURL(dotenv).href)).default
const calls = (call) => async () => {
  const { user, system } = process.cpuUsage()
  for (let count = 0; count < CALLS; count++) {
    const { parsed } = call()
    if (parsed.BENCH_NAME_7 !== values.BENCH_NAME_7) throw new Error('a wrong value')
  }
  const after = process.cpuUsage()
  return (after.user - user + after.system - system) / 1000 / CALLS
}
const inProcess = {
  theirs: calls(() => theirs.config({ path: plain, override: true, quiet: true })),
  again: calls(() => theirs.config({ path: plain, override: true, quiet: true })),
  ours: calls(() => ours.configSync({ path: sealed, environment: 'production', override: true })),
}
for (const arm of Object.values(inProcess)) await arm()
const warm = await interleave(inProcess, options.rounds)

const fresh = (arm, entry, file) => async () => {
  const { report } = await runNode([child, entry, arm, file], run.env)
  if (arm !== 'nothing' && report.names !== SECRETS) throw new Error(`${arm}: ${report.names} names`)
  return report
}
const dotenvEntry = pathToFileURL(dotenv).href
const processes = await interleave(
  {
    nothing: fresh('nothing', '', ''),
    theirs: fresh('theirs', dotenvEntry, plain),
    again: fresh('theirs', dotenvEntry, plain),
    ours: fresh('ours', run.entry('dotenv/index.js'), sealed),
  },
  options.rounds,
)
const of = (arm, field) => processes[arm].map((report) => report[field])
const labels = { theirs: 'dotenv, a plain file', again: 'dotenv (A/A)', ours: 'configSync, sealed cache' }
printTable([
  ['CPU ms', 'warm call', 'ours/dotenv', 'first call', 'ours/dotenv', 'import', 'process over empty'],
  ...Object.entries(labels).map(([arm, label]) => [
    label,
    median(warm[arm]).toFixed(3),
    arm === 'theirs' ? '' : ratio(warm[arm], warm.theirs),
    median(of(arm, 'call')).toFixed(2),
    arm === 'theirs' ? '' : ratio(of(arm, 'call'), of('theirs', 'call')),
    median(of(arm, 'import')).toFixed(1),
    (median(of(arm, 'cpu')) - median(of('nothing', 'cpu'))).toFixed(1),
  ]),
])
console.log('\ngoal: 3 of dotenv')
