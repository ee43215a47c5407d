import { watchByWorker } from './fetch.ts'
import { type Interval, observe, type Source, store, type Watching } from './store.ts'
import { startError, variable, warnLine } from './value.ts'

export interface WatchOptions {
  /** How often providers are asked: milliseconds, or text such as `'30s'`. Default `'30s'`. */
  interval?: Interval
  /** Some values have changed; the bindings of `virtual:secrets/server` have the new ones already. */
  onChange?(names: readonly string[]): void
  /**
   * A provider could not be asked, or what it gave cannot be used. The last values stay; told once until it
   * changes. Default: one line to the standard error.
   */
  onError?(error: Error): void
}

const DEFAULT_INTERVAL: Interval = '30s'
const TOLD = {
  onError: (error: Error) => warnLine(error.message),
  onRecover: () => warnLine('The providers answer again.'),
}
const DURATION = /^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/

/**
 * Keeps the bindings of `virtual:secrets/server` current in a server that runs for long: providers are asked in
 * an interval, by a worker that keeps no process alive. Values from the environment stay what they are; values
 * from `secrets run --watch` and in dev follow by themselves. A second call takes the place of the first.
 * @returns how to stop
 * @throws Error for an interval that is none
 */
export function watch(options: WatchOptions = {}): () => void {
  const { interval = DEFAULT_INTERVAL, onChange, onError } = options
  const watching: Watching = {
    interval: checked(interval, 'interval'),
    ...(onError ? { onError: (error) => onError(error), onRecover: () => {} } : TOLD),
  }
  const shared = store()
  shared.watching = watching
  for (const source of shared.sources?.values() ?? []) keepCurrent(source)
  const stopTelling = onChange ? observe(onChange) : undefined
  return () => {
    stopTelling?.()
    if (shared.watching !== watching) return
    shared.watching = undefined
    for (const { worker } of shared.sources?.values() ?? []) worker?.watch(undefined)
  }
}

/** The interval in which what is bound now is watched: of `watch()`, else of `SECRETS_WATCH`. */
export function watchInterval(): Interval | undefined {
  const shared = store()
  const text = variable('SECRETS_WATCH')
  if (!shared.watching && text) {
    const interval = checked(text as Interval, 'SECRETS_WATCH')
    shared.watching = { interval, ...TOLD }
  }
  return shared.watching?.interval
}

/** Sees to it that a worker watches what has to be fetched. */
export function keepCurrent(source: Source): void {
  const { watching } = store()
  if (!watching || source.missing.length === 0) return
  if (source.worker) source.worker.watch(watching.interval)
  else source.worker = watchByWorker(source, watching.interval)
  if (source.worker) return
  const what = `${source.missing.join(', ')} cannot be watched: unplugin-secrets is not installed beside this server.`
  watching.onError(startError(`[secrets] ${what}`))
}

function checked(interval: Interval, owner: string): Interval {
  const isOne = typeof interval === 'number' ? interval > 0 : DURATION.test(interval)
  if (isOne) return interval
  throw startError(`[secrets] ${owner} is not a duration. Give milliseconds or text like '30s', '5m', '12h'.`)
}
