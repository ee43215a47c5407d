// What the plugin adds to a Vite build: `node bench/build.mjs [--modules 1000] [--kb 1] [--rounds 10] [--control define|bare]`
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeApp } from './app.mjs'
import { interleave, printArms, printMachine, readOptions, runNode, startRun } from './support.mjs'

const options = readOptions(10, {
  modules: { type: 'string', default: '1000' },
  kb: { type: 'string', default: '1' },
  control: { type: 'string', default: 'define' },
})
const modules = Number(options.modules)
const run = startRun('build', options.dist)
const app = join(run.folder, 'app')
mkdirSync(app)

const names = (prefix) => Array.from({ length: 20 }, (_, index) => `${prefix}_NAME_${index}`)
const client = names('CLIENT')
const server = names('SERVER')
const readers = writeApp(app, modules, client, Number(options.kb))
const values = Object.fromEntries(
  [...client, ...server].map((name) => [name, randomBytes(24).toString('base64url')]),
)
const clientValues = Object.entries(values).filter(([name]) => client.includes(name))
writeFileSync(join(run.folder, 'values.json'), JSON.stringify(values))
// What stands in for the virtual module where the plugin is not there.
writeFileSync(
  join(run.folder, 'client.js'),
  clientValues.map(([name, value]) => `export const ${name} = ${JSON.stringify(value)}\n`).join(''),
)

const child = fileURLToPath(new URL('build-child.mjs', import.meta.url))
const build = async (plan, flags = []) => {
  const given = { app, entry: run.entry('bundlers/vite.js'), client, server, run: run.folder, ...plan }
  const { wall, report } = await runNode([...flags, child, JSON.stringify(given)], run.env)
  return { ...report, processWall: wall }
}
const none = { plugin: false, control: options.control, out: 'none' }
const own = { plugin: true, out: 'plugin' }

// Not measured: fills the cache and the file system's, and says which modules came to a hook of ours.
await build(none)
const seen = await build({ ...own, count: true })
const strangers = seen.transformed.filter((id) => !readers.includes(id))
if (strangers.length > 0)
  throw new Error(
    `${strangers.length} modules that name no secret reached the plugin: ${strangers.slice(0, 3)}`,
  )
if (seen.missing > 0) throw new Error(`${seen.missing} of ${client.length} values did not come through`)

printMachine(
  `vite build, ${modules} modules of ${options.kb} kB, ${readers.length} of them read a name; control: ${options.control}`,
  options.rounds,
)
console.log(
  `JavaScript of ours was called for ${seen.transformed.length} modules of ${modules} (transform), ${seen.resolved} ids (resolveId), ${seen.loaded} virtual modules (load)\n`,
)
const results = await interleave(
  { none: () => build(none), again: () => build({ ...none, out: 'again' }), plugin: () => build(own) },
  options.rounds,
)

const figures = {
  'build() CPU': 'cpu',
  'build() wall': 'wall',
  'process CPU': 'processCpu',
  'process wall': 'processWall',
}
printArms(results, figures)
console.log(`\noutput: ${results.none[0].bytes} bytes without, ${results.plugin[0].bytes} with the plugin`)
