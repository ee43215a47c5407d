import { type CommandDef, defineCommand, renderUsage, runCommand } from 'citty'
import { didYouMean } from '../core/nearest.ts'
import { VERSION } from '../core/user-agent.ts'
import { type CommandTable, PROGRAM, tidy, tokensOf } from './command.ts'
import { describeError, exitCodeOf, formatError, usageError } from './errors.ts'
import { watchInterrupt } from './interrupt.ts'
import { note, noteColors, print, result, watchOutput } from './output.ts'
import { withoutProgress } from './progress.ts'

export interface Program {
  readonly commands: CommandTable
  readonly description: string
  /** Two commands to begin with. */
  readonly example: string
}

/** Runs one command line to its end. */
export async function runProgram(program: Program, argv: readonly string[]): Promise<void> {
  watchOutput()
  watchInterrupt()
  const end = argv.indexOf('--')
  const own = end === -1 ? argv : argv.slice(0, end)
  const json = own.includes('--json')
  if (json) withoutProgress()
  const report = (caught: unknown): void => {
    const error = asUsage(caught)
    if (json) result(true, { error: describeError(error) }, () => '', exitCodeOf(error))
    else {
      process.exitCode = exitCodeOf(error)
      note(`${noteColors.red('error:')} ${formatError(error)}`)
    }
  }
  // What nobody waits for (a timer of a provider): Node would print it as it is, and its text may quote anything.
  process.on('uncaughtException', (error) => {
    report(error)
    process.exit()
  })
  await dispatch(program, argv, own).catch(report)
}

async function dispatch(program: Program, argv: readonly string[], own: readonly string[]): Promise<void> {
  const { commands } = program
  const asksHelp = own.includes('--help') || own.includes('-h')
  const first = tokensOf(own).find((token) => token.kind === 'positional')
  if (first === undefined) {
    const flag = own.find((arg) => !['--help', '-h', '--version', '-v', '--json'].includes(arg))
    if (own.includes('--version') || own.includes('-v')) print(VERSION)
    else if (asksHelp || (own.length === 0 && argv.length === 0)) print(await overview(program))
    else throw usageError(flag ? `There is no command before ${flag}.` : 'There is no command.', SEE_HELP)
    return
  }
  const name = first.value!
  if (!Object.hasOwn(commands, name))
    throw usageError(`There is no command ${name}.${didYouMean(name, Object.keys(commands))}`, SEE_HELP)
  const { default: command } = await commands[name]!.load()
  if (asksHelp) {
    print(await command.help())
    return
  }
  const mine = (args: readonly string[]) => args.filter((_, index) => index !== first.index)
  command.check(mine(command.wrapsCommand ? own : argv))
  await runCommand(command.definition, { rawArgs: mine(argv) })
}

const SEE_HELP = `See: ${PROGRAM} --help`

function overview({ commands, description, example }: Program): Promise<string> {
  const subCommands = Object.fromEntries(
    Object.entries(commands).map(([name, { description }]): [string, CommandDef] => [
      name,
      { meta: { name, description } },
    ]),
  )
  const root = defineCommand({ meta: { name: PROGRAM, version: VERSION, description }, subCommands })
  return renderUsage(root).then((usage) => [tidy(usage), '', `For example: ${example}`].join('\n'))
}

/** What citty itself finds wrong with a command line (its error class is not exported). */
function asUsage(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'CLIError') return error
  return usageError(`${tidy(error.message)}.`, SEE_HELP)
}
