import { SecretsError } from '../../core/errors.ts'

/** How long something lent is good for. */
export interface Life {
  /** s */
  readonly ttl: number
  readonly renewable: boolean
}

export interface RenewalWork {
  /** Asks for more time. @throws SecretsError */
  renew(): Promise<Life>
  /** Gets another one in its place; the renewal ends with it. @throws SecretsError */
  replace(): Promise<void>
}

/** What `setTimeout` can wait at most; a longer life is renewed earlier than it needs to be. */
const LONGEST_WAIT = 2 ** 31 - 1
/** Between tries while the server cannot be reached. */
const FIRST_RETRY = 1000
const LONGEST_RETRY = 60_000

/**
 * Keeps alive what a server lends: renewed at about two thirds of its life, a little earlier by chance so that
 * many do not come at once. What cannot be renewed any more (not renewable, refused, or given so little time
 * that its longest life is near) is replaced while it still works. Nothing here keeps the process alive.
 */
export class Renewal {
  readonly #first: number
  readonly #work: RenewalWork
  #life: Life
  #expiresAt: number
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param since Unix ms: before it was asked for, so that the way there counts against us */
  constructor(life: Life, since: number, work: RenewalWork) {
    this.#first = life.ttl
    this.#life = life
    this.#work = work
    this.#expiresAt = since + life.ttl * 1000
    this.#schedule(dueOf(life))
  }

  /** Unix ms */
  get expiresAt(): number {
    return this.#expiresAt
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #schedule(wait: number, tries = 0): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => void this.#run(tries), Math.min(wait, LONGEST_WAIT)).unref()
  }

  async #run(tries: number): Promise<void> {
    try {
      if (this.#life.renewable && this.#life.ttl > this.#first / 2) {
        const since = Date.now()
        this.#life = await this.#work.renew()
        this.#expiresAt = since + this.#life.ttl * 1000
        return this.#schedule(dueOf(this.#life))
      }
    } catch (error) {
      if (error instanceof SecretsError && error.transient && this.#retry(tries)) return
      // Refused, or no time is left to ask again: it is gone, or has reached its longest life.
    }
    try {
      if (!this.#stopped) await this.#work.replace()
    } catch (error) {
      // What is refused now is told to the next who asks for it.
      if (error instanceof SecretsError && error.transient) this.#retry(tries)
    }
  }

  /** Until its end: after that, who needs it asks anew. @returns whether there is time for it */
  #retry(tries: number): boolean {
    const wait = Math.min(FIRST_RETRY * 2 ** tries, LONGEST_RETRY) * (0.5 + Math.random() / 2)
    if (Date.now() + wait >= this.#expiresAt) return false
    this.#schedule(wait, tries + 1)
    return true
  }
}

/** ms from now */
function dueOf({ ttl }: Life): number {
  return ttl * 1000 * (2 / 3 - Math.random() / 10)
}
