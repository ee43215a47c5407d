// The main job, end to end, without a question: secrets into a client and a server build, a blocked leak, a
// caught one, and a server that reads its secrets at run time. Exits with 1 when anything is not as promised.
//   npm run demo                       from the encrypted local vault
//   npm run demo -- --vault --aws      the same from OpenBao and moto (installed once into .test-servers/)
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, styleText } from 'node:util'

const { values: flags } = parseArgs({ options: { vault: { type: 'boolean' }, aws: { type: 'boolean' } } })
const remote = Boolean(flags.vault || flags.aws)
const root = fileURLToPath(new URL('..', import.meta.url))
const app = join(root, '.demo')
const node = process.execPath
const problems = []
/** Everything that was printed, for the last look. */
let printed = ''

const say = (text = '') => {
  printed += `${text}\n`
  console.log(text)
}
const title = (text) => say(`\n${styleText('bold', text)}`)
const check = (ok, text) => {
  say(`  ${ok ? styleText('green', '✓') : styleText('red', '✗')} ${text}`)
  if (!ok) problems.push(text)
}
const indent = (text) => text.trimEnd().replace(/^/gm, '    ')

// Nothing of the person who runs this is read or written: neither their keys nor their cache.
const home = join(root, '.demo-home')
const env = {
  ...process.env,
  XDG_CONFIG_HOME: join(home, 'config'),
  XDG_CACHE_HOME: join(home, 'cache'),
  NO_COLOR: '1',
}
for (const name of ['SECRETS_KEY', 'SECRETS_PROFILE', 'NODE_ENV', 'FORCE_COLOR', 'VAULT_NAMESPACE'])
  delete env[name]

function run(args, options = {}) {
  const { input, more = {} } = options
  const result = spawnSync(node, args, { cwd: app, env: { ...env, ...more }, input, encoding: 'utf8' })
  const output = `${result.stdout}${result.stderr}`
  printed += output
  return { status: result.status, output, stdout: result.stdout }
}
const secrets = (args, options) => run([join(root, 'dist/cli/main.js'), ...args], options)
const build = () => run([join(root, 'node_modules/vite/bin/vite.js'), 'build', '--app', '--logLevel', 'warn'])

const random = (prefix) => `${prefix}_${randomBytes(16).toString('hex')}`
const names = {
  DATABASE_URL: { value: `postgres://app:${random('pw')}@db.internal/app`, client: false },
  STRIPE_KEY: { value: random('sk_live'), client: false },
  MAPS_KEY: { value: random('maps'), client: true },
  API_HOST: { value: `api-${randomBytes(6).toString('hex')}.example.com`, client: true },
  APP_TITLE: { value: `Demo ${randomBytes(4).toString('hex')}`, client: true },
}

async function main() {
  title('1. A fresh project')
  for (const folder of [app, home]) rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(app, 'node_modules'), { recursive: true })
  for (const part of [
    'src',
    'public',
    'index.html',
    'package.json',
    'secrets.config.ts',
    'vite.config.ts',
    'tsconfig.json',
  ]) {
    const from = join(root, 'playground', part)
    if (existsSync(from)) cpSync(from, join(app, part), { recursive: true })
  }
  // As `npm install unplugin-secrets` would: a deployed server may fetch by itself.
  symlinkSync(root, join(app, 'node_modules/unplugin-secrets'))
  for (const file of ['secrets.config.ts', 'vite.config.ts']) {
    const text = readFileSync(join(app, file), 'utf8')
    writeFileSync(
      join(app, file),
      text.replace(
        /'\.\.\/src\/(?:bundlers\/)?(\w+)(?:\/index)?\.ts'/g,
        (_, name) => `'unplugin-secrets${name === 'index' ? '' : `/${name}`}'`,
      ),
    )
  }
  const servers = remote ? await startRemote() : undefined
  try {
    if (!remote) storeLocally()
    steps()
  } catch (error) {
    check(false, error.message)
  } finally {
    await servers?.stop()
  }
  lookBack()
}

function storeLocally() {
  for (const [name, { value }] of Object.entries(names)) {
    const { status, output } = secrets(['set', name], { input: value })
    if (status !== 0) say(indent(output))
    check(status === 0, `secrets set ${name}    (a fresh random value, from the standard input)`)
  }
}

async function startRemote() {
  const { loadSource } = await import('../bench/load.mjs')
  const { startServer } = await loadSource('test/support/servers.ts')
  const prepared = spawnSync(node, [join(root, 'test/setup/prepare.mjs')], { stdio: ['ignore', 2, 2] })
  if (prepared.status !== 0) throw new Error('OpenBao and moto could not be installed; see above.')
  const parts = JSON.parse(readFileSync(join(root, '.test-servers/parts.json'), 'utf8'))
  const token = randomBytes(16).toString('hex')
  const headers = { 'X-Vault-Token': token }
  const up = (url, more) => fetch(url, { headers: more }).then((response) => response.ok)
  const bao = await startServer({
    command: parts.bao,
    args: (port) => ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`],
    env: { HOME: home, BAO_DEV_ROOT_TOKEN_ID: token },
    answers: (port) => up(`http://127.0.0.1:${port}/v1/secret/config`, headers),
  })
  const moto = await startServer({
    command: parts.moto,
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    env: { HOME: home },
    answers: (port) => up(`http://127.0.0.1:${port}/moto-api/`),
  })
  const vaultUrl = `http://127.0.0.1:${bao.port}`
  const awsUrl = `http://127.0.0.1:${moto.port}`
  Object.assign(env, {
    DEMO_SOURCE: 'remote',
    DEMO_VAULT_URL: vaultUrl,
    DEMO_AWS_URL: awsUrl,
    VAULT_TOKEN: token,
    AWS_ACCESS_KEY_ID: 'demo',
    AWS_SECRET_ACCESS_KEY: 'demo',
    AWS_EC2_METADATA_DISABLED: 'true',
  })
  const put = async (path, data) => {
    const response = await fetch(`${vaultUrl}/v1/secret/data/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ data }),
    })
    check(response.ok, `OpenBao holds secret/${path}`)
  }
  await put('demo/db', { url: names.DATABASE_URL.value })
  await put('demo/web', { maps: names.MAPS_KEY.value, host: names.API_HOST.value })
  const { SecretsManagerClient, CreateSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = new SecretsManagerClient({
    region: 'eu-west-1',
    endpoint: awsUrl,
    credentials: { accessKeyId: 'demo', secretAccessKey: 'demo' },
  })
  for (const [Name, value] of [
    ['demo/stripe', { key: names.STRIPE_KEY.value }],
    ['demo/web', { title: names.APP_TITLE.value }],
  ]) {
    await client.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(value) }))
    check(true, `AWS Secrets Manager holds ${Name}`)
  }
  client.destroy()
  return { stop: () => Promise.all([bao.stop(), moto.stop()]) }
}

function steps() {
  title('2. vite build: client and server')
  const first = build()
  say(indent(first.output))
  check(first.status === 0, 'the build went through')
  if (first.status !== 0) throw new Error('Nothing else can be shown without a build.')

  title('3. What each bundle holds')
  const folders = { client: textOf('dist/client'), server: textOf('dist/server') }
  say(`    ${'name'.padEnd(14)}${'client bundle'.padEnd(16)}server bundle`)
  for (const [name, { value, client }] of Object.entries(names)) {
    const inClient = folders.client.includes(value)
    const inServer = folders.server.includes(value)
    say(
      `    ${name.padEnd(14)}${(inClient ? 'value' : '—').padEnd(16)}${inServer ? 'value' : '— (read at start)'}`,
    )
    if (inClient !== client)
      problems.push(`${name} ${client ? 'is missing in' : 'stands in'} the client bundle`)
    if (inServer) problems.push(`${name} stands in the server bundle`)
  }
  check(
    problems.length === 0,
    'browsers get what the client list names, and the server bundle holds no value',
  )

  title('4. Client code asks for a server secret')
  const main = readFileSync(join(app, 'src/main.ts'), 'utf8')
  writeFileSync(
    join(app, 'src/leak.ts'),
    'export const pay = (): string => `key ${import.meta.env.STRIPE_KEY}`\n',
  )
  writeFileSync(join(app, 'src/main.ts'), `${main}import { pay } from './leak.ts'\nshow('pay', pay())\n`)
  const denied = build()
  say(indent(denied.output.slice(0, denied.output.indexOf('\n    at '))))
  check(
    denied.status !== 0 && /Client code reads STRIPE_KEY/.test(denied.output),
    'the build fails, and says where and why',
  )

  title('5. A value pasted into the source')
  rmSync(join(app, 'src/leak.ts'))
  writeFileSync(join(app, 'src/main.ts'), `${main}show('oops', '${names.STRIPE_KEY.value}')\n`)
  const caught = build()
  say(indent(caught.output.slice(0, caught.output.indexOf('\n    at '))))
  check(
    caught.status !== 0 && /STRIPE_KEY +\S+:\d+:\d+ +plain/.test(caught.output),
    'the scan finds it in the output and fails the build',
  )
  writeFileSync(join(app, 'src/main.ts'), main)
  check(build().status === 0, 'without it the build goes through again')

  title('6. The built server reads its secrets at run time')
  const expected = ({ stdout }) => {
    const report = stdout.trim().startsWith('{') ? JSON.parse(stdout) : {}
    return (
      report.STRIPE_KEY ===
      `${names.STRIPE_KEY.value.length} characters, ends in …${names.STRIPE_KEY.value.slice(-2)}`
    )
  }
  const handed = secrets(['run', '--env', 'production', '--', 'node', 'dist/server/server.js', '--once'])
  say(indent(handed.output))
  check(handed.status === 0 && expected(handed), 'secrets run -- node dist/server/server.js')
  const alone = run(['dist/server/server.js', '--once'])
  say(indent(alone.output))
  check(
    alone.status === 0 && expected(alone),
    'node dist/server/server.js    (fetches by itself, through its manifest)',
  )
}

function textOf(folder) {
  return filesBelow(join(app, folder))
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n')
}

/** By hand, because Node 22 follows links where it lists recursively, and the app links to this repository. */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : []
  })
}

function lookBack() {
  title('7. A last look at everything that was written and printed')
  const server = Object.entries(names).filter(([, { client }]) => !client)
  const files = [app, home].flatMap(filesBelow)
  for (const [name, { value }] of server) {
    const holding = files.filter((file) => readFileSync(file, 'latin1').includes(value))
    check(
      holding.length === 0,
      `${name}: in none of ${files.length} files${holding.map((file) => `, but in ${relative(root, file)}`)}`,
    )
    check(!printed.includes(value), `${name}: in nothing that was printed`)
  }
  title(
    problems.length === 0 ? 'Everything is as promised.' : `${problems.length} things are not as promised:`,
  )
  for (const problem of problems) say(`  ${problem}`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

const built = spawnSync(node, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' })
if (built.status !== 0) process.exit(1)
await main()
