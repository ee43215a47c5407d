// A changed value in a page of Vite's: from the moment the change is known to the new text in the DOM, in Chromium.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'vite'
import { fresh, Memory, openBrowser, project, SHOW, tell, until } from './page.mjs'
import { interleave, median, printMachine, printTable, ratio, readOptions, startRun } from './support.mjs'

const options = readOptions(15)
const run = startRun('rotation', options.dist)
Object.assign(process.env, run.env)
const { default: secrets } = await import(run.entry('bundlers/vite.js'))

/** A server with one page, which shows what `main` gives it. */
async function open(name, main, plugins, files = {}) {
  const root = project(join(run.folder, name), {
    'index.html': '<!doctype html><p id="out"></p><script type="module" src="/src/main.js"></script>',
    'src/main.js': SHOW + main,
    ...files,
  })
  const told = { name: 'told', configureServer: ({ middlewares }) => void middlewares.use('/__shown', tell) }
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

const memory = new Memory()
const first = memory.value
const accepting = (id) => `import { KEY } from '${id}'
  show(KEY)
  import.meta.hot.accept('${id}', (module) => show(module.KEY))`

const ours = await open('ours', accepting('virtual:secrets/client'), [secrets(memory.settings)])
let bareValue = first
const bare = await open('bare', accepting('virtual:bare'), [
  {
    name: 'bare',
    resolveId: (id) => (id === 'virtual:bare' ? `\0${id}` : undefined),
    load: (id) => (id === '\0virtual:bare' ? `export const KEY = ${JSON.stringify(bareValue)}` : undefined),
  },
])
const env = await open('env', `show(import.meta.env.VITE_KEY)`, [], { '.env': `VITE_KEY=${first}\n` })

const browser = await openBrowser()
for (const { url } of [ours, bare, env]) {
  const ready = until(first)
  await (await browser.newPage()).goto(url)
  await ready
}
// A watch begins when the server has nothing else to do.
await new Promise((done) => setTimeout(done, 500))

const arms = {
  'secret, HMR': () => memory.rotate(),
  'secret, HMR (A/A)': () => memory.rotate(),
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

// Not measured: what each loads and compiles at its first time.
for (const arm of Object.values(arms)) for (let time = 0; time < 2; time++) await arm()
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
