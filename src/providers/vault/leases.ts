import { randomUUID } from 'node:crypto'
import { SecretsError } from '../../core/errors.ts'
import type { JsonObject, ProviderContext, SecretDocument } from '../../core/types.ts'
import { bodyOf, errorOf } from './errors.ts'
import { type Life, Renewal } from './renewal.ts'
import type { Session } from './session.ts'
import { beforeSignal } from './signals.ts'

/** What an engine made for us. */
export interface Lent extends Life {
  readonly value: JsonObject
  /** Empty: it cannot be renewed or given back, only ends (a certificate). */
  readonly id: string
  /** Unix ms: when it was asked for. */
  readonly since: number
}

interface Held extends Pick<Lent, 'id' | 'value'> {
  /** For each one made another: equal stamps mean equal content. */
  readonly version: string
  readonly renewal: Renewal
}

/** Makes one; a document is not lent, `undefined`: there is nothing to ask for. */
export type Ask = (context: ProviderContext) => Promise<Lent | SecretDocument | undefined>

/** What is lent to this process: each thing asked for once, kept alive, given back at the end. */
export class Leases {
  readonly #session: Session
  readonly #held = new Map<string, Held>()
  readonly #asking = new Map<string, Promise<SecretDocument | undefined>>()
  readonly #asks = new Map<string, Ask>()
  #deaf: (() => void) | undefined

  constructor(session: Session) {
    this.#session = session
    // What a token was lent ends with it.
    session.onNewToken((died) => this.#tokenChanged(died))
  }

  /** What is held for a key, else a new one. Concurrent callers share it. */
  async take(key: string, ask: Ask, context: ProviderContext): Promise<SecretDocument | undefined> {
    const held = this.#held.get(key)
    if (held && held.renewal.expiresAt > Date.now()) return documentOf(held)
    return this.#asking.get(key) ?? this.#make(key, ask, context)
  }

  /** Stops renewing. @returns what is still held */
  drop(): string[] {
    const ids = [...this.#held.values()].map(({ id }) => id).filter((id) => id !== '')
    for (const { renewal } of this.#held.values()) renewal.stop()
    this.#held.clear()
    this.#asks.clear()
    this.#deaf?.()
    this.#deaf = undefined
    return ids
  }

  #make(key: string, ask: Ask, context: ProviderContext): Promise<SecretDocument | undefined> {
    const asking = ask(context)
      .then((got) => {
        if (got && 'ttl' in got) return documentOf(this.#hold(key, ask, got))
        this.#release(key)
        return got
      })
      .finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  #release(key: string): void {
    this.#held.get(key)?.renewal.stop()
    this.#held.delete(key)
  }

  #hold(key: string, ask: Ask, lent: Lent): Held {
    this.#release(key)
    this.#asks.set(key, ask)
    const renewal = new Renewal(lent, lent.since, {
      renew: () => this.#renew(lent),
      replace: () => this.#replace(key, ask),
    })
    const held: Held = { id: lent.id, value: lent.value, version: randomUUID(), renewal }
    this.#held.set(key, held)
    this.#deaf ??= beforeSignal(() => this.#session.close(this.drop()))
    return held
  }

  async #renew({ id, ttl }: Lent): Promise<Life> {
    const context = this.#session.background()
    const path = 'sys/leases/renew'
    const answer = await this.#session.write(path, { lease_id: id, increment: ttl }, context)
    const { lease_duration: granted, renewable } = bodyOf(answer)
    const about = {
      what: 'renew a lease',
      url: this.#session.options.url,
      path,
      capability: 'update',
    } as const
    if (answer.status !== 200 || typeof granted !== 'number') throw errorOf(answer, about)
    context.debug(`${context.name}: a lease was renewed for ${granted} s`)
    return { ttl: granted, renewable: renewable === true }
  }

  async #replace(key: string, ask: Ask): Promise<void> {
    const context = this.#session.background()
    await (this.#asking.get(key) ?? this.#make(key, ask, context))
    context.debug(`${context.name}: what could not be renewed was asked for anew`)
  }

  /** @param died whether the old token is refused already; else it lives on for a while, and so do its leases */
  #tokenChanged(died: boolean): void {
    for (const key of [...this.#held.keys()]) {
      const ask = this.#asks.get(key)
      if (died || !ask) this.#release(key)
      else
        this.#replace(key, ask).catch((error: unknown) => {
          // The old one is good until its end; then who needs it asks, and is told.
          if (!(error instanceof SecretsError)) throw error
        })
    }
  }
}

function documentOf({ value, version, renewal }: Held): SecretDocument {
  return { value, version, expiresAt: renewal.expiresAt }
}
