// What the benchmarks share: options, a copy of the built package, interleaved rounds, one table.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root, temporary } from './load.mjs'

/**
 * `--rounds` and `--dist` for every benchmark, and what one adds.
 * @param {number} rounds the default
 * @param {Record<string, { type: 'string' | 'boolean', default?: string | boolean }>} [more]
 */
export function readOptions(rounds, more = {}) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: String(rounds) },
      dist: { type: 'string', default: join(root, 'dist') },
      ...more,
    },
  })
  const count = Number(values.rounds)
  if (!Number.isInteger(count) || count < 1) throw new Error('--rounds takes a whole number from 1 on')
  return { ...values, rounds: count }
}

/**
 * A folder for one run with the package in it as it is installed: another build of `dist/` changes nothing
 * here, and `unplugin-secrets/…` means this copy. It is removed at the end.
 * @returns {{ folder: string, entry: (path: string) => string, env: NodeJS.ProcessEnv }}
 */
export function startRun(name, dist) {
  if (!existsSync(join(dist, 'index.js'))) throw new Error(`${dist} is not built: node scripts/build.mjs`)
  const folder = join(temporary, `${name}-${process.pid}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(resolve(dist), join(folder, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  // The user's folders are the run's own, and nothing ambient takes part.
  const own = { XDG_CACHE_HOME: join(folder, 'cache'), XDG_CONFIG_HOME: join(folder, 'config') }
  const { PATH } = process.env
  const env = { PATH, HOME: folder, NODE_NO_WARNINGS: '1', ...own }
  return { folder, entry: (path) => pathToFileURL(join(folder, 'dist', path)).href, env }
}

/**
 * Runs a script in a Node process of its own.
 * @returns {Promise<{ wall: number, report: any }>} ms from start to end, and the JSON of its last line
 */
export function runNode(args, env) {
  return new Promise((done, fail) => {
    const started = performance.now()
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.once('error', fail)
    child.once('close', (code) => {
      const wall = performance.now() - started
      if (code !== 0) return fail(new Error(`${args[0]} ended with ${code}:\n${errors || output}`))
      done({ wall, report: JSON.parse(output.trim().split('\n').at(-1)) })
    })
  })
}

/**
 * Runs every arm once a round, each round in another order, so that what the machine does meanwhile falls on all of them.
 * @param {Record<string, () => Promise<T>>} arms
 * @returns {Promise<Record<string, T[]>>} by arm, in the order of the rounds
 * @template T
 */
export async function interleave(arms, rounds) {
  const names = Object.keys(arms)
  const results = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const turned = names.map((_, index) => names[(index + round) % names.length])
    for (const name of round % 2 ? turned.reverse() : turned) results[name].push(await arms[name]())
    if (process.stderr.isTTY) process.stderr.write(`\r${round + 1}/${rounds} `)
  }
  if (process.stderr.isTTY) process.stderr.write('\r')
  return results
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `1.04 [0.98..1.11]`: the median of what `of` gives for the pairs of each round. */
function pairwise(left, right, of, digits) {
  const all = left.map((value, round) => of(value, right[round]))
  const show = (value) => value.toFixed(digits)
  return `${show(median(all))} [${show(Math.min(...all))}..${show(Math.max(...all))}]`
}

export const ratio = (left, right) => pairwise(left, right, (a, b) => a / b, 2)
export const difference = (left, right) => pairwise(left, right, (a, b) => a - b, 0)

/** Prints rows of text in columns, the first row as the head. */
export function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)))
  const line = (row) =>
    row
      .map((cell, column) => String(cell ?? '').padEnd(widths[column]))
      .join('  ')
      .trimEnd()
  const [head, ...body] = rows.map(line)
  console.log([head, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n'))
}

/**
 * Prints figures of the arms `none`, `again` (the same once more) and `plugin`. Least of all rounds are compared too:
 * the least is what a process needs when nobody else takes part of the machine, and the median is not.
 * @param {Record<string, Record<string, number>[]>} results
 * @param {Record<string, string>} figures their keys in a result, by label
 */
export function printArms(results, figures) {
  const head = ['none ms', 'with ms', 'with/none [min..max]', 'A/A', 'least: none', 'with', 'ratio', 'A/A']
  printTable([
    ['', ...head],
    ...Object.entries(figures).map(([label, key]) => {
      const arms = ['none', 'again', 'plugin'].map((arm) => results[arm].map((result) => result[key]))
      const [base, again, plugin] = arms
      const [least, leastAgain, leastWith] = arms.map((all) => Math.min(...all))
      return [
        ...[label, ms(median(base)), ms(median(plugin)), ratio(plugin, base), ratio(again, base)],
        ...[ms(least), ms(leastWith), (leastWith / least).toFixed(2), (leastAgain / least).toFixed(2)],
      ]
    }),
  ])
}

/** What stands above every table: a figure without its machine says little. */
export function printMachine(title, rounds) {
  const load = loadavg()[0].toFixed(1)
  console.log(
    `${title}\n${rounds} rounds, Node ${process.versions.node}, ${cpus().length} cores, load ${load} before\n`,
  )
}

export const ms = (value) => value.toFixed(0)

/** Runs `work` for all items, so many at once. */
export async function atOnce(limit, items, work) {
  const results = []
  const waiting = items.entries()
  const worker = async () => {
    for (const [index, item] of waiting) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
  return results
}

/** One call in this process: ms, and whether it brought what was to be expected. */
export async function timed(work, expected) {
  const cpu = process.cpuUsage()
  const started = performance.now()
  const found = await work()
  const wall = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  if (found.length !== expected.length || found.some((value, index) => value !== expected[index])) {
    throw new Error(`${work.name}: wrong values`)
  }
  return { wall, cpu: (user + system) / 1000 }
}

/** Times the arms in turn, and prints them against the one called `bare`. */
export async function compare(labels, arms, expected, rounds) {
  const timings = Object.entries(arms).map(([name, arm]) => [name, () => timed(arm, expected)])
  const results = await interleave(Object.fromEntries(timings), rounds)
  const of = (arm, key) => results[arm].map((result) => result[key])
  printTable([
    ['', 'wall ms', 'client CPU ms', 'wall/bare [min..max]', 'CPU/bare [min..max]'],
    ...Object.entries(labels).map(([arm, label]) => [
      label,
      ms(median(of(arm, 'wall'))),
      ms(median(of(arm, 'cpu'))),
      ...(arm === 'bare' ? ['', ''] : ['wall', 'cpu'].map((key) => ratio(of(arm, key), of('bare', key)))),
    ]),
  ])
}
