import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { PassThrough, type Readable, type Transform, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { reasonOf } from '../../core/errors.ts'
import { DESCRIPTOR } from '../../runtime/frames.ts'
import { CliError, EXIT } from '../errors.ts'
import { onInterrupt } from '../interrupt.ts'
import { onClosedOutput } from '../output.ts'

export interface Start {
  readonly program: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** Absent: the program has our own output as it is. */
  readonly mask?: (() => Promise<Transform>) | undefined
  /** Goes to its inherited descriptor. */
  readonly handOver?: Uint8Array | undefined
  /** Whether it leads a group of its own, so that what it starts can be ended with it. */
  readonly group: boolean
}

/** How often it is looked whether a group is gone, in ms. */
const LOOK = 25
/** How long after SIGKILL, in ms: what is left then is nobody's any more, and waits for a parent to notice. */
const LAST_WAIT = 2000

/** A program that has been started. */
export class Program {
  readonly #child: ChildProcess
  readonly #group: boolean
  /** The exit code, or 128 and the number of the signal that ended it. @throws CliError when it cannot be started */
  readonly ended: Promise<number>

  constructor({ program, args, environment, mask, handOver, group }: Start) {
    const output = mask ? 'pipe' : 'inherit'
    this.#group = group && process.platform !== 'win32'
    const child = spawn(program, args, {
      stdio: ['inherit', output, output, ...(handOver ? (['pipe'] as const) : [])],
      env: environment,
      detached: this.#group,
    })
    this.#child = child
    if (handOver) hand(child.stdio[DESCRIPTOR] as Writable, handOver)
    const masked = mask
      ? Promise.all([
          passThrough(child.stdout!, mask, process.stdout),
          passThrough(child.stderr!, mask, process.stderr),
        ])
      : undefined
    // The program meets the closed pipe itself, and decides what to make of it.
    onClosedOutput((stream) => (stream === process.stdout ? child.stdout : child.stderr)?.destroy())
    this.ended = new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(startError(program, error)))
      child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
    }).then(async (code) => {
      await masked
      return code
    })
    // Whoever started it may be busy when it fails, and asks later.
    this.ended.catch(() => {})
  }

  /** Whether the terminal's own signals pass it by. */
  get isApart(): boolean {
    return this.#group
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#group) this.#child.kill(signal)
    else this.#kill(signal)
  }

  /** Asks it to end, and what it has started; ends what is left after `grace` ms. */
  async stop(grace: number): Promise<void> {
    this.signal('SIGTERM')
    if (!(await this.#gone(grace))) {
      this.signal('SIGKILL')
      await this.#gone(LAST_WAIT)
    }
    // What has left the group may hold its output open for ever.
    const timer = setTimeout(() => {
      this.#child.stdout?.destroy()
      this.#child.stderr?.destroy()
    }, LAST_WAIT)
    await this.ended.catch(() => {})
    clearTimeout(timer)
  }

  async #gone(within: number): Promise<boolean> {
    const until = Date.now() + within
    for (;;) {
      const isThere = this.#group
        ? this.#kill(0)
        : this.#child.exitCode === null && this.#child.signalCode === null
      if (!isThere) return true
      if (Date.now() >= until) return false
      await new Promise((resolve) => setTimeout(resolve, LOOK))
    }
  }

  /** @returns whether somebody of the group is there */
  #kill(signal: NodeJS.Signals | 0): boolean {
    // Not started: 0 would be our own group.
    if (this.#child.pid === undefined) return false
    try {
      return process.kill(-this.#child.pid, signal)
    } catch {
      return false
    }
  }
}

/** Once, and then the end: who comes second is told that there is nothing, and asks the socket. */
function hand(descriptor: Writable, frame: Uint8Array): void {
  // It may end, or never read.
  descriptor.on('error', () => {})
  descriptor.end(frame, () => descriptor.destroy())
}

/** Ends when everything has been handed on, or nobody takes it any more. */
async function passThrough(from: Readable, maskFor: () => Promise<Transform>, to: Writable): Promise<void> {
  // Whose process has ended is emptied by Node where nobody reads: something reads from the start.
  const held = from.pipe(new PassThrough())
  from.once('close', () => {
    if (!from.readableEnded) held.destroy()
  })
  await new Promise<void>((resolve) => {
    held.once('readable', resolve)
    held.once('close', resolve)
  })
  // The end makes it readable too: then there is nothing.
  if (held.readableLength === 0) {
    held.resume()
    return
  }
  const mask = await maskFor()
  held.once('close', () => {
    if (!held.readableEnded) mask.destroy()
  })
  held.pipe(mask).pipe(to, { end: false })
  await finished(mask).catch(() => {})
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** Those that a terminal sends to every program in the foreground, the started one included. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT']

/**
 * Hands signals on and stays alive for the program's end. What the terminal has sent to both is not sent a
 * second time: many programs take a second Ctrl-C as "stop at once and leave everything".
 * @param send told of each signal, with whether the terminal has sent it to a program of our group as well
 */
export function forwardSignals(send: (signal: NodeJS.Signals, fromTerminal: boolean) => void): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => send(signal, process.stdin.isTTY && FROM_TERMINAL.includes(signal))
    process.on(signal, listener)
    return { signal, listener }
  })
  // A Ctrl-C is the program's from here on.
  onInterrupt(() => {})
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
