import type { ResolvedConfig } from './config/resolve.ts'
import { parseDuration } from './duration.ts'
import { reasonOf, SecretsError } from './errors.ts'
import type { Logger } from './log.ts'
import { onRefreshSignal } from './refresh-signal.ts'
import { changedNames, type Snapshot } from './snapshot.ts'
import type { Duration, Provider, ProviderContext, ReadRequest } from './types.ts'
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
}

/** A watch that is under way. */
export interface Watch {
  /** Asks every provider now. Resolves when that is done, failed or not. */
  check(): Promise<void>
  /** Ends timers and file watches at once; nothing is told afterwards. */
  stop(): void
}

/** What a watch needs of the pipeline. */
export interface WatchParts {
  readonly config: ResolvedConfig
  readonly logger: Logger
  /** Reads anew what these providers hold, the rest from the cache where it is fresh; `undefined`: all as `load()` does. */
  load(providers: readonly string[] | undefined, logger: Logger): Promise<Snapshot>
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

  stop(): void {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    for (const stop of this.#stops.splice(0)) stop()
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
    while (this.#dirty.size > 0 && !this.#isStopped) {
      const places = [...this.#dirty]
      this.#dirty.clear()
      const errors = this.#snapshot ? await this.#compare(places) : await this.#read(undefined, places)
      if (this.#isStopped) return
      this.#tell(errors)
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
          else settle(place)
        } catch (error) {
          errors.push(failed(place, error))
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
    const stamps = await this.#within(name, (context) => provider.versions!([...requests.values()], context))
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
      snapshot = await load(
        changed?.map(({ name }) => name),
        quiet,
      )
    } catch (error) {
      return [places.map((place) => failed(place, error))[0] ?? asError(error)]
    }
    if (this.#isStopped) return []
    // From what was read, not from what was asked for: it may have changed once more in between.
    this.#stamps = new Map([...this.#stamps, ...asked, ...stampsOf(config, snapshot)])
    const names = changedNames(this.#snapshot, snapshot)
    this.#snapshot = snapshot
    const errors: SecretsError[] = []
    for (const place of places) {
      const isStale = snapshot.names().some((name) => {
        const { provider, stale } = snapshot.meta(name)!
        return stale && provider === place.name
      })
      if (isStale) failed(place, undefined)
      else settle(place)
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

  /** A call that ends with its deadline, or when the watch does. Nothing of it stays with the watch afterwards. */
  async #within<T>(name: string, call: (context: ProviderContext) => Promise<T>): Promise<T> {
    const { config, contextFor } = this.#parts
    const { deadlineOf } = await import('./fetch.ts')
    const controller = new AbortController()
    const stopping = this.#stopping.signal
    const stop = (): void => controller.abort(stopping.reason)
    stopping.addEventListener('abort', stop)
    const passed = new DOMException('The deadline has passed.', 'TimeoutError')
    const timer = setTimeout(() => controller.abort(passed), config.timeout).unref()
    const context = { ...contextFor(name), signal: controller.signal }
    try {
      return await Promise.race([call(context), deadlineOf(context)])
    } finally {
      clearTimeout(timer)
      stopping.removeEventListener('abort', stop)
    }
  }
}

function jittered(ms: number): number {
  return ms * (1 - JITTER + Math.random() * 2 * JITTER)
}

function settle(place: Place): void {
  place.failures = 0
  place.due = Date.now() + jittered(place.interval)
}

function failed(place: Place, error: unknown): SecretsError {
  const known = asError(error)
  const longest = place.interval === Infinity ? LONGEST_WAIT : Math.max(LONGEST_WAIT, place.interval)
  const wait = Math.min(1000 * 2 ** place.failures++, longest)
  place.due = Date.now() + Math.max(known.retryAfter ?? 0, jittered(wait))
  return known
}

function asError(error: unknown): SecretsError {
  return error instanceof SecretsError
    ? error
    : new SecretsError('REQUEST_REFUSED', `Watching failed: ${reasonOf(error)}.`)
}
