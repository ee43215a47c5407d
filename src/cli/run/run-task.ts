import { lentInterval } from '../../core/lent.ts'
import type { Secrets } from '../../core/pipeline.ts'
import { createPolicy } from '../../core/policy.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import { CHANNEL } from '../../runtime/frames.ts'
import type { Channel } from './channel.ts'
import { forwardSignals, Program } from './program.ts'
import { Mask } from './run-mask.ts'
import { checkVariables, maskedSecrets, textsOf } from './run-values.ts'
import type { Restart } from './supervise.ts'

export interface Watching {
  /** ms. Default: the configuration's. */
  readonly interval: number | undefined
  readonly restart: Restart
  /** ms */
  readonly grace: number
}

export interface Task {
  readonly secrets: Secrets
  readonly snapshot: Snapshot
  /** Empty: all. */
  readonly only: readonly string[]
  readonly program: string
  readonly args: readonly string[]
  readonly isExported: boolean
  readonly isMasked: boolean
  readonly watching: Watching | undefined
}

/**
 * Runs a program with values to its end.
 * @returns its exit code, or 128 and the number of the signal that ended it
 */
export async function runTask(task: Task): Promise<number> {
  const { watching, isExported } = task
  const given = new Given(task)
  if (isExported && !watching) return runOnce(given)
  // A program that has everything in its environment, and will not be told more, needs no other way.
  const { Channel } = await import('./channel.ts')
  const channel = await Channel.open(given.texts, watching !== undefined)
  given.channel = channel
  try {
    return await (watching ? runWatching(task, watching, given) : runOnce(given))
  } finally {
    channel.close()
  }
}

/** What the program is given, now. */
class Given {
  readonly #task: Task
  readonly #mask: Mask | undefined
  texts: Readonly<Record<string, string>>
  channel: Channel | undefined

  constructor(task: Task) {
    this.#task = task
    this.#mask = task.isMasked ? new Mask() : undefined
    this.texts = this.#take(task.snapshot)
  }

  /** @returns the names that are new, gone or have another value */
  change(snapshot: Snapshot): string[] {
    const before = this.texts
    this.texts = this.#take(snapshot)
    this.channel?.hand(this.texts)
    const names = new Set([...Object.keys(before), ...Object.keys(this.texts)])
    return [...names].filter((name) => before[name] !== this.texts[name]).sort()
  }

  start(group: boolean): Program {
    const { program, args, isExported } = this.#task
    const mask = this.#mask
    const { [CHANNEL]: _, ...outer } = process.env
    const environment = {
      ...outer,
      ...(mask ? colorHint() : {}),
      ...(isExported ? this.texts : {}),
      ...(this.channel ? { [CHANNEL]: this.channel.variable } : {}),
    }
    const handOver = process.platform === 'win32' ? undefined : this.channel?.frame
    return new Program({ program, args, environment, mask: mask && (() => mask.stream()), handOver, group })
  }

  /** Masked first: nobody can have printed them then. */
  #take(snapshot: Snapshot): Given['texts'] {
    const { only, secrets, isExported } = this.#task
    const texts = textsOf(snapshot, only)
    if (isExported) checkVariables(texts)
    this.#mask?.add(maskedSecrets(snapshot, Object.keys(texts), createPolicy(secrets.config.client)))
    return texts
  }
}

async function runOnce(given: Given): Promise<number> {
  const program = given.start(false)
  const stop = forwardSignals((signal, fromTerminal) => {
    if (!fromTerminal) program.signal(signal)
  })
  return program.ended.finally(stop)
}

async function runWatching(
  { secrets, snapshot, program }: Task,
  { interval, restart, grace }: Watching,
  given: Given,
): Promise<number> {
  const { Supervisor } = await import('./supervise.ts')
  const supervisor = new Supervisor({
    name: program,
    restart,
    grace,
    launch: () => given.start(restart !== 'never'),
    listeners: () => given.channel?.listeners ?? 0,
  })
  const watch = await secrets.watch({
    from: snapshot,
    interval: lentInterval(snapshot, interval ?? secrets.config.watch.interval)!,
    onChange(_, changed) {
      const names = given.change(changed)
      if (names.length > 0) supervisor.changed(names)
    },
    onError: (error) => supervisor.failed(error),
    onRecover: () => supervisor.recovered(),
  })
  return supervisor.run().finally(() => watch.stop())
}

/** A program that writes into our pipe thinks that nobody sees colours. */
function colorHint(): Record<string, string> {
  const { FORCE_COLOR, NO_COLOR } = process.env
  if (!process.stdout.isTTY || FORCE_COLOR !== undefined || NO_COLOR) return {}
  const level = { 1: '0', 4: '1', 8: '2', 24: '3' }[process.stdout.getColorDepth()]
  return { FORCE_COLOR: level ?? '1' }
}
