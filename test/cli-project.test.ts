import { execFile, execFileSync } from 'node:child_process'
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'dotenv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../src/cli/commands/index.ts'
import { completionScript } from '../src/cli/completion.ts'
import { envText } from '../src/cli/env-file.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

let place: CliPlace
let values: Record<'PLAIN' | 'KEY' | 'NASTY', string>
const secret = () => place.secret(canary())

beforeAll(async () => {
  place = new CliPlace('cli-project', await buildPackage('cli-project-package'))
  values = {
    PLAIN: secret(),
    KEY: `-----BEGIN KEY-----\n${secret()}\n${secret()}\n-----END KEY-----\n`,
    NASTY: `"${secret()}" # 'no' $HOME \${PATH} \\n`,
  }
  place.write('.gitignore', '.env.local\n')
  execFileSync('git', ['init', '--quiet'], { cwd: place.root })
  place.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { local: { type: 'local' }, files: { type: 'dotenv', directory: 'files' } },
      secrets: { PLAIN: 'local:PLAIN', KEY: 'files:KEY', NASTY: 'files:NASTY' },
      profiles: { staging: { secrets: { EXTRA: 'files:PLAIN' } }, empty: {} },
      cache: { ttl: '90s' },
    }),
  )
  const text = envText(new Map(Object.entries(values)))
  place.write('files/.env', text)
  place.write(
    'files/.env.production',
    envText(
      new Map([
        ['KEY', 'other'],
        ['PLAIN', 'p'],
      ]),
    ),
  )
  await place.run(['set', 'PLAIN'], { input: values.PLAIN })
})

afterAll(() => {
  expect(place.values.length).toBeGreaterThan(3)
  expect(place.leaks()).toEqual([])
  // The files that a person asked for, and the one that they come from.
  for (const file of ['files/.env', '.env.local', '.env.again', 'filled.conf'])
    rmSync(join(place.root, file), { force: true })
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

describe('.env text', () => {
  it.each([
    ['plain', 'abc'],
    ['empty', ''],
    ['spaces at the ends', '  a b '],
    ['a hash', 'a # b'],
    ['dollars', '$HOME ${HOME} \\$x'],
    ['double quotes', 'say "x"'],
    ['single quotes', "it's"],
    ['both quotes', `it's "x"`],
    ['an open quote', `'x`],
    ['a backslash n', 'a\\nb'],
    ['lines', 'a\nb\n\nc\n'],
    ['carriage returns', 'a\r\nb\r'],
    ['lines with quotes', `a"\n'b\n`],
    ['an equals sign', 'a=b=c'],
    ['export', 'export A=b'],
    ['unicode', 'ünï 日本 🔑'],
    ['json', '{"a":"b\\n","c":[1]}'],
  ])('%s reads back equal', (_, value) => {
    const all = new Map([
      ['FIRST', 'one'],
      ['VALUE', value],
      ['dotted.name', 'x y'],
      ['LAST', 'it"s'],
    ])
    expect(parse(envText(all))).toEqual(Object.fromEntries(all))
  })

  it('refuses what none can hold, by name', () => {
    const impossible = new Map([
      ['GOOD', 'x'],
      ['BAD', `a'b"c\`d # \ne`],
      ['NO NAME', 'x'],
    ])
    expect(() => envText(impossible)).toThrow('A .env file cannot hold BAD, NO NAME as it is.')
  })

  it('random texts read back equal or are refused', () => {
    const parts = ['a', ' ', "'", '"', '`', '\\', 'n', '\n', '\r', '#', '$', '{', '=', '\t']
    let state = 7
    const next = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2147483648
      return state % below
    }
    let held = 0
    for (let round = 0; round < 3000; round++) {
      const value = Array.from({ length: next(9) }, () => parts[next(parts.length)]).join('')
      const all = new Map([
        ['A', value],
        ['B', 'b'],
      ])
      try {
        expect(parse(envText(all))).toEqual({ A: value, B: 'b' })
        held += 1
      } catch (error) {
        expect((error as Error).message).toBe('A .env file cannot hold A as it is.')
      }
    }
    expect(held).toBeGreaterThan(2000)
  })
})

describe('pull', () => {
  it('writes a file that reads back to the same values, for this user only', async () => {
    const { code, stdout, stderr } = await place.run(['pull'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Wrote 3 values to .env.local, in clear.\n' })
    expect(stderr).not.toContain('does not ignore')
    expect(parse(place.read('.env.local'))).toEqual(values)
    expect(statSync(join(place.root, '.env.local')).mode & 0o077).toBe(0)
    expect((await place.run(['pull'])).stdout).toContain('is up to date')
    place.write('.env.local', 'MINE=1\n')
    expect((await place.run(['pull'])).code).toBe(2)
    expect(place.read('.env.local')).toBe('MINE=1\n')
    expect((await place.run(['pull', '--yes'])).code).toBe(0)
    const again = await place.run(['pull', '--only', 'PLAIN', '--output', '.env.again'])
    expect(again.stderr).toContain('git does not ignore .env.again')
    expect(parse(place.read('.env.again'))).toEqual({ PLAIN: values.PLAIN })
    const shown = await place.reveal(['pull', '--only', 'KEY', '--output', '-'], {
      env: { KEY: 'of the shell' },
    })
    expect(parse(shown.stdout)).toEqual({ KEY: values.KEY })
  })
})

describe('diff', () => {
  it('names what is different, and shows values only when it is told', async () => {
    const { code, stdout } = await place.run(['diff', 'development', 'production'])
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: '~ KEY\n1 difference from development to production.\n',
    })
    const data = await place.json(['diff', '.env.local', 'files/.env.production'])
    expect(data).toMatchObject({
      changes: [
        { name: 'KEY', kind: 'changed' },
        { name: 'NASTY', kind: 'removed' },
        { name: 'PLAIN', kind: 'changed' },
      ],
    })
    const revealed = await place.reveal(['diff', '.env.local', 'files/.env.production', '--reveal'])
    expect(revealed.stdout).toContain(`    .env.local: ${values.PLAIN}\n    files/.env.production: p\n`)
    expect((await place.run(['diff', 'development', './none.env'])).code).toBe(3)
  })
})

describe('inject', () => {
  it('fills a file of any kind and leaves other braces alone', async () => {
    place.write(
      'app.conf.tpl',
      'url = {{vault:PLAIN}}\nother = {{ mustache }} {{{\nkey = """{{ vault:KEY }}"""\n',
    )
    const { code } = await place.run(['inject', 'app.conf.tpl', '--output', 'filled.conf'])
    expect(code).toBe(0)
    const filled = `url = ${values.PLAIN}\nother = {{ mustache }} {{{\nkey = """${values.KEY}"""\n`
    expect(place.read('filled.conf')).toBe(filled)
    expect(statSync(join(place.root, 'filled.conf')).mode & 0o077).toBe(0)
    expect((await place.reveal(['inject', 'app.conf.tpl'])).stdout).toBe(filled)
    expect((await place.run(['inject', 'none.tpl'])).code).toBe(3)
    place.write('wrong.tpl', '{{vault:PLIAN}}')
    const wrong = await place.run(['inject', 'wrong.tpl', '--output', 'none.conf'])
    expect(wrong.code).toBe(3)
    expect(wrong.stderr).toContain('Did you mean PLAIN?')
    expect(existsSync(join(place.root, 'none.conf'))).toBe(false)
  })
})

describe('use and config', () => {
  type Config = { settings: { name: string; value: unknown; origin: string }[] }
  const settings = async (...args: string[]) => {
    const { settings } = await place.json<Config>(['config', ...args])
    return (name: string) => settings.find((each) => each.name === name)
  }

  it('shows every setting with its origin', async () => {
    const of = await settings()
    const file = join(place.root, 'secrets.config.json')
    expect(of('environment')).toEqual({ name: 'environment', value: 'development', origin: 'default' })
    expect(of('profile')).toMatchObject({ value: null, origin: 'default' })
    expect(of('providers.files')).toMatchObject({ value: { type: 'dotenv' }, origin: file })
    expect(of('secrets.KEY')).toMatchObject({ value: 'files:KEY', origin: file })
    expect(of('cache')).toMatchObject({ value: { ttl: '90s', maxStale: '7d' }, origin: file })
    expect(of('timeout')).toMatchObject({ value: '15s', origin: 'default' })
    expect(of('server')).toMatchObject({ value: 'runtime', origin: 'default' })
    expect(of('processEnv')).toMatchObject({ value: true })
    expect(of('scan')).toMatchObject({ value: { exclude: [] } })
    const given = await settings('--env', 'test', '--profile', 'staging')
    expect(given('environment')).toMatchObject({ value: 'test', origin: '--env' })
    expect(given('profile')).toMatchObject({ value: 'staging', origin: '--profile' })
    expect(given('secrets.EXTRA')).toMatchObject({ origin: 'profile staging' })
    expect((await place.run(['config'])).stdout).toMatch(/^SETTING +VALUE +FROM\n/)
  })

  it('keeps the chosen profile in a file that git ignores', async () => {
    expect((await place.run(['use', 'stagin'])).stderr).toContain('Did you mean staging?')
    expect((await place.run(['use', 'stagin'])).code).toBe(3)
    expect((await place.run(['use', 'staging'])).stdout).toBe('The profile staging is chosen.\n')
    expect(execFileSync('git', ['status', '--short', '--', '.secrets'], { cwd: place.root }).toString()).toBe(
      '',
    )
    const of = await settings()
    expect(of('profile')).toMatchObject({ value: 'staging', origin: join(place.root, '.secrets', 'profile') })
    expect(of('secrets.EXTRA')).toBeDefined()
    expect(await place.json(['use'])).toEqual({ active: 'staging', profiles: ['staging', 'empty'] })
    const shell = await place.run(['use'], { env: { SECRETS_PROFILE: 'empty' } })
    expect(shell.stderr).toContain('SECRETS_PROFILE=empty comes before it.')
    expect((await place.run(['use', '--none'])).code).toBe(0)
    expect((await settings())('profile')).toMatchObject({ value: null })
  })
})

describe('move-to-local', () => {
  it('takes the last value and changes the line of the configuration', async () => {
    const { code, stdout } = await place.run(['move-to-local', 'NASTY'])
    expect(code).toBe(0)
    expect(stdout).toContain('NASTY is local:NASTY now, in ')
    expect(JSON.parse(place.read('secrets.config.json')).secrets).toEqual({
      PLAIN: 'local:PLAIN',
      KEY: 'files:KEY',
      NASTY: 'local:NASTY',
    })
    expect((await place.reveal(['get', 'NASTY', '--reveal'])).stdout).toBe(values.NASTY)
    expect((await place.run(['move-to-local', 'NASTY'])).stderr).toContain('is in local already')
    // One that is there already is replaced with a yes only.
    place.write('files/.env.test', 'KEY=of-test\n')
    await place.run(['migrate', 'local:PLAIN', 'local:KEY', '--keep', '--yes'])
    expect((await place.run(['move-to-local', 'KEY', '--env', 'test'])).code).toBe(2)
    expect((await place.run(['move-to-local', 'KEY', '--env', 'test', '--yes'])).code).toBe(0)
    expect((await place.reveal(['get', 'KEY', '--reveal'])).stdout).toBe('of-test')
  })
})

describe('in a project without anything', () => {
  it('every command ends with a word and no stack', async () => {
    const bare = new CliPlace('cli-bare', join(place.folder, '..', 'cli-project-package'))
    const lines: [string[], number][] = [
      [['policy', 'vault'], 3],
      [['policy', 'local'], 1],
      [['versions', 'A'], 1],
      [['rollback', 'A', '--yes'], 1],
      [['diff', 'development', 'production'], 0],
      [['diff', 'development', '.env'], 3],
      [['pull', '--yes'], 3],
      [['push', '--yes'], 3],
      [['inject', 'none'], 3],
      [['template', 'A'], 0],
      [['migrate', 'local:B', 'local:C', '--yes'], 3],
      [['move-to-local', 'B'], 3],
      [['use', 'staging'], 3],
      [['config'], 0],
    ]
    for (const [args, code] of lines) {
      const run = await bare.run(args)
      expect([args, run.code, run.stderr]).toEqual([args, code, expect.not.stringMatching(/^\s+at /m)])
      if (code > 0) expect(run.stderr).toMatch(/^error: \S/)
    }
  })
})

describe('completion', () => {
  it('completes commands and flags in a real bash', async () => {
    const { stdout: script } = await place.run(['completion', 'bash'])
    place.write('completion.bash', script)
    const complete = async (...words: string[]) => {
      const { stdout } = await promisify(execFile)('bash', [
        '-c',
        `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _secrets; printf '%s\\n' "\${COMPREPLY[@]}"`,
        'bash',
        join(place.root, 'completion.bash'),
        ...words,
      ])
      return stdout.split('\n').filter(Boolean)
    }
    expect(await complete('secrets', '')).toEqual(Object.keys(commands))
    expect(await complete('secrets', 'mi')).toEqual(['migrate'])
    expect(await complete('secrets', 'push', '--d')).toEqual(['--dry-run'])
    expect(await complete('secrets', 'run', '--no')).toEqual(['--no-mask', '--no-export'])
    expect(await complete('secrets', 'run', '--', 'x')).toEqual([])
  })

  it('has every command and flag for zsh and fish too', async () => {
    for (const shell of ['zsh', 'fish'] as const) {
      const script = await completionScript(shell)
      for (const name of Object.keys(commands)) expect(script).toContain(name)
      expect(script).toContain('dry-run')
    }
    expect((await place.run(['completion', 'tcsh'])).code).toBe(2)
  })
})
