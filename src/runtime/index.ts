/**
 * What a built server carries: it fills the live bindings of `virtual:secrets/server`, synchronously, at
 * start. Bundled into the server's output; it imports no package, and Node's own modules only when needed.
 *
 * @module
 */
import type { Manifest } from '../core/expose/manifest.ts'
import { handed } from './channel.ts'
import { readByWorker } from './fetch.ts'
import { valuesOf } from './read.ts'
import { inherited, observe, type Source, store, type Values } from './store.ts'
import { variable } from './value.ts'
import { keepCurrent, watchInterval } from './watch.ts'

export { provide } from './store.ts'
export { type WatchOptions, watch } from './watch.ts'

/**
 * Gives a module its values now and at every change. Sources, in order: what this process was given (dev
 * server, build; a thread has it from the one that started it), what `secrets run` hands down, the process
 * environment, then the encrypted cache and the providers.
 *
 * @throws Error naming every secret that none of them has, and why
 */
export function bind(manifest: Manifest, apply: (values: Values) => void): void {
  const { values, listeners } = store()
  const known = values.get(manifest.scope) ?? inherited(manifest.scope) ?? read(manifest)
  values.set(manifest.scope, known)
  apply(known)
  const bound = listeners.get(manifest.scope) ?? new Set()
  listeners.set(manifest.scope, bound.add(apply))
}

/**
 * Tells the names of secrets that have a new value, when the bindings of `virtual:secrets/server` have it already.
 * @returns how to stop
 */
export function onSecretsChange(changed: (names: readonly string[]) => void): () => void {
  return observe(changed)
}

/** Resolves when every bound module has its values; they are filled synchronously, so it only marks the place. */
export function ready(): Promise<void> {
  return Promise.resolve()
}

function read(manifest: Manifest): Values {
  const given = handed() ?? {}
  const texts: Record<string, string> = {}
  const source: Source = { manifest, handed: [], missing: [] }
  for (const name of Object.keys(manifest.secrets)) {
    const isHanded = Object.hasOwn(given, name)
    const text = isHanded ? given[name] : variable(name)
    if (text === undefined) source.missing.push(name)
    else texts[name] = text
    if (isHanded) source.handed.push(name)
  }
  // An optional one alone is no reason to ask anybody.
  if (source.missing.some((name) => !manifest.secrets[name]?.optional)) {
    const fetched = readByWorker(source, watchInterval())
    for (const name of source.missing) {
      const text = fetched[name]
      if (text !== undefined) texts[name] = text
    }
  }
  const shared = store()
  shared.sources ??= new Map()
  shared.sources.set(manifest.scope, source)
  if (watchInterval() !== undefined && !source.worker) keepCurrent(source)
  return valuesOf(manifest, texts)
}
