/**
 * What a built server carries: it fills the live bindings of `virtual:secrets/server`, synchronously, at
 * start. Bundled into the server's output; it imports no package, and Node's own modules only when needed.
 *
 * @module
 */
import type { Manifest } from '../core/expose/manifest.ts'
import { readByWorker } from './fetch.ts'
import { inherited, observe, store, type Values } from './store.ts'
import { parseValue, variable } from './value.ts'

export { provide } from './store.ts'

/**
 * Gives a module its values now and at every change. Sources, in order: what this process was given (dev
 * server, build; a thread has it from the one that started it), the process environment, then the encrypted
 * cache and the providers.
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
  const texts: Record<string, string> = {}
  const missing: string[] = []
  for (const name of Object.keys(manifest.secrets)) {
    const text = variable(name)
    if (text === undefined) missing.push(name)
    else texts[name] = text
  }
  // An optional one alone is no reason to ask anybody.
  if (missing.some((name) => !manifest.secrets[name]?.optional))
    Object.assign(texts, readByWorker(manifest, missing))
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      return [name, parseValue(name, manifest.secrets[name]?.kind ?? 'text', text)]
    }),
  )
}
