import { constants } from 'node:os'
import { basename } from 'node:path'
import type { SecretsError } from '../../core/errors.ts'
import { formatError } from '../errors.ts'
import { count, note, warn } from '../output.ts'
import { forwardSignals, type Program } from './program.ts'

/** Who is started again when a value changes: `auto` is a program that does not listen to the channel. */
export const RESTARTS = ['auto', 'always', 'never'] as const
export type Restart = (typeof RESTARTS)[number]

export interface Supervised {
  /** As it was typed. */
  readonly name: string
  readonly restart: Restart
  /** How long a program has to end, in ms, before it is killed. */
  readonly grace: number
  /** Starts the program with the values of now. */
  launch(): Program
  /** How many programs have heard of a change by themselves. */
  listeners(): number
}

/** Somebody may be about to listen, behind a launcher that takes its time: so long, in ms, nobody is started again. */
const SETTLED = 1000
/** A program that lives so long, in ms, is no longer one that has just been started. */
const STABLE = 10_000
/** Pauses between starts of a program that does not get there: 1 s, 2 s, 4 s … up to this, in ms. */
const LONGEST_PAUSE = 30_000
/** How often a program that fails right after a change is given another try. */
const TRIES = 5

/** Runs a program, and starts it again when values change that it cannot hear of. */
export class Supervisor {
  readonly #how: Supervised
  #program: Program
  #startedAt = Date.now()
  /** Whether it is to be started again when it has ended. */
  #again = false
  #pauses = 0
  /** Changed, and not told yet. */
  readonly #owed = new Set<string>()
  #settling: NodeJS.Timeout | undefined
  /** Whether somebody wants it to end for good; ends a pause. */
  readonly #ending = new AbortController()
  /** The signal that came when the program was to be started again. */
  #signal: NodeJS.Signals | undefined
  #stopping: Promise<void> | undefined

  constructor(how: Supervised) {
    this.#how = how
    this.#program = how.launch()
  }

  /** @returns the exit code of the last program. @throws CliError when it cannot be started */
  async run(): Promise<number> {
    const stop = forwardSignals((signal, fromTerminal) => this.#forward(signal, fromTerminal))
    try {
      for (;;) {
        const code = await this.#program.ended
        await this.#stopping
        const goesOn = !this.#isEnding && (await this.#goesOn(code))
        // What we have ended ourselves would be another reason.
        if (!goesOn) return this.#signal === undefined ? code : 128 + constants.signals[this.#signal]
        this.#startedAt = Date.now()
        this.#program = this.#how.launch()
      }
    } finally {
      clearTimeout(this.#settling)
      stop()
    }
  }

  /** Values have changed, and whoever listens has them: says so in one line, and starts again who does not. */
  changed(names: readonly string[]): void {
    for (const name of names) this.#owed.add(name)
    const { restart, listeners } = this.#how
    if (restart !== 'auto' || listeners() > 0 || this.#again) this.#settle()
    else this.#settling ??= setTimeout(() => this.#settle(), SETTLED)
  }

  #settle(): void {
    clearTimeout(this.#settling)
    this.#settling = undefined
    const { restart, grace, name, listeners } = this.#how
    const program = basename(name)
    const told = listeners()
    const again = !this.#isEnding && (restart === 'always' || (restart === 'auto' && told === 0))
    const follows = [
      ...(told > 0 ? [`${count(told, 'program')} told`] : []),
      ...(again ? [`${program} is started again`] : []),
    ]
    const what = follows.join(', ') || `${program} keeps what it was started with`
    note(`[secrets] ${[...this.#owed].sort().join(', ')} changed: ${what}.`)
    this.#owed.clear()
    if (!again || this.#again) return
    this.#again = true
    this.#stopping = this.#program.stop(grace).finally(() => {
      this.#stopping = undefined
    })
  }

  failed(error: SecretsError): void {
    warn(`${formatError(error)}\n  The last values stay.`)
  }

  recovered(): void {
    note('[secrets] The providers answer again.')
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted
  }

  /** Whether there is a next start; waits for its time. */
  async #goesOn(code: number): Promise<boolean> {
    const isYoung = Date.now() - this.#startedAt < STABLE
    if (!isYoung) this.#pauses = 0
    const isCrash = !this.#again
    // Only a restart of ours is ours to mend; else the end of the program is the end.
    if (isCrash && (code === 0 || this.#pauses === 0 || this.#pauses > TRIES || !isYoung)) return false
    const pause = this.#pauses === 0 ? 0 : Math.min(1000 * 2 ** (this.#pauses - 1), LONGEST_PAUSE)
    this.#pauses++
    if (isCrash)
      note(
        `[secrets] ${basename(this.#how.name)} ended with ${code} after a change: once more in ${pause / 1000} s.`,
      )
    this.#again = true
    // What is started has all that has changed so far.
    if (this.#settling) this.#settle()
    await this.#wait(pause)
    this.#again = false
    return !this.#isEnding
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      const end = (): void => {
        clearTimeout(timer)
        resolve()
      }
      this.#ending.signal.addEventListener('abort', end, { once: true })
    })
  }

  #forward(signal: NodeJS.Signals, fromTerminal: boolean): void {
    // A group of its own is not what the terminal speaks to.
    if (!fromTerminal || this.#program.isApart) this.#program.signal(signal)
    // Many programs read their settings anew at a SIGHUP, and go on.
    if (signal === 'SIGHUP' && !this.#again) return
    if (this.#again) this.#signal = signal
    this.#again = false
    this.#ending.abort()
  }
}
