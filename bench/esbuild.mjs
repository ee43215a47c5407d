// What the plugin adds to an esbuild build: `node bench/esbuild.mjs [--modules 1000] [--kb 1] [--rounds 15]` (Linux)
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeApp } from './app.mjs'
import { interleave, printArms, printMachine, readOptions, runNode, startRun } from './support.mjs'

const options = readOptions(15, {
  modules: { type: 'string', default: '1000' },
  kb: { type: 'string', default: '1' },
})
const modules = Number(options.modules)
const run = startRun('esbuild', options.dist)
const app = join(run.folder, 'app')
mkdirSync(app)

const names = (prefix) => Array.from({ length: 20 }, (_, index) => `${prefix}_NAME_${index}`)
const client = names('CLIENT')
const server = names('SERVER')
const readers = writeApp(app, modules, client, Number(options.kb))
// Vite's way of naming files by the root is its own.
for (const entry of readdirSync(app, { recursive: true, withFileTypes: true })) {
  if (!/\.[jt]s$/.test(entry.name)) continue
  const file = join(entry.parentPath, entry.name)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replaceAll("'/src/", `'${relative(entry.parentPath, join(app, 'src'))}/`),
  )
}
const values = Object.fromEntries(
  [...client, ...server].map((name) => [name, randomBytes(24).toString('base64url')]),
)
writeFileSync(join(run.folder, 'values.json'), JSON.stringify(values))
writeFileSync(
  join(run.folder, 'client.js'),
  client.map((name) => `export const ${name} = ${JSON.stringify(values[name])}\n`).join(''),
)

const child = fileURLToPath(new URL('esbuild-child.mjs', import.meta.url))
const given = {
  app,
  main: 'src/part0/m0.js',
  entry: run.entry('bundlers/esbuild.js'),
  client,
  server,
  run: run.folder,
}
const build = async (plan) => {
  const { wall, report } = await runNode([child, JSON.stringify({ ...given, ...plan })], run.env)
  return { ...report, processWall: wall }
}
const arms = {
  none: () => build({ plugin: false, out: 'none' }),
  again: () => build({ plugin: false, out: 'again' }),
  plugin: () => build({ plugin: true, out: 'plugin' }),
}
// Not measured: fills the caches.
for (const arm of Object.values(arms)) await arm()
printMachine(
  `esbuild, ${modules} modules of ${options.kb} kB, ${readers.length} of them read a name; control: define, and a file for the virtual module`,
  options.rounds,
)
const results = await interleave(arms, options.rounds)
const figures = { 'build() and esbuild CPU': 'cpu', 'build() wall': 'wall', 'process wall': 'processWall' }
printArms(results, figures)
