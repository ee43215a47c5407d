import type { ResolvedConfig } from './config/resolve.ts'
import { parseDuration } from './duration.ts'
import { reasonOf, SecretsError } from './errors.ts'
import type { Logger } from './log.ts'
import { onRefreshSignal } from './refresh-signal.ts'
import type { Refresh } from './round.ts'
import { changedNames, type Snapshot } from './snapshot.ts'
import type { Duration, Provider, ProviderContext, ReadRequest } from './types.ts'
import { callWithin } from './watch-call.ts'
import { documentsOf, stampsOf } from './watch-stamps.ts'

export interface WatchOptions {
  /** How often providers are asked; the configuration's `watch.interval` unless told. `Infinity`: never by a timer. */
  interval?: Duration
  /** What the values are compared with first. Default: the last snapshot that was loaded, else all names are new. */
  from?: Snapshot
  /** Which providers are looked at. Default: all. */
  only?(provider: Provider): boolean
  /**
   * Some values have changed, or are there or gone. What it throws goes to `onError`, and the names are told
   * again with the next change.
   */
  onChange(names: readonly string[], snapshot: Snapshot): void | Promise<void>
  /** A provider could not be asked, or what it gave cannot be used. The last snapshot stays; told once until it changes. */
  onError?(error: SecretsError): void
  /** What `onError` was told is over. */
  onRecover?(): void
  /** After each question to a provider. @param error what came of it, if anything did */
  onAsked?(provider: string, error: SecretsError | undefined): void
}

/** A watch that is under way. */
export interface Watch {
  /** Asks every provider now. Resolves when that is done, failed or not. */
  check(): Promise<void>
  /**
   * Reads anew whatever the stamps say: everything, or some names. What differs is told as any change.
   * @throws SecretsError for what cannot be read, or what `onChange` refuses
   */
  reload(refresh: true | readonly string[]): Promise<Snapshot>
  /** Ends timers and file watches at once; nothing is told afterwards. */
  stop(): void
}

/** What a watch needs of the pipeline. */
export interface WatchParts {
  readonly config: ResolvedConfig
  readonly logger: Logger
  /** Reads this much anew, the rest from the cache where it is fresh; `undefined`: all as `load()` does. */
  load(refresh: Refresh | undefined, logger: Logger): Promise<Snapshot>
  contextFor(provider: string): ProviderContext
}

/** One provider, and when it is asked next. */
interface Place {
  readonly name: string
  readonly provider: Provider
  readonly requests: ReadonlyMap<string, ReadRequest>
  /** ms */
  readonly interval: number
  failures: number
  /** Unix time in ms. */
  due: number
}

/** A `reload` that waits for its turn. */
interface Wanted {
  readonly refresh: true | readonly string[]
  readonly done: (snapshot: Snapshot) => void
  readonly failed: (error: unknown) => void
}

/** Intervals vary by this much, so that many machines do not ask at once. */
const JITTER = 0.1
/** After a failure: 1 s, 2 s, 4 s … up to this, or the interval where that is longer. ms */
const LONGEST_WAIT = 300_000
/** A timer that comes so much too late (ms) was asleep with its machine. */
const SLEPT = 5000
const TICK = 2000

/** Tells changes of values until it is stopped; keeps no process alive. */
export function startWatch(parts: WatchParts, options: WatchOptions): Watch {
  return new Watcher(parts, options)
}

class Watcher implements Watch {
  readonly #parts: WatchParts
  readonly #options: WatchOptions
  readonly #places: readonly Place[]
  readonly #stopping = new AbortController()
  readonly #stops: (() => void)[] = []
  /** Of the documents that the snapshot's values are from. */
  #stamps: Map<string, string | undefined>
  #snapshot: Snapshot | undefined
  /** To be looked at, by whom nobody has looked at since. */
  readonly #dirty = new Set<Place>()
  readonly #wanted: Wanted[] = []
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Unix time in ms at which the timer should come. */
  #expected = 0
  /** What `onError` was told last. */
  #told: string | undefined
  /** Told, and not taken. */
  readonly #owed = new Set<string>()

  constructor(parts: WatchParts, options: WatchOptions) {
    this.#parts = parts
    this.#options = options
    const { config } = parts
    const common = parseDuration(options.interval ?? config.watch.interval, 'interval')
    this.#places = [...documentsOf(config)].flatMap(([name, requests]) => {
      const provider = config.providers.get(name)!
      if (options.only && !options.only(provider)) return []
      // A place that tells changes by itself is asked when it does.
      const interval = config.watch.providers.get(name) ?? (provider.watch ? Infinity : common)
      return { name, provider, requests, interval, failures: 0, due: Date.now() + jittered(interval) }
    })
    this.#snapshot = options.from
    this.#stamps = options.from ? stampsOf(config, options.from) : new Map()
    for (const place of this.#places) {
      const stop = place.provider.watch?.(
        { ...parts.contextFor(place.name), signal: this.#stopping.signal },
        () => void this.#look([place]),
      )
      if (stop) this.#stops.push(stop)
    }
    this.#stops.push(onRefreshSignal(config.root, () => void this.check()))
    if (this.#snapshot) this.#schedule()
    else void this.check()
  }

  check(): Promise<void> {
    return this.#look(this.#places)
  }

  reload(refresh: true | readonly string[]): Promise<Snapshot> {
    return new Promise((done, failed) => {
      this.#wanted.push({ refresh, done, failed })
      void this.#look([])
      if (this.#isStopped) this.#giveUp()
    })
  }

  stop(): void {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    this.#giveUp()
    for (const stop of this.#stops.splice(0)) stop()
  }

  /** Nobody will come to what still waits. */
  #giveUp(): void {
    for (const { failed } of this.#wanted.splice(0))
      failed(new SecretsError('ABORTED', 'The watch was ended before its providers were asked.'))
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** One look at a time: what changes while it runs is looked at by the next one. */
  #look(places: readonly Place[]): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    for (const place of places) this.#dirty.add(place)
    this.#running ??= this.#lookAll().finally(() => {
      this.#running = undefined
      this.#schedule()
    })
    return this.#running
  }

  async #lookAll(): Promise<void> {
    while ((this.#dirty.size > 0 || this.#wanted.length > 0) && !this.#isStopped) {
      for (const wanted of this.#wanted.splice(0)) await this.#reload(wanted)
      const places = [...this.#dirty]
      this.#dirty.clear()
      if (places.length === 0) continue
      const errors = this.#snapshot ? await this.#compare(places) : await this.#read(undefined, places)
      if (this.#isStopped) return
      this.#tell(errors)
    }
  }

  async #reload({ refresh, done, failed }: Wanted): Promise<void> {
    const { config, load, logger } = this.#parts
    try {
      const snapshot = await load(refresh, logger)
      this.#stamps = new Map([...this.#stamps, ...stampsOf(config, snapshot)])
      const names = changedNames(this.#snapshot, snapshot)
      this.#snapshot = snapshot
      const [refused] = this.#isStopped ? [] : await this.#deliver(names)
      if (refused) failed(refused)
      else done(snapshot)
    } catch (error) {
      failed(error)
    }
  }

  /** Asks for stamps where a provider has them, and reads what differs. @returns what went wrong */
  async #compare(places: readonly Place[]): Promise<SecretsError[]> {
    const errors: SecretsError[] = []
    const asked = new Map<string, string | undefined>()
    const changed: Place[] = []
    await Promise.all(
      places.map(async (place) => {
        try {
          if (await this.#differs(place, asked)) changed.push(place)
          else this.#settle(place)
        } catch (error) {
          errors.push(this.#failed(place, error))
        }
      }),
    )
    const differ = changed.length > 0 ? changed.map(({ name }) => name).join(', ') : 'nothing'
    this.#parts.logger.debug(`watch: asked ${places.map(({ name }) => name).join(', ')}; to read: ${differ}`)
    if (changed.length === 0 || this.#isStopped) return errors
    return [...errors, ...(await this.#read(changed, changed, asked))]
  }

  async #differs(place: Place, asked: Map<string, string | undefined>): Promise<boolean> {
    const { provider, requests, name } = place
    // What has no stamps is read, and the values are compared.
    if (!provider.versions) return true
    const stamps = await callWithin(this.#parts, this.#stopping.signal, name, (context) =>
      provider.versions!([...requests.values()], context),
    )
    let differs = false
    for (const [index, key] of [...requests.keys()].entries()) {
      const stamp = stamps[index]
      if (stamp instanceof SecretsError) {
        if (stamp.transient) throw stamp
        // Refused or gone: reading it says so in full.
        differs = true
        continue
      }
      asked.set(key, stamp)
      differs ||= !this.#stamps.has(key) || this.#stamps.get(key) !== stamp
    }
    return differs
  }

  /** Reads, compares the values, and tells. @returns what went wrong */
  async #read(
    changed: readonly Place[] | undefined,
    places: readonly Place[],
    asked: ReadonlyMap<string, string | undefined> = new Map(),
  ): Promise<SecretsError[]> {
    const { config, load, logger } = this.#parts
    const warnings: string[] = []
    const quiet: Logger = { ...logger, warn: (message) => void warnings.push(message) }
    let snapshot: Snapshot
    try {
      snapshot = await load(changed && { providers: changed.map(({ name }) => name) }, quiet)
    } catch (error) {
      // Whose it is of those that were read together, its names tell.
      return [places.map((place) => this.#failed(place, error, false))[0] ?? asError(error)]
    }
    if (this.#isStopped) return []
    // From what was read, not from what was asked for: it may have changed once more in between.
    this.#stamps = new Map([...this.#stamps, ...asked, ...stampsOf(config, snapshot)])
    const names = changedNames(this.#snapshot, snapshot)
    this.#snapshot = snapshot
    const errors: SecretsError[] = []
    for (const place of places) {
      const metas = snapshot.names().map((name) => snapshot.meta(name)!)
      const stale = metas.find((meta) => meta.stale && meta.provider === place.name)
      if (stale) this.#failed(place, stale.error, stale.error !== undefined)
      else this.#settle(place)
    }
    // Stale values, with their age.
    for (const message of warnings) errors.push(new SecretsError('UNREACHABLE', message))
    return [...errors, ...(await this.#deliver(names))]
  }

  async #deliver(names: readonly string[]): Promise<SecretsError[]> {
    for (const name of names) this.#owed.add(name)
    // What was refused is offered again with what comes next, which may be what mends it.
    if (names.length === 0) return []
    try {
      await this.#options.onChange([...this.#owed].sort(), this.#snapshot!)
      this.#owed.clear()
      return []
    } catch (error) {
      return [asError(error)]
    }
  }

  #settle(place: Place): void {
    place.failures = 0
    place.due = Date.now() + jittered(place.interval)
    this.#options.onAsked?.(place.name, undefined)
  }

  /** @param isOwn whether it is known to be this provider's */
  #failed(place: Place, error: unknown, isOwn = true): SecretsError {
    const known = asError(error)
    const longest = place.interval === Infinity ? LONGEST_WAIT : Math.max(LONGEST_WAIT, place.interval)
    const wait = Math.min(1000 * 2 ** place.failures++, longest)
    place.due = Date.now() + Math.max(known.retryAfter ?? 0, jittered(wait))
    if (isOwn) this.#options.onAsked?.(place.name, known)
    return known
  }

  #tell(errors: readonly SecretsError[]): void {
    const { onError, onRecover } = this.#options
    const [first] = errors
    if (first) {
      const isNew = this.#told !== first.message
      this.#told = first.message
      this.#parts.logger.debug(`watch: ${first.code}`)
      if (isNew) onError?.(first)
      return
    }
    const isWell = this.#owed.size === 0 && this.#places.every(({ failures }) => failures === 0)
    if (this.#told === undefined || !isWell) return
    this.#told = undefined
    onRecover?.()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#isStopped) return
    const due = Math.min(...this.#places.map((place) => place.due))
    if (due === Infinity) return
    // Short steps: a machine that wakes has its timers late, and should know before a whole interval.
    const wait = Math.max(0, Math.min(due - Date.now(), TICK))
    this.#expected = Date.now() + wait
    this.#timer = setTimeout(() => this.#tick(), wait).unref()
  }

  #tick(): void {
    const now = Date.now()
    const isAwake = now - this.#expected > SLEPT
    const places = this.#places.filter(({ due }) => due <= now || isAwake)
    if (places.length > 0) void this.#look(places)
    else this.#schedule()
  }
}

function jittered(ms: number): number {
  return ms * (1 - JITTER + Math.random() * 2 * JITTER)
}

function asError(error: unknown): SecretsError {
  return error instanceof SecretsError
    ? error
    : new SecretsError('REQUEST_REFUSED', `Watching failed: ${reasonOf(error)}.`)
}
