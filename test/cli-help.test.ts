import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pLimit from 'p-limit'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CommandTable } from '../src/cli/command.ts'
import { commands as secrets } from '../src/cli/commands/index.ts'
import { completionScript } from '../src/cli/completion.ts'
import { COMMON_EXITS } from '../src/cli/errors.ts'
import { commands as vaultEnv } from '../src/cli/vault-env/index.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

const run = promisify(execFile)
const programs: readonly [name: string, main: 'main' | 'vault-env', commands: CommandTable][] = [
  ['secrets', 'main', secrets],
  ['vault-env', 'vault-env', vaultEnv],
]
let built: string

beforeAll(async () => {
  built = await buildPackage('cli-help-package')
})

describe.each(programs)('%s --help', (_, main, commands) => {
  it('teaches: what it does, its arguments, an example that it understands, its exit codes', async () => {
    for (const [name, { description, load }] of Object.entries(commands)) {
      const command = (await load()).default
      const help = await command.help()
      expect([name, command.definition.meta]).toEqual([
        name,
        expect.objectContaining({ description: expect.stringMatching(/^[A-Z].{10}/) }),
      ])
      expect([name, description]).toEqual([name, expect.stringMatching(/^[A-Z].*[^.]$/)])
      expect(command.examples.length, `${name} has no example`).toBeGreaterThan(0)
      for (const [line, meaning] of command.examples) {
        expect(help).toContain(line)
        expect(`${name}: ${meaning}`).toMatch(/^[\w-]+: \S/)
        // Pipes and substitutions belong to the shell.
        const typed = new RegExp(`(?:secrets|vault-env) ${name}(?= |$)(.*)`).exec(line)?.[1]
        expect(typed, `the example ${line} is about another command than ${name}`).toBeDefined()
        const words = typed!.replace(/( [<>|].*|\))$/, '').trim()
        command.check(
          words === '' ? [] : wordsOf(command.wrapsCommand ? words.replace(/(^| )-- .*/, '') : words),
        )
      }
      for (const [code, meaning] of COMMON_EXITS) expect(help).toContain(`${code} ${meaning}`)
      for (const [flag, { description: meaning }] of Object.entries(
        command.definition.args as Record<string, { description?: string }>,
      ))
        expect(meaning, `${name} --${flag} has no description`).toMatch(/\S{2}/)
    }
  })

  it('is printed for every command, by the program itself, without a configuration', async () => {
    const place = new CliPlace(`cli-help-${main}`, built, main)
    const overview = await place.run(['--help'])
    expect(overview.code).toBe(0)
    for (const name of Object.keys(commands))
      expect(overview.stdout).toMatch(new RegExp(`^ +${name} +[A-Z]`, 'm'))
    const names = Object.keys(commands)
    const few = pLimit(4)
    const printed = await Promise.all(names.map((name) => few(() => place.run([name, '--help']))))
    for (const [index, { code, stdout, stderr }] of printed.entries()) {
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toMatch(/EXAMPLES\n\n {2}\S[\s\S]*EXIT CODES\n\n {2}0 done/)
      expect(stdout).toContain(names[index])
    }
    expect(existsSync(join(place.root, '.secrets'))).toBe(false)
  })
})

/** A line without quotes inside of words. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!)

describe('completion', () => {
  const complete = async (program: string, ...words: string[]): Promise<string[]> => {
    const { stdout } = await run('bash', [
      '-c',
      `eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _${program.replace('-', '_')}; printf '%s\n' "\${COMPREPLY[@]}"`,
      'bash',
      await completionScript('bash'),
      program,
      ...words,
    ])
    return stdout.split('\n').filter(Boolean)
  }

  it.each(programs)('%s: commands, flags and choices, in a real bash', async (program, _, commands) => {
    expect(await complete(program, '')).toEqual(Object.keys(commands))
    for (const [name, { load }] of Object.entries(commands)) {
      const args = (await load()).default.definition.args as Record<
        string,
        { type: string; default?: unknown }
      >
      const flags = Object.entries(args).flatMap(([flag, { type, default: preset }]) =>
        type === 'positional' ? [] : [`--${type === 'boolean' && preset === true ? 'no-' : ''}${flag}`],
      )
      expect([name, await complete(program, name, '--')]).toEqual([name, [...flags, '--help']])
    }
  })

  it('what an argument may be', async () => {
    expect(await complete('secrets', 'cache', '')).toEqual(['status', 'clear', 'rekey'])
    expect(await complete('secrets', 'completion', 'z')).toEqual(['zsh'])
    expect(await complete('secrets', 'run', '--', 'x')).toEqual([])
  })

  it('is one script for both programs in every shell', async () => {
    expect(await completionScript('zsh')).toMatch(/^#compdef secrets unplugin-secrets vault-env\n/)
    for (const shell of ['bash', 'zsh', 'fish'] as const)
      for (const [program, , commands] of programs) {
        const script = await completionScript(shell)
        expect(script).toContain(program)
        for (const name of Object.keys(commands)) expect(script).toContain(name)
      }
  })
})
