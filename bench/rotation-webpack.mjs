// The same in webpack-dev-server and Rspack's dev server, beside an edit of a module that has the value in it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rspack } from '@rspack/core'
import { RspackDevServer } from '@rspack/dev-server'
import webpack from 'webpack'
import WebpackDevServer from 'webpack-dev-server'
import { fresh, Memory, openBrowser, project, SHOW, tell, until } from './page.mjs'
import { interleave, median, printMachine, printTable, ratio, readOptions, startRun } from './support.mjs'

const options = readOptions(15)
const run = startRun('rotation-webpack', options.dist)
Object.assign(process.env, run.env)
const kinds = {
  webpack: {
    make: webpack,
    Server: WebpackDevServer,
    cache: (folder) => ({ type: 'filesystem', cacheDirectory: folder }),
  },
  Rspack: {
    make: rspack,
    Server: RspackDevServer,
    cache: (folder) => ({ type: 'persistent', storage: { type: 'filesystem', directory: folder } }),
  },
}

/** A dev server with one page and a persistent cache. */
async function open(name, { make, Server, cache }, id, plugins, files = {}) {
  const root = project(join(run.folder, name), {
    'public/index.html': '<!doctype html><p id="out"></p><script src="/main.js"></script>',
    'src/main.js': `${SHOW}import { KEY } from '${id}'
      show(KEY)
      import.meta.webpackHot.accept('${id}', () => show(KEY))`,
    ...files,
  })
  const compiler = make({
    context: root,
    mode: 'development',
    target: 'web',
    entry: './src/main.js',
    output: { path: join(root, 'dist') },
    cache: cache(join(root, 'cache')),
    stats: 'none',
    infrastructureLogging: { level: 'none' },
    plugins,
  })
  const server = new Server(
    {
      host: '127.0.0.1',
      port: 'auto',
      static: { directory: join(root, 'public'), watch: false },
      client: { logging: 'none' },
      devMiddleware: { stats: 'none' },
      setupMiddlewares: (all) => [{ name: 'told', path: '/__shown', middleware: tell }, ...all],
    },
    compiler,
  )
  await server.start()
  return { root, server, url: `http://127.0.0.1:${server.server.address().port}/` }
}

const browser = await openBrowser()
const visit = async ({ url }, value) => {
  const ready = until(value)
  await (await browser.newPage()).goto(url)
  await ready
}

const arms = {}
for (const [name, kind] of Object.entries(kinds)) {
  const { default: secrets } = await import(run.entry(`bundlers/${name.toLowerCase()}.js`))
  const memory = new Memory()
  const ours = await open(`${name}-ours`, kind, 'virtual:secrets/client', [secrets(memory.settings)])
  await visit(ours, memory.value)
  const module = (value) => `export const KEY = ${JSON.stringify(value)}\n`
  const bare = await open(`${name}-bare`, kind, './key.js', [], { 'src/key.js': module(memory.value) })
  await visit(bare, memory.value)
  arms[`${name}, secret`] = () => memory.rotate()
  arms[`${name}, secret (A/A)`] = () => memory.rotate()
  arms[`${name}, edited module`] = async () => {
    const next = fresh()
    const seen = until(next)
    const known = performance.now()
    writeFileSync(join(bare.root, 'src/key.js'), module(next))
    return (await seen) - known
  }
}
// Watching begins; and what each loads and compiles at its first time is not measured.
await new Promise((done) => setTimeout(done, 1000))
for (const arm of Object.values(arms)) for (let time = 0; time < 2; time++) await arm()

printMachine('From the change being known to the new value in the DOM, Chromium, dev servers', options.rounds)
const results = await interleave(arms, options.rounds)
printTable([
  ['arm', 'median ms', 'min', 'max', 'arm / edited module [min..max]'],
  ...Object.entries(results).map(([name, all]) => [
    name,
    median(all).toFixed(1),
    Math.min(...all).toFixed(1),
    Math.max(...all).toFixed(1),
    ratio(all, results[`${name.split(',')[0]}, edited module`]),
  ]),
])
await browser.close()
process.exit(0)
