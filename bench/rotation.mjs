// A changed value in a page: from the moment the change is known to the new text in the DOM, in Chromium.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { createServer } from 'vite'
import { serverParts } from './servers.mjs'
import { interleave, median, printMachine, printTable, ratio, readOptions, startRun } from './support.mjs'

const options = readOptions(15)
const run = startRun('rotation', options.dist)
Object.assign(process.env, run.env)
const { default: secrets } = await import(run.entry('bundlers/vite.js'))

const fresh = () => `value_${randomBytes(12).toString('hex')}`
/** The page tells what it shows; every arm pays for that alike. */
let shown = () => {}
const told = {
  name: 'told',
  configureServer({ middlewares }) {
    middlewares.use('/__shown', (request, response) => {
      shown(decodeURIComponent(request.url.slice(2)), performance.now())
      response.end()
    })
  },
}
const until = (value) =>
  new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error('The page never showed the new value.')), 20_000)
    shown = (text, at) => {
      if (text !== value) return
      clearTimeout(timer)
      done(at)
    }
  })

/** A server with one page, which shows what `main` gives it. */
async function open(name, main, plugins, files = {}) {
  const root = join(run.folder, name)
  mkdirSync(join(root, 'src'), { recursive: true })
  const page = '<!doctype html><p id="out"></p><script type="module" src="/src/main.js"></script>'
  const show = `const show = (text) => {
    document.querySelector('#out').textContent = text
    fetch('/__shown?' + encodeURIComponent(text))
  }\n`
  for (const [file, text] of Object.entries({
    'index.html': page,
    'package.json': '{ "type": "module" }',
    'src/main.js': show + main,
    ...files,
  }))
    writeFileSync(join(root, file), text)
  const server = await createServer({
    root,
    configFile: false,
    logLevel: 'silent',
    server: { port: 0, host: '127.0.0.1' },
    plugins: [told, ...plugins],
  })
  await server.listen()
  return { root, server, url: server.resolvedUrls.local[0] }
}

const first = fresh()
let value = first
let version = 1
let changed = () => {}
const provider = {
  type: 'memory',
  location: 'memory',
  cached: false,
  read: async (requests) => requests.map(() => ({ value, version: String(version) })),
  versions: async (requests) => requests.map(() => String(version)),
  watch(_, call) {
    changed = call
    return () => {}
  },
}
const accepting = (id) => `import { KEY } from '${id}'
  show(KEY)
  import.meta.hot.accept('${id}', (module) => show(module.KEY))`

const ours = await open('ours', accepting('virtual:secrets/client'), [
  secrets({ providers: { memory: provider }, secrets: { KEY: 'memory:key' }, client: ['KEY'], types: false }),
])
let bareValue = first
const bare = await open('bare', accepting('virtual:bare'), [
  {
    name: 'bare',
    resolveId: (id) => (id === 'virtual:bare' ? `\0${id}` : undefined),
    load: (id) => (id === '\0virtual:bare' ? `export const KEY = ${JSON.stringify(bareValue)}` : undefined),
  },
])
const env = await open('env', `show(import.meta.env.VITE_KEY)`, [], { '.env': `VITE_KEY=${first}\n` })

const browser = await chromium.launch({
  executablePath: serverParts().chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
})
for (const { url } of [ours, bare, env]) {
  const ready = until(first)
  await (await browser.newPage()).goto(url)
  await ready
}
// A watch begins when the server has nothing else to do.
await new Promise((done) => setTimeout(done, 500))

const rotate = async () => {
  const next = fresh()
  const seen = until(next)
  value = next
  version++
  const known = performance.now()
  changed()
  return (await seen) - known
}
const arms = {
  'secret, HMR': rotate,
  'secret, HMR (A/A)': rotate,
  'bare virtual module, HMR': async () => {
    const next = fresh()
    const seen = until(next)
    const { client } = bare.server.environments
    bareValue = next
    const known = performance.now()
    await client.reloadModule(client.moduleGraph.getModuleById('\0virtual:bare'))
    return (await seen) - known
  },
  "Vite's own .env edit": async () => {
    const next = fresh()
    const seen = until(next)
    let known
    // As soon as Vite's own watcher tells it; what the file system took before is nobody's.
    env.server.watcher.prependOnceListener('change', () => (known = performance.now()))
    writeFileSync(join(env.root, '.env'), `VITE_KEY=${next}\n`)
    const at = await seen
    // The page connects anew, and the watcher begins anew.
    await new Promise((done) => setTimeout(done, 300))
    return at - known
  },
}

printMachine('From the change being known to the new value in the DOM, Chromium, Vite', options.rounds)
const results = await interleave(arms, options.rounds)
const base = results['secret, HMR']
printTable([
  ['arm', 'median ms', 'min', 'max', 'arm / secret [min..max]'],
  ...Object.entries(results).map(([name, all]) => [
    name,
    median(all).toFixed(1),
    Math.min(...all).toFixed(1),
    Math.max(...all).toFixed(1),
    ratio(all, base),
  ]),
])
await browser.close()
await Promise.all([ours, bare, env].map(({ server }) => server.close()))
process.exit(0)
