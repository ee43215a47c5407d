// What `secrets run -- node -e 0` costs over `node -e 0`: `node bench/run.mjs [--rounds 15] [--no-peers]`
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSource } from './load.mjs'
import { startVault } from './servers.mjs'
import {
  difference,
  interleave,
  median,
  ms,
  printMachine,
  printTable,
  readOptions,
  startRun,
} from './support.mjs'

const SECRETS = 30
const options = readOptions(15, { 'no-peers': { type: 'boolean', default: false } })
const run = startRun('run', options.dist)
const app = join(run.folder, 'app')
mkdirSync(app)
const names = Array.from({ length: SECRETS }, (_, index) => `NAME_${index}`)
const values = Object.fromEntries(names.map((name) => [name, randomBytes(24).toString('base64url')]))
const main = join(run.folder, 'dist/cli/main.js')
const child = [process.execPath, '-e', '0']
/** As bare as a program that starts another one and masks its output can be: no value, no flag, no file. */
const floor = join(app, 'floor.mjs')
writeFileSync(
  floor,
  `import { spawn } from 'node:child_process'
const child = spawn(process.argv[2], process.argv.slice(3), { stdio: ['inherit', 'pipe', 'pipe'] })
child.stdout.pipe(process.stdout, { end: false })
child.stderr.pipe(process.stderr, { end: false })
child.once('close', (code) => (process.exitCode = code))
`,
)
await fillCache()

const node = process.execPath
const arms = {
  empty: child,
  again: child,
  floor: [node, floor, ...child],
  run: [node, main, 'run', '--', ...child],
  handed: [node, main, 'run', '--no-export', '--', ...child],
  unmasked: [node, main, 'run', '--no-mask', '--', ...child],
  ...(options['no-peers'] ? {} : peers()),
}
const labels = {
  empty: '`node -e 0`',
  again: '`node -e 0` (A/A)',
  floor: '`node floor.mjs node -e 0` (starts it, and nothing else)',
  run: '`secrets run -- node -e 0`',
  handed: '`secrets run --no-export -- node -e 0`',
  unmasked: '`secrets run --no-mask -- node -e 0`',
}
for (const [arm, command] of Object.entries(arms)) await checked(arm, command)
printMachine(`secrets run, ${SECRETS} secrets of a vault provider in a fresh sealed cache`, options.rounds)
const results = await interleave(
  Object.fromEntries(Object.entries(arms).map(([arm, command]) => [arm, () => timedTree(command)])),
  options.rounds,
)
const of = (arm, key) => results[arm].map((result) => result[key])
printTable([
  ['', 'CPU ms, min', 'median', 'over empty: median [min..max]', 'over floor', 'wall over empty'],
  ...Object.keys(arms).map((arm) => [
    labels[arm] ?? arm,
    ms(Math.min(...of(arm, 'cpu'))),
    ms(median(of(arm, 'cpu'))),
    arm === 'empty' ? '' : difference(of(arm, 'cpu'), of('empty', 'cpu')),
    ['empty', 'again', 'floor'].includes(arm) ? '' : difference(of(arm, 'cpu'), of('floor', 'cpu')),
    arm === 'empty' ? '' : difference(of(arm, 'wall'), of('empty', 'wall')),
  ]),
])

/** The values arrive at the program, each of them: an arm that hands nothing over would be a fast one. */
async function checked(arm, command) {
  if (['empty', 'again', 'floor', 'handed'].includes(arm)) return
  const script =
    'for (const name in process.env) if (/^NAME_/.test(name)) console.error(name.length + process.env[name].length)'
  const asks = [...command.slice(0, -child.length), node, '-e', script]
  const { errors } = await timedTree(asks)
  const lengths = errors
    .split('\n')
    .filter((line) => /^\d+$/.test(line))
    .sort()
  const expected = names.map((name) => String(name.length + values[name].length)).sort()
  if (lengths.join() !== expected.join()) throw new Error(`${arm}: the values are not there\n${errors}`)
}

/** A program and everything that it starts. @returns ms */
function timedTree(command) {
  return new Promise((done, fail) => {
    const started = performance.now()
    const shell = spawn('bash', ['-c', 'TIMEFORMAT="%3U %3S"; time "$@"', 'bash', ...command], {
      cwd: app,
      env: { ...run.env, DO_NOT_TRACK: '1', VARLOCK_TELEMETRY_DISABLED: 'true' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let errors = ''
    shell.stderr.on('data', (chunk) => (errors += chunk))
    shell.once('error', fail)
    shell.once('close', (code) => {
      const wall = performance.now() - started
      if (code !== 0) return fail(new Error(`${command.join(' ')} ended with ${code}:\n${errors}`))
      const [user, system] = errors.trim().split('\n').at(-1).split(' ').map(Number)
      done({ wall, cpu: (user + system) * 1000, errors })
    })
  })
}

/** Others that do this, each with the same 30 values in a plain file. What does not install here is left out. */
function peers() {
  const folder = join(run.folder, 'peers')
  mkdirSync(folder)
  const env = names.map((name) => `${name}=${values[name]}\n`).join('')
  writeFileSync(join(app, '.env'), env)
  writeFileSync(join(app, '.env.schema'), names.map((name) => `# @type=string\n${name}=\n`).join('\n'))
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const found = {}
  for (const [name, bin, args] of [
    ['@dotenvx/dotenvx', 'dotenvx', ['run', '-q', '--']],
    ['varlock', 'varlock', ['run', '--']],
    ['dotenv-cli', 'dotenv', ['--']],
  ]) {
    let from = name
    try {
      execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, name], { stdio: 'pipe' })
      const home = join(folder, 'node_modules', name)
      const { version, bin: bins, engines } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
      const file = join(home, typeof bins === 'string' ? bins : bins[bin])
      if (!existsSync(file)) throw new Error('no program')
      const label = `\`${name} ${version}\``
      from = `${name} ${version}`
      execFileSync(node, [file, ...args, ...child], {
        cwd: app,
        env: run.env,
        stdio: 'pipe',
        timeout: 20_000,
      })
      found[label] = [node, file, ...args, ...child]
      if (engines?.node) console.log(`${name} ${version} asks for Node ${engines.node}`)
    } catch (error) {
      console.log(
        `${from} is left out: ${
          String(error.stderr ?? error.message)
            .trim()
            .split('\n')[0]
        }`,
      )
    }
  }
  return found
}

/** Asks a real server once; afterwards there is none. */
async function fillCache() {
  const { bao, url, ca, stop } = await startVault(await loadSource('test/support/bao.ts'), 'bench-run')
  await bao.mount('kv', 2)
  await Promise.all(names.map((name) => bao.write2('kv', name, { value: values[name] })))
  writeFileSync(join(app, 'ca.pem'), ca)
  writeFileSync(
    join(app, 'secrets.config.mjs'),
    `import { defineConfig } from 'unplugin-secrets'
import { vault } from 'unplugin-secrets/providers'

export default defineConfig({
  providers: {
    vault: vault({ url: '${url}', mount: 'kv', tls: { caFile: 'ca.pem' }, auth: { method: 'token', token: '${bao.options.token}' } }),
  },
  secrets: {
${names.map((name) => `    ${name}: 'vault:${name}#value',`).join('\n')}
  },
  cache: { ttl: '1d' },
  timeout: 2000,
})
`,
  )
  await timedTree([process.execPath, main, 'run', '--', ...child])
  await stop()
}
