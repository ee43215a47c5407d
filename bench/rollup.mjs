// What the plugin adds to a Rollup and a Rolldown build:
// `node bench/rollup.mjs [--bundler rollup|rolldown] [--modules 1000] [--kb 1] [--rounds 10]`
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { writeApp } from './app.mjs'
import { interleave, printArms, printMachine, readOptions, runNode, startRun } from './support.mjs'

const options = readOptions(10, {
  bundler: { type: 'string', default: '' },
  modules: { type: 'string', default: '1000' },
  kb: { type: 'string', default: '1' },
})
const modules = Number(options.modules)
const run = startRun('rollup', options.dist)
const names = (prefix) => Array.from({ length: 20 }, (_, index) => `${prefix}_NAME_${index}`)
const client = names('CLIENT')
const server = names('SERVER')
const values = Object.fromEntries(
  [...client, ...server].map((name) => [name, randomBytes(24).toString('base64url')]),
)
writeFileSync(join(run.folder, 'values.json'), JSON.stringify(values))
writeFileSync(
  join(run.folder, 'client.js'),
  client.map((name) => `export const ${name} = ${JSON.stringify(values[name])}\n`).join(''),
)

/** Rollup reads JavaScript only: types are taken away beforehand, so that no compiler is in either arm. */
function prepare(bundler) {
  const app = join(run.folder, bundler)
  mkdirSync(app)
  const readers = writeApp(app, modules, client, Number(options.kb))
  for (const entry of readdirSync(app, { recursive: true, withFileTypes: true })) {
    if (!/\.[jt]s$/.test(entry.name)) continue
    const file = join(entry.parentPath, entry.name)
    const above = relative(entry.parentPath, join(app, 'src'))
    const text = readFileSync(file, 'utf8').replaceAll("'/src/", `'${above}/`)
    const isPlain = bundler === 'rolldown' || entry.name.endsWith('.js')
    writeFileSync(file, isPlain ? text : transformSync(text, { loader: 'ts', target: 'es2022' }).code)
  }
  return { app, readers }
}

const child = fileURLToPath(new URL('rollup-child.mjs', import.meta.url))
for (const bundler of options.bundler ? [options.bundler] : ['rollup', 'rolldown']) {
  const { app, readers } = prepare(bundler)
  const entry = run.entry(`bundlers/${bundler}.js`)
  const given = { bundler, app, main: 'src/part0/m0.js', entry, client, server, run: run.folder }
  const build = async (plan) => {
    const { wall, report } = await runNode([child, JSON.stringify({ ...given, ...plan })], run.env)
    return { ...report, processWall: wall }
  }
  const arms = {
    none: () => build({ plugin: false, out: `${bundler}-none` }),
    again: () => build({ plugin: false, out: `${bundler}-again` }),
    plugin: () => build({ plugin: true, out: `${bundler}-plugin` }),
  }
  // Not measured: fills the caches.
  for (const arm of Object.values(arms)) await arm()
  printMachine(
    `${bundler}, ${modules} modules of ${options.kb} kB, ${readers.length} of them read a name; control: a file for the virtual module${bundler === 'rolldown' ? ', and define' : ''}`,
    options.rounds,
  )
  const results = await interleave(arms, options.rounds)
  const figures = {
    'build and write CPU': 'cpu',
    'build and write wall': 'wall',
    'process wall': 'processWall',
  }
  printArms(results, figures)
  console.log()
}
