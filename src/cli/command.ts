import { basename } from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { type ArgsDef, type CommandDef, defineCommand, renderUsage } from 'citty'
import { didYouMean } from '../core/nearest.ts'
import { COMMON_EXITS, usageError } from './errors.ts'
import { colors } from './output.ts'

/** Which of the two programs runs: both have the device commands. */
export const PROGRAM = /^vault-env(\.[cm]?[jt]s)?$/.test(basename(process.argv[1] ?? ''))
  ? 'vault-env'
  : 'secrets'

/** On every command. */
export const COMMON = {
  env: { type: 'string', description: 'The environment: development, production, …', valueHint: 'name' },
  profile: { type: 'string', description: 'The profile of the configuration', valueHint: 'name' },
  root: { type: 'string', description: 'The project, instead of the working folder', valueHint: 'folder' },
  config: { type: 'string', description: 'The configuration file to use', valueHint: 'file' },
  json: { type: 'boolean', description: 'Print one JSON document' },
} as const satisfies ArgsDef

/** What citty gives for one argument; its own types forget that an optional one may be absent. */
type Value<Arg> = Arg extends { type: 'boolean' }
  ? boolean | undefined
  : Arg extends { type: 'positional'; required?: true }
    ? string
    : string | undefined

export type Flags<Args extends ArgsDef = typeof COMMON> = {
  readonly [Name in keyof (Args & typeof COMMON)]: Value<(Args & typeof COMMON)[Name]>
}
/** The flags that every command has. */
export type CommonFlags = Flags<typeof COMMON>

export interface Invocation<Args extends ArgsDef> {
  readonly flags: Flags<Args>
  /** Every value of a flag that may be given several times, commas taken apart. */
  list(flag: keyof Args & string): string[]
  /** What stood behind `--`. */
  readonly rest: readonly string[]
}

interface CommandInput<Args extends ArgsDef> {
  readonly name: string
  readonly description: string
  /** What was typed, and what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  readonly args: Args
  /** Exit codes of its own, beside those of every command. */
  readonly exits?: readonly (readonly [code: number, meaning: string])[]
  /** Whether what stands behind `--` is the command line of another program. Default: further arguments. */
  readonly wrapsCommand?: boolean
  run(invocation: Invocation<Args>): Promise<void>
}

/** A command, ready to be started by `main`. */
export interface Command {
  readonly wrapsCommand: boolean
  readonly definition: CommandDef
  /** What was typed, and what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  help(): Promise<string>
  /** @throws CliError for a command line that it does not understand */
  check(own: readonly string[]): void
}

/** Each command and what it is for; its file is read only when it is asked for. */
export type CommandTable = Readonly<
  Record<string, { readonly description: string; load(): Promise<{ default: Command }> }>
>

export function command<const Args extends ArgsDef>(input: CommandInput<Args>): Command {
  const { name, description, examples, exits = [], wrapsCommand = false } = input
  const args: ArgsDef = { ...input.args, ...COMMON }
  const definition = defineCommand({
    meta: { name: `${PROGRAM} ${name}`, description },
    args,
    run({ args: flags, rawArgs }) {
      const split = wrapsCommand ? rawArgs.indexOf('--') : -1
      const own = split === -1 ? rawArgs : rawArgs.slice(0, split)
      return input.run({
        flags: flags as unknown as Flags<Args>,
        list: (flag) => valuesOf(own, args, flag),
        rest: split === -1 ? [] : rawArgs.slice(split + 1),
      })
    },
  })
  return {
    wrapsCommand,
    definition,
    examples,
    check(own) {
      const [word] = wrapsCommand ? tokensOf(own, args).filter((token) => token.kind === 'positional') : []
      if (word) {
        const hint = `Write -- before the program: ${PROGRAM} ${name} -- ${word.value} …`
        throw usageError(`${name} does not know where its own flags end.`, hint)
      }
      checkFlags(own, args, name)
    },
    async help() {
      const width = Math.max(...examples.map(([line]) => line.length))
      const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${colors.dim(meaning)}`)
      const usage = await renderUsage(definition)
      const codes = [...COMMON_EXITS, ...exits].sort(([a], [b]) => a - b)
      const meanings = codes.map(([code, meaning]) => `${code} ${meaning}`).join(' · ')
      return [
        tidy(usage),
        ...['', colors.bold('EXAMPLES'), '', ...lines],
        ...['', colors.bold('EXIT CODES'), '', `  ${meanings}`],
      ].join('\n')
    },
  }
}

/** citty colours whatever the output is, and fills its lines with spaces. */
export function tidy(text: string): string {
  const shown = colors.isColorSupported ? text : stripVTControlCharacters(text)
  return shown.replace(/[ \t]+$/gm, '').trimEnd()
}

/** A command line as Node itself reads it, for what citty does not tell. */
export function tokensOf(own: readonly string[], args: ArgsDef = COMMON) {
  const options: Record<string, { type: 'boolean' | 'string'; multiple: true; short?: string }> = {}
  for (const [name, { type, ...more }] of Object.entries(args)) {
    if (type === 'positional') continue
    const short = 'alias' in more && typeof more.alias === 'string' ? { short: more.alias } : {}
    options[name] = { type: type === 'boolean' ? 'boolean' : 'string', multiple: true, ...short }
  }
  return parseArgs({ args: [...own], options, strict: false, allowPositionals: true, tokens: true }).tokens
}

function valuesOf(own: readonly string[], args: ArgsDef, flag: string): string[] {
  return tokensOf(own, args).flatMap((token) => {
    if (token.kind !== 'option' || token.name !== flag || token.value === undefined) return []
    return token.value.split(',').filter((part) => part !== '')
  })
}

function checkFlags(own: readonly string[], args: ArgsDef, name: string): void {
  const seeHelp = `See: ${PROGRAM} ${name} --help`
  const known = Object.keys(args).filter((key) => args[key]!.type !== 'positional')
  const positionals = Object.keys(args).filter((key) => args[key]!.type === 'positional')
  const required = positionals.filter((key) => args[key]!.required)
  let given = 0
  for (const token of tokensOf(own, args)) {
    if (token.kind === 'positional') {
      given += 1
      if (given > positionals.length) {
        throw usageError(
          positionals.length === 0
            ? `${name} takes no arguments, only flags.`
            : `${name} takes ${positionals.length === 1 ? 'one argument' : `${positionals.length} arguments`}: ${positionals.join(', ')}.`,
          seeHelp,
        )
      }
    }
    if (token.kind !== 'option') continue
    const negated = /^no-(.+)$/.exec(token.name)?.[1]
    if (negated !== undefined && args[negated]?.type === 'boolean' && token.value === undefined) continue
    const definition = Object.hasOwn(args, token.name) ? args[token.name]! : undefined
    if (definition === undefined || definition.type === 'positional') {
      const flags = known.flatMap((key) => [key, ...(args[key]!.type === 'boolean' ? [`no-${key}`] : [])])
      const guess = didYouMean(token.name, flags).replace(/(\S+)\?$/, '--$1?')
      throw usageError(`${name} has no flag ${token.rawName}.${guess}`, seeHelp)
    }
    if (definition.type === 'boolean') {
      if (token.value !== undefined && token.value !== 'true' && token.value !== 'false')
        throw usageError(`${token.rawName} takes no value.`, seeHelp)
    } else if (!token.value || (!token.inlineValue && /^-./.test(token.value))) {
      throw usageError(`${token.rawName} needs a value.`, seeHelp)
    }
  }
  if (given < required.length) throw usageError(`${name} needs ${required[given]!.toUpperCase()}.`, seeHelp)
}
