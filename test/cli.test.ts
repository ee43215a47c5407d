import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../src/cli/commands/index.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

let built: string
let place: CliPlace

beforeAll(async () => {
  built = await buildPackage('cli-package')
  place = new CliPlace('cli', built)
})

afterAll(() => {
  expect(place.values.length).toBeGreaterThan(8)
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

describe('the command line itself', () => {
  it('shows help for the whole and for each command, with an example, in plain text', async () => {
    const { code, stdout } = await place.run(['--help'])
    expect(code).toBe(0)
    const names = [...stdout.matchAll(/^ {2,}([\w-]+) {2,}\w/gm)].map((match) => match[1]!)
    expect(names).toEqual(Object.keys(commands))
    expect(names).toEqual(expect.arrayContaining(['init', 'set', 'get', 'list', 'doctor', 'run', 'scan']))
    for (const name of names) {
      const help = await place.run([name, '--help'])
      expect(help.code).toBe(0)
      expect(help.stdout).toContain('EXAMPLES')
      expect(help.stdout).toContain(`  secrets ${name}`)
      for (const flag of ['--env', '--profile', '--root', '--config', '--json'])
        expect(help.stdout).toContain(flag)
      expect(help.stdout).not.toContain('\u001b')
    }
    expect((await place.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([
    [['lst'], 'There is no command lst. Did you mean list?'],
    [['get', 'A', '--revael'], 'get has no flag --revael. Did you mean --reveal?'],
    [['run', '--no-msk', '--', 'true'], 'run has no flag --no-msk. Did you mean --no-mask?'],
    [['list', '-x'], 'list has no flag -x.'],
    [['list', 'more'], 'list takes no arguments'],
    [['set', 'A', 'b', 'c'], 'set takes 2 arguments: name, value.'],
    [['get'], 'get needs NAME.'],
    [['list', '--env'], '--env needs a value.'],
    [['list', '--env', '--json=false'], '--env needs a value.'],
    [['list', '--json=maybe'], '--json takes no value.'],
    [['scan', '.', '--format', 'xml'], 'xml'],
    [['run', 'node', '-e', '0'], 'Write -- before the program: secrets run -- node'],
    [['run'], 'There is no program to run.'],
    [['init', '--provider', 'valut'], '--provider does not know valut.'],
    [['--env', 'x'], 'There is no command before --env.'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await place.run(args)
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('says errors as JSON too', async () => {
    const { code, stdout, stderr } = await place.run(['lst', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'USAGE',
        message: 'There is no command lst. Did you mean list?',
        hint: 'See: secrets --help',
      },
    })
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
  })

  it('takes common flags before the command, and says when the project is not there', async () => {
    const { code, stderr } = await place.run(['--root', 'nowhere', 'list'])
    expect(code).toBe(3)
    expect(stderr).toContain('There is no folder')
  })

  it('prints no stack when nobody reads its output', async () => {
    const child = place.start(['--help'])
    child.stdout!.destroy()
    let stderr = ''
    child.stderr!.on('data', (text) => {
      stderr += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('prints a mistake in the configuration without a stack', async () => {
    const own = new CliPlace('cli-mistake', built)
    own.write('secrets.config.json', JSON.stringify({ secrets: { A: 'nowhere:x' }, clients: [] }))
    const { code, stderr } = await own.run(['list'])
    expect(code).toBe(1)
    expect(stderr).toContain('Did you mean client?')
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})

describe('without a configuration', () => {
  let values: Record<string, string>

  beforeAll(() => {
    const some = () => place.secret(canary())
    values = {
      PLAIN: some(),
      LINES: `-----BEGIN-----\n${some()}\n${some()}\n\n`,
      QUOTES: `"${some()}" '\`$HOME \\n ${some()}`,
      UNICODE: `${some()} ünïcödé 日本語 🔑`,
      DASHES: `--${some()}`,
    }
  })

  it('begins empty', async () => {
    const { code, stdout, stderr } = await place.run(['list'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('There are no secrets yet.')
    expect((await place.run(['get', 'PLAIN'])).code).toBe(3)
  })

  it('gives back what was set, of any shape', async () => {
    for (const [name, value] of Object.entries(values)) {
      const set = await place.run(['set', name], { input: `${value}\n` })
      expect(set).toMatchObject({ code: 0, stderr: '' })
      const { code, stdout, stderr } = await place.reveal(['get', name, '--reveal'])
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: value, stderr: '' })
    }
  })

  it('takes a value from the command line, with a warning', async () => {
    const value = `-${place.secret(canary())}`
    const { code, stderr } = await place.run(['set', 'ARGUMENT', '--', value])
    expect(code).toBe(0)
    expect(stderr).toContain('history of your shell')
    expect((await place.reveal(['get', 'ARGUMENT', '--reveal'])).stdout).toBe(value)
    await place.run(['unset', 'ARGUMENT', '--yes'])
  })

  it('takes one line end away, and no more', async () => {
    await place.run(['set', 'ENDS'], { input: 'x\r\n\r\n' })
    expect((await place.reveal(['get', 'ENDS', '--reveal'])).stdout).toBe('x\r\n')
    expect((await place.run(['set', 'ENDS'], { input: Buffer.from([0xff, 0xfe, 0x41]) })).code).toBe(2)
    expect((await place.run(['unset', 'ENDS', '--yes'])).code).toBe(0)
  })

  it('masks unless it is told to reveal', async () => {
    const value = values.PLAIN!
    const { stdout } = await place.run(['get', 'PLAIN'])
    expect(stdout).toMatch(new RegExp(`^PLAIN {2}${value.slice(0, 4)}…${value.slice(-4)}\\n`))
    expect(stdout).toMatch(/local.* version .* old/)
    await place.run(['set', 'SHORT', 'abcdefghijkl'])
    expect((await place.run(['get', 'SHORT'])).stdout).toMatch(/^SHORT {2}\*{4}\n/)
    await place.run(['unset', 'SHORT', '--yes'])
  })

  it('has one JSON shape for each command', async () => {
    const value = values.PLAIN!
    expect(await place.json(['get', 'PLAIN'])).toEqual({
      name: 'PLAIN',
      value: `${value.slice(0, 4)}…${value.slice(-4)}`,
      masked: true,
      source: 'provider',
      provider: 'local',
      reference: 'local:*#PLAIN',
      version: expect.any(String),
      fetchedAt: expect.any(Number),
      stale: false,
    })
    const revealed = await place.reveal(['get', 'PLAIN', '--reveal', '--json'])
    expect(JSON.parse(revealed.stdout)).toMatchObject({ value, masked: false })
    const { secrets, ...rest } = await place.json<{ secrets: { name: string }[] }>(['list'])
    expect(rest).toEqual({ environment: 'development', profile: null })
    expect(secrets.map(({ name }) => name)).toEqual(Object.keys(values).sort())
    expect(secrets[0]).toMatchObject({ provider: 'local', stale: false, visibleTo: 'server' })
    expect(await place.json(['get', 'PLIAN'])).toMatchObject({
      error: { code: 'NOT_FOUND', message: 'There is no secret PLIAN. Did you mean PLAIN?' },
    })
  })

  it('writes down who changed what, where an audit log is wanted', async () => {
    const own = new CliPlace('cli-audit', built)
    const config = {
      providers: { local: { type: 'local' } },
      secrets: { AUDITED: 'local:AUDITED' },
      audit: '.secrets/audit.jsonl',
    }
    own.write('secrets.config.json', JSON.stringify(config))
    const value = place.secret(canary())
    expect((await own.run(['set', 'AUDITED'], { input: value })).code).toBe(0)
    expect((await own.run(['unset', 'AUDITED', '--yes'])).code).toBe(0)
    const lines = own
      .read('.secrets/audit.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { action: 'write', provider: 'local', path: 'AUDITED', field: null },
      { action: 'remove', provider: 'local', path: 'AUDITED', field: null },
    ])
    expect(canaryFiles(own.folder, [value])).toEqual([])
  })

  it('keeps a value of one environment apart', async () => {
    const own = place.secret(canary())
    await place.run(['set', 'PLAIN', '--env', 'production'], { input: own })
    expect((await place.reveal(['get', 'PLAIN', '--reveal', '--env', 'production'])).stdout).toBe(own)
    expect((await place.reveal(['get', 'PLAIN', '--reveal'])).stdout).toBe(values.PLAIN)
    const unset = ['unset', 'PLAIN', '--env', 'production']
    const refused = await place.run(unset)
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Say yes with --yes.') })
    expect((await place.reveal(['get', 'PLAIN', '--reveal', '--env', 'production'])).stdout).toBe(own)
    expect(await place.json([...unset, '--yes'])).toEqual({
      name: 'PLAIN',
      provider: 'local',
      path: 'PLAIN',
      field: null,
      environment: 'production',
    })
    expect((await place.run([...unset, '--yes'])).code).toBe(3)
    expect((await place.reveal(['get', 'PLAIN', '--reveal', '--env', 'production'])).stdout).toBe(
      values.PLAIN,
    )
  })
})

describe('with a configuration', () => {
  let own: CliPlace
  const env = { OVERRIDDEN: 'x-from-the-environment' }

  beforeAll(async () => {
    own = new CliPlace('cli-config', built)
    own.write(
      'secrets.config.ts',
      `import { defineConfig } from 'unplugin-secrets'
       import { dotenv, env, local } from 'unplugin-secrets/providers'
       export default defineConfig({
         providers: { local: local(), dotenv: dotenv(), env: env() },
         secrets: {
           HERE: 'local:stored-here',
           db: { from: 'local:db', mode: 'json' },
           URL: { template: 'https://{{vault:HERE}}/{{vault:db.user}}' },
           FILE: 'dotenv:FILE',
           GONE: 'env:NOT_SET_ANYWHERE',
           OVERRIDDEN: 'local:OVERRIDDEN',
         },
         client: ['FILE'],
       })`,
    )
    own.write('.env', 'FILE=public-text\n')
    expect((await own.run(['set', 'HERE'], { input: own.secret(canary()) })).code).toBe(0)
    const db = { user: own.secret(canary()), port: 5432 }
    expect((await own.run(['set', 'db'], { input: JSON.stringify(db) })).code).toBe(0)
  })

  afterAll(() => {
    expect(own.leaks()).toEqual([])
    expect(canaryFiles(own.folder, own.values)).toEqual([])
  })

  it('sets a name where its reference points', async () => {
    expect(await own.json(['set', 'HERE'], { input: own.values[0]! })).toEqual({
      name: 'HERE',
      provider: 'local',
      path: 'stored-here',
      field: null,
      environment: null,
    })
  })

  it('says where a value cannot be set', async () => {
    const template = await own.run(['set', 'URL', 'x'])
    expect(template.code).toBe(1)
    expect(template.stderr).toContain('is made from a template')
    expect(template.stderr).toContain('Providers that can write: local.')
    const elsewhere = await own.run(['set', 'FILE', 'x'])
    expect(elsewhere.stderr).toContain('FILE is still read from dotenv:FILE')
    const unknown = await own.run(['set', 'NEW', 'x'])
    expect(unknown.stderr).toContain("add NEW: 'local:NEW' to `secrets`")
    const without = new CliPlace('cli-no-writer', built)
    without.write(
      'secrets.config.json',
      JSON.stringify({ providers: { env: { type: 'env' } }, secrets: { A: 'env:A' } }),
    )
    const none = await without.run(['set', 'A', 'x'])
    expect(none.code).toBe(1)
    expect(none.stderr).toContain('No configured provider can write')
  })

  it('shows a name and its parts though others fail', async () => {
    expect((await own.reveal(['get', 'db.user', '--reveal'])).stdout).toBe(own.values[1])
    expect((await own.reveal(['get', 'db.port', '--reveal'])).stdout).toBe('5432')
    expect((await own.reveal(['get', 'URL', '--reveal'])).stdout).toBe(
      `https://${own.values[0]}/${own.values[1]}`,
    )
    expect(await own.json(['get', 'OVERRIDDEN'], { env })).toMatchObject({ source: 'process.env' })
    expect((await own.run(['get', 'db.nothing'])).code).toBe(3)
    expect((await own.run(['get', 'GONE'])).code).toBe(1)
  })

  it('lists what it can, with the problem of each name', async () => {
    const { code, stdout, stderr } = await own.run(['list'], { env })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^GONE .*NOT_FOUND$/m)
    expect(stdout).toMatch(/^FILE .*client$/m)
    expect(stdout).toMatch(/^OVERRIDDEN +process\.env/m)
    expect(stderr).toContain('1 problem:')
    const { secrets } = await own.json<{ secrets: { name: string; problem?: { code: string } }[] }>(
      ['list'],
      { env },
    )
    expect(secrets.filter(({ problem }) => problem).map(({ name }) => name)).toEqual(['GONE'])
  })

  it('writes the types, and checks them, without a value', async () => {
    expect((await own.run(['types', '--check'])).code).toBe(1)
    expect(await own.json(['types'])).toMatchObject({ written: true, upToDate: false })
    const text = own.read('secrets-env.d.ts')
    expect(text).toContain('export const HERE: string')
    expect((await own.run(['types', '--check'])).code).toBe(0)
    expect(await own.json(['types'])).toMatchObject({ written: false, upToDate: true })
    expect((await own.run(['types', '--output', 'types/mine.d.ts'])).code).toBe(0)
    expect(existsSync(join(own.root, 'types/mine.d.ts'))).toBe(true)
  })

  it('finds what is planted in a folder', async () => {
    const found = new CliPlace('cli-scan', built)
    const value = found.secret(canary())
    await found.run(['set', 'PLANTED'], { input: value })
    await found.run(['set', 'SHORT', 'abc'])
    found.write('dist/clean.js', 'export {}')
    expect(await found.json(['scan', 'dist'])).toMatchObject({
      findings: [],
      files: 1,
      bytes: 9,
      unscannable: [{ name: 'SHORT', reason: 'shorter than 8 bytes' }],
      problems: [],
    })
    found.write('dist/js/app.js', `\nconst key = "${value}"`)
    found.write('dist/js/app.b64', Buffer.from(value).toString('base64'))
    const { code, stdout, stderr } = await found.run(['scan', 'dist'])
    expect(code).toBe(10)
    expect(stdout).toContain('js/app.js:2:14')
    expect(stdout).toContain('base64')
    expect(stderr).toContain('not scanned for SHORT')
    const json = await found.run(['scan', 'dist', '--format', 'json', '--exclude', '**/*.js'])
    expect(json.code).toBe(10)
    expect(JSON.parse(json.stdout).findings).toEqual([
      { name: 'PLANTED', asset: 'js/app.b64', line: 1, column: 1, encoding: 'base64' },
    ])
    const both = ['scan', 'dist', '--exclude', '**/*.js', '--exclude', '**/*.b64']
    expect((await found.run(both)).code).toBe(0)
    expect((await found.run(['scan', 'nowhere'])).code).toBe(3)
    expect((await found.run(['scan', 'package.json'])).code).toBe(2)
    expect(found.leaks()).toEqual([])
  })
})

it('ends with 130 on Ctrl-C', async () => {
  const waiting = new CliPlace('cli-interrupt', built)
  // Takes the connection and never answers: then the command is certainly under way.
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  waiting.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { vault: { type: 'vault', url, auth: { method: 'token', token: 'any' } } },
      secrets: { A: 'vault:a#b' },
    }),
  )
  const run = waiting.run(['list'], {
    started: (child) => server.once('connection', () => child.kill('SIGINT')),
  })
  expect(await run).toMatchObject({ code: 130, stdout: '' })
  await new Promise((resolve) => server.close(resolve))
})

it('leaves no file readable by others', () => {
  for (const file of ['project/.secrets/project.key', 'project/.secrets/local.vault'])
    expect(statSync(join(place.folder, file)).mode & 0o077).toBe(0)
})

it('does not stop a pipe that is closed early', async () => {
  const big = new CliPlace('cli-head', built)
  writeFileSync(join(big.root, '.env'), Array.from({ length: 3000 }, (_, i) => `NAME_${i}=v${i}\n`).join(''))
  await big.run(['init', '--yes'])
  const main = join(built, 'dist/cli/main.js')
  const shell = spawn('sh', ['-c', `"${process.execPath}" "${main}" list | head -n 1`], {
    cwd: big.root,
    env: big.env,
  })
  let shown = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (text) => {
      shown += text
    })
  await new Promise((resolve) => shell.on('close', resolve))
  expect(shown).toMatch(/^NAME .*\n$/)
})

describe('refresh', () => {
  it('asks anew, says how many, and leaves a sign for dev servers', async () => {
    const own = new CliPlace('cli-refresh', built)
    const value = own.secret(canary())
    await own.run(['set', 'A'], { input: value })
    expect(await own.run(['refresh'])).toMatchObject({ code: 0, stdout: '1 secret for development\n' })
    const { stdout } = await own.run(['refresh', '--json'])
    expect(JSON.parse(stdout)).toEqual({ environment: 'development', secrets: ['A'], stale: [] })
    expect(readdirSync(join(own.folder, 'cache/unplugin-secrets/signals'))).toHaveLength(1)
    expect(own.leaks()).toEqual([])
  })
})
