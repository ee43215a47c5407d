import { SecretsError } from '../core/errors.ts'
import { findPlace, type Place, projectOf, textsIn, type Values } from './place.ts'

export interface WatchOptions {
  /** How often the server is asked for its version, in ms. Default 30,000. */
  interval?: number
  /** Default: that of the last `config`. */
  environment?: string
  /** Called when a value is another one, after `process.env` has it. */
  onChange?: (changed: Record<string, string>, all: Record<string, string>) => void
  /** Called when the server could not be asked; the watching goes on. Default: a warning. */
  onError?: (error: unknown) => void
}

export interface WatchHandle {
  stop(): void
}

const DEFAULT_INTERVAL = 30_000
const watches = new Set<WatchHandle>()
/** Of the last `config`, so that a key that stands only in the file is enough. */
let last: Place | undefined

export function remember(place: Place): void {
  last = place
}

/**
 * Follows the server's version and puts changed values into `process.env`. Names that are gone there stay set.
 * The timer does not keep the process alive.
 * @throws SecretsError `CREDENTIALS_MISSING` without a `VAULT_KEY`
 */
export function watch(options: WatchOptions = {}): WatchHandle {
  const { interval = DEFAULT_INTERVAL, environment, onChange, onError = warn } = options
  const found = last ?? findPlace({})
  const place = environment === undefined ? found : { ...found, environment }
  if (place.key === undefined)
    throw new SecretsError('CREDENTIALS_MISSING', 'watch needs VAULT_KEY, and it is not set.', {
      hint: 'Set it in the environment, or call config() with the file that has it first.',
    })
  let version: string | undefined
  let isFirst = true
  let isAsking = false
  const poll = async (): Promise<void> => {
    // A slow server is not asked twice at once.
    if (isAsking) return
    isAsking = true
    try {
      const project = projectOf(place)
      const current = await project.currentVersion()
      if (!watches.has(handle)) return
      if (isFirst) version = current
      isFirst = false
      if (current === version) return
      const pulled = await project.pull()
      if (!watches.has(handle)) return
      version = pulled?.version ?? current
      if (pulled) apply(textsIn(pulled.values), onChange)
    } catch (error) {
      if (watches.has(handle)) onError(error)
    } finally {
      isAsking = false
    }
  }
  const timer = setInterval(() => void poll(), interval)
  timer.unref()
  const handle: WatchHandle = {
    stop() {
      clearInterval(timer)
      watches.delete(handle)
    },
  }
  watches.add(handle)
  void poll()
  return handle
}

/** Stops every `watch` of this process. */
export function unwatch(): void {
  for (const handle of [...watches]) handle.stop()
}

function apply(all: Values, onChange: WatchOptions['onChange']): void {
  const changed = Object.fromEntries(
    Object.entries(all).filter(([name, value]) => process.env[name] !== value),
  )
  if (Object.keys(changed).length === 0) return
  Object.assign(process.env, changed)
  onChange?.(changed, { ...all })
}

function warn(error: unknown): void {
  const why = error instanceof SecretsError ? error.message : 'the check failed'
  console.warn(`[vault-env] Watch: ${why}`)
}
