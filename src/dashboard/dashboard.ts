import { checkProvider } from '../core/check.ts'
import { SecretsError } from '../core/errors.ts'
import { linkEnvironment, unlinkEnvironment } from '../core/links.ts'
import { moveToLocal } from '../core/move-to-local.ts'
import { didYouMean } from '../core/nearest.ts'
import type { Secrets } from '../core/pipeline.ts'
import type { DashboardRequests, DashboardState, Problem, RotationView } from './api.ts'
import { Health } from './health.ts'
import type { DashboardHost } from './host.ts'
import { readLocal, setLocal, unsetLocal } from './local.ts'
import { stateOf, tellProblem } from './state.ts'

/** What changes something, or asks a provider. */
export type Action = Exclude<keyof DashboardRequests, 'reveal'>

const LONGEST_LOG = 100

/**
 * What a person sees and does, whatever brings it to them. Holds no value: it looks at those of its host.
 */
export class Dashboard {
  readonly #host: DashboardHost
  readonly #health = new Health()
  readonly #listeners = new Set<() => void>()
  readonly #stop: () => void
  #rotations: readonly RotationView[] = []
  #failure: SecretsError | undefined
  /** Whose providers the health is of. */
  #of: Secrets | undefined
  /** What makes the rotations of this moment; `undefined`: the watch. */
  #cause: RotationView['cause'] | undefined
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(host: DashboardHost) {
    this.#host = host
    this.#look()
    this.#stop = host.listen({
      rotated: (names) => {
        this.#failure = undefined
        if (names.length > 0) {
          const rotation = { at: Date.now(), names, cause: this.#cause ?? 'watch' }
          this.#rotations = [rotation, ...this.#rotations].slice(0, LONGEST_LOG)
        }
        this.#changed()
      },
      asked: (provider, error) => {
        const { health, error: before } = this.#health.of(provider)
        this.#health.asked(provider, error)
        // Every interval brings one: only another answer is news.
        if (health !== (error ? 'failing' : 'ok') || before?.message !== error?.message) this.#tell()
      },
      failed: (error) => {
        this.#fail(error)
        this.#tell()
      },
      changed: () => this.#changed(),
    })
  }

  state(): Promise<DashboardState> {
    return stateOf(this.#host, {
      health: this.#health,
      rotations: this.#rotations,
      failure: this.#failure,
    })
  }

  /** Told whenever a state would be another one. @returns how to end that */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * One after the other.
   * @throws SecretsError for what cannot be done; nothing of it has happened then, unless the error says so
   */
  perform<Name extends Action>(action: Name, request: DashboardRequests[Name]): Promise<DashboardState> {
    const work = this.#turn.then(async () => {
      this.#cause = CAUSES[action]
      try {
        await this.#actions[action](request)
        return await this.state()
      } finally {
        this.#cause = undefined
        this.#tell()
      }
    })
    this.#turn = work.catch(() => {})
    return work
  }

  /** The value of a local secret, for the person who asks. @throws SecretsError */
  reveal(name: string): Promise<string> {
    return readLocal(this.#secrets(), name)
  }

  /** What a page is told of an error. */
  problemOf(error: unknown): Problem {
    return tellProblem(this.#host, error)
  }

  close(): void {
    this.#stop()
    this.#listeners.clear()
  }

  readonly #actions: { readonly [Name in Action]: (request: DashboardRequests[Name]) => Promise<void> } = {
    refresh: ({ name }) => this.#read(() => this.#host.refresh(name === undefined ? undefined : [name])),
    test: async ({ provider }) => {
      const secrets = this.#secrets()
      const { providers } = secrets.config
      if (!providers.has(provider))
        throw new SecretsError(
          'NOT_FOUND',
          `There is no provider ${provider}.${didYouMean(provider, providers.keys())}`,
        )
      this.#health.checked(provider, await checkProvider(secrets, provider))
    },
    profile: ({ name }) => this.#read(() => this.#host.useProfile(name)),
    'move-to-local': ({ name, replace }) => this.#move(name, replace === true),
    set: async ({ name, value }) => {
      await setLocal(this.#secrets(), name, value)
      await this.#readWritten(name)
    },
    unset: async ({ name }) => {
      await unsetLocal(this.#secrets(), name)
      await this.#readWritten(name)
    },
    link: async (request) => {
      if (!this.#secrets().config.links)
        throw new SecretsError('UNSUPPORTED', 'Links belong to a configuration in a file, and here is none.')
      await linkEnvironment(this.#host.options, request)
      await this.#read(() => this.#host.reconfigure())
    },
    unlink: async ({ environment }) => {
      await unlinkEnvironment(this.#host.options, { environment })
      await this.#read(() => this.#host.reconfigure())
    },
  }

  async #move(name: string, replace: boolean): Promise<void> {
    const host = this.#host
    const secrets = this.#secrets()
    if (!secrets.config.secrets.has(name)) throw unknownName(name, secrets)
    const { to, from, file } = await moveToLocal(secrets, {
      name,
      value: async () => {
        const last = host.snapshot?.get(name)
        if (last) return last
        throw new SecretsError('NOT_FOUND', `${name} has no value that could be moved.`)
      },
      mayReplace: (local) => {
        if (replace) return
        throw new SecretsError('CONFLICT', `${local} has a value already.`, {
          hint: 'Replace it, or keep it.',
        })
      },
      options: host.options,
    })
    if (file !== undefined) return this.#read(() => host.reconfigure())
    throw new SecretsError(
      'UNSUPPORTED',
      `The value of ${name} is in the local vault now, but is still read from ${from ?? 'its template'}.`,
      { hint: `Write ${name}: '${to}' in the configuration.` },
    )
  }

  /** What is read anew; what that meets is shown with the names it is about. */
  async #read(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof SecretsError) this.#fail(error)
      throw error
    }
    this.#fail(undefined)
    this.#look()
  }

  /** After a write that has been done: what the project makes of it is in the state. */
  async #readWritten(name: string): Promise<void> {
    try {
      await this.#read(() => this.#host.refresh([name]))
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
    }
  }

  #secrets(): Secrets {
    const { secrets, failure } = this.#host
    if (secrets) return secrets
    throw failure ?? new SecretsError('CONFIG_UNREADABLE', 'There is no configuration.')
  }

  #fail(error: SecretsError | undefined): void {
    this.#failure = error
    if (error && this.#host.secrets) this.#health.failed(this.#host.secrets, error)
  }

  #look(): void {
    this.#health.keep(this.#of, this.#host.secrets)
    this.#of = this.#host.secrets
    if (this.#host.snapshot) this.#health.loaded(this.#host.snapshot)
    if (this.#host.failure) this.#fail(this.#host.failure)
  }

  #changed(): void {
    this.#look()
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

const CAUSES: Readonly<Record<Action, RotationView['cause'] | undefined>> = {
  refresh: 'refresh',
  profile: 'profile',
  set: 'dashboard',
  unset: 'dashboard',
  'move-to-local': 'dashboard',
  link: 'dashboard',
  unlink: 'dashboard',
  test: undefined,
}

function unknownName(name: string, { config }: Secrets): SecretsError {
  return new SecretsError(
    'NOT_FOUND',
    `There is no secret ${name} in the configuration.${didYouMean(name, config.secrets.keys())}`,
  )
}
