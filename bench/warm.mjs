// What a warm start costs over an empty process: `node bench/warm.mjs [--rounds 15]`
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSource } from './load.mjs'
import { startVault } from './servers.mjs'
import {
  difference,
  interleave,
  median,
  ms,
  printMachine,
  printTable,
  readOptions,
  runNode,
  startRun,
} from './support.mjs'

const SECRETS = 30
const options = readOptions(15)
const run = startRun('warm', options.dist)
const app = join(run.folder, 'app')
mkdirSync(app)
const names = Array.from({ length: SECRETS }, (_, index) => `NAME_${index}`)
const child = fileURLToPath(new URL('warm-child.mjs', import.meta.url))
const start = async (arm, flags = []) => {
  const plan = { arm, app, count: SECRETS, index: run.entry('index.js'), vite: run.entry('bundlers/vite.js') }
  const { wall, report } = await runNode([...flags, child, JSON.stringify(plan)], run.env)
  return { ...report, wall }
}

await fillCache()
const watched = await watchLoading()
printMachine(
  `warm start, ${SECRETS} secrets of a vault provider in a fresh sealed cache, configuration in secrets.config.mjs`,
  options.rounds,
)
console.log(`The server is stopped. Loaded in a process that used the plugin: ${watched}\n`)

const results = await interleave(
  Object.fromEntries(
    ['empty', 'again', 'index', 'load', 'vite', 'plugin'].map((arm) => [arm, () => start(arm)]),
  ),
  options.rounds,
)
const of = (arm, key) => results[arm].map((result) => result[key])
const labels = {
  empty: 'empty process',
  again: 'empty process (A/A)',
  index: "import 'unplugin-secrets'",
  load: '… createSecrets().load()',
  vite: "import 'unplugin-secrets/vite'",
  plugin: '… config, configResolved',
}
printTable([
  ['', 'CPU ms', 'CPU over empty [min..max]', 'wall over empty [min..max]'],
  ...Object.entries(labels).map(([arm, label]) => [
    label,
    ms(median(of(arm, 'cpu'))),
    arm === 'empty' ? '' : difference(of(arm, 'cpu'), of('empty', 'cpu')),
    arm === 'empty' ? '' : difference(of(arm, 'wall'), of('empty', 'wall')),
  ]),
])

console.log('\nCPU ms inside the process, step by step (medians):')
for (const arm of ['load', 'plugin']) {
  const steps = Object.keys(results[arm][0].steps)
  const shown = steps.map(
    (step) => `${step} ${median(results[arm].map((result) => result.steps[step])).toFixed(1)}`,
  )
  console.log(`  ${labels[arm].slice(2)}: ${shown.join(', ')}`)
}

/** Asks a real server once; afterwards there is none. */
async function fillCache() {
  const { bao, url, ca, stop } = await startVault(await loadSource('test/support/bao.ts'), 'bench-warm')
  await bao.mount('kv', 2)
  const values = Object.fromEntries(names.map((name) => [name, randomBytes(24).toString('base64url')]))
  await Promise.all(names.map((name) => bao.write2('kv', name, { value: values[name] })))
  writeFileSync(join(app, 'ca.pem'), ca)
  writeFileSync(
    join(app, 'secrets.config.mjs'),
    `import { defineConfig } from 'unplugin-secrets'
import { vault } from 'unplugin-secrets/providers'

export default defineConfig({
  environment: 'production',
  providers: {
    vault: vault({ url: '${url}', mount: 'kv', tls: { caFile: 'ca.pem' }, auth: { method: 'token', token: '${bao.options.token}' } }),
  },
  secrets: {
${names.map((name) => `    ${name}: 'vault:${name}#value',`).join('\n')}
  },
  client: ['NAME_0', 'NAME_1'],
  cache: { ttl: '1d' },
  timeout: 2000,
})
`,
  )
  await start('load')
  await stop()
}

/** Everything that Node loads for the plugin, asked of Node itself; ends the run when the promise is broken. */
async function watchLoading() {
  const hooks = fileURLToPath(new URL('warm-watch.mjs', import.meta.url))
  const { loaded, builtins } = await start('plugin', ['--import', hooks])
  const packages = [
    ...new Set(loaded.flatMap((url) => url.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? [])),
  ].sort()
  const own = loaded
    .filter((url) => url.startsWith(run.entry('')))
    .map((url) => url.slice(run.entry('').length))
  const sdk = packages.filter((name) => /^(node-vault|axios|@aws-sdk\/|@smithy\/|jiti|c12)/.test(name))
  const network = builtins.filter((name) =>
    /^(child_process|https?|http2|tls|dns|net|worker_threads|_http_|_tls_)/.test(name),
  )
  const broken = [...sdk, ...network.filter((name) => name === 'child_process')]
  if (broken.length > 0) throw new Error(`a warm start loads ${broken.join(', ')}`)
  return [
    `${own.length} files of ours (${own.join(', ')})`,
    `packages ${packages.join(', ') || 'none'}`,
    `of Node's network and process modules ${network.join(', ') || 'none'}`,
  ].join('; ')
}
