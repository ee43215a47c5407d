import { type PluginOptions, Session, type SessionPlace } from './session.ts'

/** A session and the compilers that have it. */
interface Shared {
  readonly key: string
  readonly session: Session
  readonly ready: Promise<void>
  /** At work with it now. */
  readonly users: Set<object>
  /** Have built with it: when one of them begins again, the values are asked for again. */
  readonly finished: Set<object>
}

/** Sessions somebody works with, by what they were asked for with. */
const open = new Map<string, Shared>()
let instances = 0

/**
 * The sessions of one plugin instance, which may be given to several compilers (a MultiCompiler, a framework
 * that builds client, server and edge): those that build at once or one after the other have one fetch and
 * one snapshot between them. So do instances of their own with equal settings that are at work at once.
 */
export class Sessions {
  readonly #options: PluginOptions | undefined
  /** Options with functions in them (providers, schemas) cannot be compared. */
  readonly #identity: string
  #latest: Shared | undefined
  readonly #held = new Map<object, Shared>()

  constructor(options: PluginOptions | undefined) {
    this.#options = options
    this.#identity = isPlain(options) ? JSON.stringify(options ?? null) : `instance ${++instances}`
  }

  /** @throws SecretsError for the configuration, the policy or the secrets */
  async acquire(compiler: object, place: SessionPlace): Promise<Session> {
    const key = JSON.stringify([place.root, place.mode, place.prefixes, this.#identity])
    const usable = (shared: Shared | undefined): Shared | undefined =>
      shared?.key === key && !shared.finished.has(compiler) ? shared : undefined
    const shared = usable(this.#latest) ?? usable(open.get(key)) ?? this.#start(key, place)
    this.#latest = shared
    shared.users.add(compiler)
    this.#held.set(compiler, shared)
    try {
      await shared.ready
    } catch (error) {
      this.release(compiler)
      if (this.#latest === shared) this.#latest = undefined
      throw error
    }
    return shared.session
  }

  /** The compiler's work is done. */
  release(compiler: object): void {
    const shared = this.#held.get(compiler)
    if (!shared?.users.delete(compiler)) return
    this.#held.delete(compiler)
    shared.finished.add(compiler)
    if (shared.users.size > 0) return
    if (open.get(shared.key) === shared) open.delete(shared.key)
    void shared.session.close()
  }

  #start(key: string, place: SessionPlace): Shared {
    const session = new Session(this.#options)
    const shared = {
      key,
      session,
      ready: session.prepare(place),
      users: new Set<object>(),
      finished: new Set<object>(),
    }
    open.set(key, shared)
    return shared
  }
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function'
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && !Array.isArray(value)) return false
  return Object.values(value).every(isPlain)
}
