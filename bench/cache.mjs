// What opening the sealed cache costs, by its size: `node bench/cache.mjs [--rounds 15]`
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { loadSource, temporary } from './load.mjs'
import { interleave, median, printMachine, printTable, readOptions, runNode, startRun } from './support.mjs'

const options = readOptions(15)
const run = startRun('cache', options.dist)
const child = fileURLToPath(new URL('cache-child.mjs', import.meta.url))
Object.assign(process.env, run.env)
const { openCache } = await loadSource('src/core/cache/index.ts')
const bundle = pathToFileURL(join(temporary, 'src-core-cache-index-ts.mjs')).href

const SIZES = [1, 200, 1000]
/** ms of CPU that the first opening may cost. */
const GOALS = { 200: 5, 1000: 15 }
for (const size of SIZES) {
  mkdirSync(place(size))
  const cache = openCache({
    root: place(size),
    profile: undefined,
    environment: 'production',
    warn: console.warn,
  })
  await cache.update((entries) => {
    for (let at = 0; at < size; at++) {
      const key = `https://vault.example.com\nvault:apps/service-${at % 40}#name_${at}`
      entries.set(key, {
        kind: 'text',
        text: randomBytes(24).toString('base64'),
        version: '3',
        fetchedAt: Date.now(),
      })
    }
  })
}

printMachine('opening a sealed cache: keys, file, seal, content', options.rounds)
const arms = Object.fromEntries(
  SIZES.map((size) => [size, () => runNode([child, bundle, place(size), String(size)], run.env)]),
)
const results = await interleave(arms, options.rounds)
const show = (size, which, key) => {
  const all = results[size].map(({ report }) => report[which][key])
  return `${median(all).toFixed(1)} [${Math.min(...all).toFixed(1)}..${Math.max(...all).toFixed(1)}]`
}
printTable([
  ['values', 'first: CPU ms', 'wall ms', 'again: CPU ms', 'goal: first CPU ms'],
  ...SIZES.map((size) => [
    size,
    show(size, 'first', 'cpu'),
    show(size, 'first', 'wall'),
    show(size, 'second', 'cpu'),
    GOALS[size] ?? '',
  ]),
])

function place(size) {
  return join(run.folder, `project-${size}`)
}
