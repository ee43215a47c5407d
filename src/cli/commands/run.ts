import type { Duration } from '../../core/types.ts'
import { command } from '../command.ts'
import { openSome, withSecrets } from '../context.ts'
import { EXIT, usageError } from '../errors.ts'
import { runTask, type Watching } from '../run/run-task.ts'

export default command({
  name: 'run',
  description: 'Start a program with the secrets in its environment; its output is masked',
  examples: [
    ['secrets run -- node server.js', 'all secrets, for the environment of this machine'],
    ['secrets run --only DATABASE_URL --env production -- npm run migrate', 'no more than it needs'],
    ['secrets run --no-export -- node dist/server.js', 'a built server: values in its memory alone'],
    ['secrets run --watch -- npm start', 'told of changes, or started again'],
    ['secrets run --no-mask -- psql', 'for a program that needs the terminal itself'],
  ],
  args: {
    mask: {
      type: 'boolean',
      default: true,
      description: 'Replace values in what the program prints',
      negativeDescription: 'Give it our own output as it is',
    },
    export: {
      type: 'boolean',
      default: true,
      description: 'Put the values into its environment',
      negativeDescription: 'Hand them to servers that were built with unplugin-secrets, and to nobody else',
    },
    only: { type: 'string', description: 'These names and no others', valueHint: 'A,B' },
    watch: { type: 'boolean', description: 'Hand on values that change while it runs' },
    interval: {
      type: 'string',
      description: 'With --watch: how often providers are asked; default: the configuration’s, else 30s',
      valueHint: '30s',
    },
    restart: {
      type: 'string',
      description:
        'With --watch: start the program again after a change. auto: when it does not listen for changes',
      valueHint: 'auto|always|never',
    },
    grace: {
      type: 'string',
      description: 'With --watch: how long it has to end before it is killed; default 10s',
      valueHint: '10s',
    },
  },
  exits: [
    [EXIT.notExecutable, 'the program cannot be started'],
    [EXIT.commandNotFound, 'there is no such program'],
  ],
  wrapsCommand: true,
  async run({ flags, list, rest }) {
    const [program, ...args] = rest
    if (program === undefined)
      throw usageError('There is no program to run.', 'Write it behind --: secrets run -- npm start')
    const watching = await watchingOf(flags)
    const only = list('only')
    process.exitCode = await withSecrets(flags, async (whole) => {
      const opened =
        only.length > 0
          ? await openSome(whole.config, only)
          : { secrets: whole, snapshot: await whole.load() }
      // In here: what was lent for the program is kept alive while it runs, and given back after it.
      return runTask({
        ...opened,
        only,
        program,
        args,
        isExported: flags.export !== false,
        isMasked: flags.mask !== false,
        watching,
      })
    })
  },
})

/** @throws CliError USAGE for flags that say nothing, SecretsError CONFIG_INVALID for what is no duration */
async function watchingOf(flags: {
  readonly watch: boolean | undefined
  readonly interval: string | undefined
  readonly restart: string | undefined
  readonly grace: string | undefined
}): Promise<Watching | undefined> {
  const { watch, interval, restart = 'auto', grace = '10s' } = flags
  if (!watch) {
    const idle = (['interval', 'restart', 'grace'] as const).find((name) => flags[name] !== undefined)
    if (idle) throw usageError(`--${idle} says something about --watch, which is not there.`)
    return undefined
  }
  const [{ parseDuration }, { RESTARTS }] = await Promise.all([
    import('../../core/duration.ts'),
    import('../run/supervise.ts'),
  ])
  const found = RESTARTS.find((one) => one === restart)
  if (!found) throw usageError(`--restart is ${RESTARTS.join(', ')}.`)
  return {
    interval: interval === undefined ? undefined : parseDuration(interval as Duration, '--interval'),
    restart: found,
    grace: parseDuration(grace as Duration, '--grace'),
  }
}
