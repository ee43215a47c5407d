// From a write to OpenBao (KV v2) to the new text in the DOM, asked once a second, and what a check costs the server.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer } from 'vite'
import { loadSource } from './load.mjs'
import { fresh, openBrowser, project, SHOW, tell, until } from './page.mjs'
import { startVault } from './servers.mjs'
import { atOnce, interleave, median, printMachine, printTable, readOptions, startRun } from './support.mjs'

const SECRETS = 200
const PATHS = 10
const options = readOptions(15)
const run = startRun('rotation-vault', options.dist)
Object.assign(process.env, run.env)
const { default: secrets } = await import(run.entry('bundlers/vite.js'))
const { createSecrets } = await import(run.entry('index.js'))
const { vault } = await import(run.entry('providers/index.js'))
const { Gate } = await loadSource('test/support/gate.ts')

const { bao, url, ca, stop } = await startVault(await loadSource('test/support/bao.ts'), 'bench-rotation')
const { token } = bao.options
await bao.mount('kv', 2)
const keys = Array.from({ length: SECRETS / PATHS }, (_, index) => `k${index}`)
const document = () => Object.fromEntries(keys.map((key) => [key, fresh()]))
const pathsOf = (apart) =>
  Array.from({ length: PATHS }, (_, index) => (apart ? `apart${index}/doc` : `app/doc${index}`))
for (const paths of [pathsOf(true), pathsOf(false)])
  await atOnce(PATHS, paths, (path) => bao.write2('kv', path, document()))
const named = (paths) =>
  Object.fromEntries(
    paths.flatMap((path, at) => keys.map((key) => [`S_${at}_${key}`, `vault:${path}#${key}`])),
  )
const first = fresh()
await bao.write2('kv', 'web', { key: first })

// Counts on the way to the server.
const gate = await new Gate(url, ca).start()
const provider = (at, more) => vault({ url: at, mount: 'kv', auth: { method: 'token', token }, ...more })
async function requestsFor(paths) {
  const opened = await createSecrets({
    configFile: false,
    root: run.folder,
    providers: { vault: provider(gate.url) },
    secrets: named(paths),
    cache: false,
  })
  await opened.load()
  const watch = await opened.watch({ interval: Infinity, onChange() {} })
  await watch.check()
  gate.requests.length = 0
  await watch.check()
  const { length } = gate.requests
  await opened.close()
  return length
}
const [apart, together] = [await requestsFor(pathsOf(true)), await requestsFor(pathsOf(false))]
await gate.stop()

const root = project(join(run.folder, 'app'), {
  'index.html': '<!doctype html><p id="out"></p><script type="module" src="/src/main.js"></script>',
  'src/main.js': `${SHOW}import { KEY } from 'virtual:secrets/client'
    show(KEY)
    import.meta.hot.accept('virtual:secrets/client', (module) => show(module.KEY))`,
})
const server = await createServer({
  root,
  configFile: false,
  logLevel: 'silent',
  server: { port: 0, host: '127.0.0.1' },
  plugins: [
    { name: 'told', configureServer: ({ middlewares }) => void middlewares.use('/__shown', tell) },
    secrets({
      providers: { vault: provider(url, { tls: { ca } }) },
      secrets: { KEY: 'vault:web#key', ...named(pathsOf(false)) },
      client: ['KEY'],
      types: false,
      watch: { interval: '1s' },
    }),
  ],
})
await server.listen()
const browser = await openBrowser()
const ready = until(first)
await (await browser.newPage()).goto(server.resolvedUrls.local[0])
await ready

const change = async () => {
  // At any moment between two checks.
  await sleep(Math.random() * 1000)
  const next = fresh()
  const seen = until(next)
  await bao.write2('kv', 'web', { key: next })
  const written = performance.now()
  return (await seen) - written
}
for (let time = 0; time < 2; time++) await change()
printMachine(`A page with ${SECRETS + 1} secrets of OpenBao over TLS, asked once a second`, options.rounds)
const { change: all } = await interleave({ change }, options.rounds)
printTable([
  ['figure', 'measured', 'goal'],
  ['written to shown, median', `${median(all).toFixed(0)} ms`, '1300 ms'],
  ['shortest', `${Math.min(...all).toFixed(0)} ms`, ''],
  ['longest', `${Math.max(...all).toFixed(0)} ms`, ''],
  [`requests a check, ${PATHS} paths in folders of their own`, apart, '10'],
  [`requests a check, ${PATHS} paths in one folder`, together, '1'],
])
await browser.close()
await server.close()
await stop()
process.exit(0)
