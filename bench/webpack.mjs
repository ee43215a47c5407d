// What the plugin adds to a webpack and an Rspack build:
// `node bench/webpack.mjs [--bundler webpack|rspack] [--modules 1000] [--kb 1] [--rounds 10] [--control define|bare]`
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeApp } from './app.mjs'
import { interleave, printArms, printMachine, readOptions, runNode, startRun } from './support.mjs'

const options = readOptions(10, {
  bundler: { type: 'string', default: '' },
  modules: { type: 'string', default: '1000' },
  kb: { type: 'string', default: '1' },
  control: { type: 'string', default: 'define' },
})
const modules = Number(options.modules)
const run = startRun('webpack', options.dist)
const app = join(run.folder, 'app')
mkdirSync(app)

const names = (prefix) => Array.from({ length: 20 }, (_, index) => `${prefix}_NAME_${index}`)
const client = names('CLIENT')
const server = names('SERVER')
const readers = writeApp(app, modules, client, Number(options.kb))
const values = Object.fromEntries(
  [...client, ...server].map((name) => [name, randomBytes(24).toString('base64url')]),
)
writeFileSync(join(run.folder, 'values.json'), JSON.stringify(values))
// The same app without the plugin: a real file stands where the virtual module is imported.
const bare = join(run.folder, 'bare')
cpSync(app, bare, { recursive: true })
writeFileSync(
  join(bare, 'client.js'),
  client.map((name) => `export const ${name} = ${JSON.stringify(values[name])}\n`).join(''),
)
for (const reader of readers) {
  const file = join(bare, reader.slice(app.length))
  writeFileSync(file, readFileSync(file, 'utf8').replace('virtual:secrets/client', '/client.js'))
}

const child = fileURLToPath(new URL('webpack-child.mjs', import.meta.url))
for (const bundler of options.bundler ? [options.bundler] : ['webpack', 'rspack']) {
  const build = async (plan) => {
    const given = {
      bundler,
      client,
      server,
      run: run.folder,
      entry: run.entry(`bundlers/${bundler}.js`),
      ...plan,
    }
    const { wall, report } = await runNode([child, JSON.stringify(given)], run.env)
    return { ...report, processWall: wall }
  }
  const none = { app: bare, control: options.control, out: `${bundler}-none` }
  const own = { app, plugin: true, out: `${bundler}-plugin` }

  // Not measured: fills the cache and the file system's, and says which modules came to a loader of ours.
  await build(none)
  const seen = await build({ ...own, count: true })
  const strangers = seen.rewritten.filter((id) => !readers.includes(id))
  // webpack is JavaScript itself: a word is looked for in every module. Rspack must keep them to itself.
  if (bundler === 'rspack' && strangers.length > 0)
    throw new Error(
      `${strangers.length} modules that name no secret were handed over: ${strangers.slice(0, 3)}`,
    )
  printMachine(
    `${bundler} build, ${modules} modules of ${options.kb} kB, ${readers.length} of them read a name; control: ${options.control}`,
    options.rounds,
  )
  console.log(`JavaScript of ours was called for ${seen.rewritten.length} modules of ${modules}\n`)
  const arms = {
    none: () => build(none),
    again: () => build({ ...none, out: `${bundler}-again` }),
    plugin: () => build(own),
  }
  const results = await interleave(arms, options.rounds)
  const figures = {
    'run() CPU': 'cpu',
    'run() wall': 'wall',
    'process CPU': 'processCpu',
    'process wall': 'processWall',
  }
  printArms(results, figures)
  console.log(
    `\noutput: ${results.none[0].bytes} bytes without, ${results.plugin[0].bytes} with the plugin\n`,
  )
}
