import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable, Transform, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { reasonOf, SecretsError } from '../../core/errors.ts'
import { createPolicy, type Policy } from '../../core/policy.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import type { Json } from '../../core/types.ts'
import { command } from '../command.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { onInterrupt } from '../interrupt.ts'
import { onClosedOutput } from '../output.ts'

export default command({
  name: 'run',
  description: 'Start a program with the secrets in its environment; its output is masked',
  examples: [
    ['secrets run -- node server.js', 'all secrets, for the environment of this machine'],
    ['secrets run --only DATABASE_URL --env production -- npm run migrate', 'no more than it needs'],
    ['secrets run --no-mask -- psql', 'for a program that needs the terminal itself'],
  ],
  args: {
    mask: {
      type: 'boolean',
      default: true,
      description: 'Replace values in what the program prints',
      negativeDescription: 'Give it our own output as it is',
    },
    only: { type: 'string', description: 'These names and no others', valueHint: 'A,B' },
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
    const { loadSome, withSecrets } = await import('../context.ts')
    const only = list('only')
    process.exitCode = await withSecrets(flags, async ({ config, load }) => {
      const snapshot = only.length > 0 ? await loadSome(config, only) : await load()
      // An optional one may have no value.
      const names = (only.length > 0 ? only : snapshot.names()).filter((name) => snapshot.get(name))
      const environment = environmentOf(snapshot, names)
      const mask = flags.mask ? await maskFor(snapshot, names, createPolicy(config.client)) : undefined
      // In here: what was lent for the program is kept alive while it runs, and given back after it.
      return start(program, args, environment, mask)
    })
  },
})

/** @throws SecretsError for what no environment can hold; Node's own error would quote the value */
function environmentOf(snapshot: Snapshot, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      const value = snapshot.get(name)!.reveal()
      if (!/[=\0]/.test(name) && name !== '' && !value.includes('\0')) return [name, value]
      const what = value.includes('\0') ? 'holds a NUL byte' : 'is not a name for a variable'
      throw new SecretsError('WRONG_TYPE', `${JSON.stringify(name)} cannot be a variable: it ${what}.`, {
        hint: 'Leave it out with --only.',
      })
    }),
  )
}

/**
 * What is masked: every value that browsers may not see anyway, and of JSON documents the texts in them
 * (numbers and flags are in any output).
 */
async function maskFor(
  snapshot: Snapshot,
  names: readonly string[],
  policy: Policy,
): Promise<() => Transform> {
  const [{ leaves }, { Secret }, { RedactStream }] = await Promise.all([
    import('../../core/extract.ts'),
    import('../../core/redact.ts'),
    import('../../core/redact-stream.ts'),
  ])
  const secrets = names.flatMap((name) => {
    if (policy.allows(name)) return []
    const whole = snapshot.get(name)!
    if (snapshot.meta(name)?.kind !== 'json') return [whole]
    const texts = leaves(name, JSON.parse(whole.reveal()) as Json).flatMap(([path, value]) => {
      return typeof value === 'string' && !policy.allows(path) ? [new Secret(path, value)] : []
    })
    return [whole, ...texts]
  })
  return () => new RedactStream(secrets)
}

/** @returns the program's exit code, or 128 and the number of the signal that ended it */
async function start(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  mask: (() => Transform) | undefined,
): Promise<number> {
  const output = mask ? 'pipe' : 'inherit'
  const child = spawn(program, args, {
    stdio: ['inherit', output, output],
    env: { ...process.env, ...(mask ? colorHint() : {}), ...environment },
  })
  const stopForwarding = forwardSignals((signal) => child.kill(signal))
  // A Ctrl-C is the program's from here on.
  onInterrupt(() => {})
  const masked = mask
    ? Promise.all([
        passThrough(child.stdout!, mask(), process.stdout),
        passThrough(child.stderr!, mask(), process.stderr),
      ])
    : undefined
  // The program meets the closed pipe itself, and decides what to make of it.
  onClosedOutput((stream) => (stream === process.stdout ? child.stdout : child.stderr)?.destroy())
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(startError(program, error)))
      child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
    })
    await masked
    return code
  } finally {
    stopForwarding()
  }
}

/** Ends when everything has been handed on, or nobody takes it any more. */
async function passThrough(from: Readable, mask: Transform, to: Writable): Promise<void> {
  from.once('close', () => (from.readableEnded ? mask.end() : mask.destroy()))
  from.pipe(mask, { end: false }).pipe(to, { end: false })
  await finished(mask).catch(() => {})
}

/** A program that writes into our pipe thinks that nobody sees colours. */
function colorHint(): Record<string, string> {
  const { FORCE_COLOR, NO_COLOR } = process.env
  if (!process.stdout.isTTY || FORCE_COLOR !== undefined || NO_COLOR) return {}
  const level = { 1: '0', 4: '1', 8: '2', 24: '3' }[process.stdout.getColorDepth()]
  return { FORCE_COLOR: level ?? '1' }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** Those that a terminal sends to every program in the foreground, the started one included. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT']

/**
 * Hands signals on and stays alive for the program's end. What the terminal has sent to both is not sent a
 * second time: many programs take a second Ctrl-C as "stop at once and leave everything".
 */
function forwardSignals(send: (signal: NodeJS.Signals) => void): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (!process.stdin.isTTY || !FROM_TERMINAL.includes(signal)) send(signal)
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}

function startError(program: string, error: Error): Error {
  const reason = reasonOf(error)
  if (reason === 'ENOENT') {
    const hint = 'It is looked for in PATH; programs of the project start with npx.'
    return new CliError('COMMAND_NOT_FOUND', EXIT.commandNotFound, `There is no program ${program}.`, hint)
  }
  return new CliError('COMMAND_NOT_FOUND', EXIT.notExecutable, `${program} cannot be started: ${reason}.`)
}
