/**
 * The values of this process, on `globalThis` so that every copy of the runtime (one a bundle, one in
 * `node_modules`) shares them. The dev server and a build put them here for code that runs inside them.
 */

import type { Manifest } from '../core/expose/manifest.ts'

/** Values by name: text, or what JSON text said. */
export type Values = Readonly<Record<string, unknown>>

export interface Store {
  /** By scope, as in the manifest. */
  readonly values: Map<string, Values>
  /** Called with the new values of a scope. */
  readonly listeners: Map<string, Set<(values: Values) => void>>
  // What follows is absent in a store that an older copy has made.
  /** Called with the names whose value has changed. */
  observers?: Set<(names: readonly string[]) => void>
  /** What is bound and not filled by whoever started this code, by scope. */
  sources?: Map<string, Source>
  /** What `secrets run` has handed down, read once for all copies; `null`: nothing. */
  handed?: Readonly<Record<string, string>> | null
  /** How the values are kept current. */
  watching?: Watching | undefined
  /** Work that has to be over before the process is. */
  ends?: Set<End>
}

export interface Source {
  readonly manifest: Manifest
  /** The names that `secrets run` gave. */
  readonly handed: string[]
  /** Those that neither it nor the environment gave. */
  readonly missing: string[]
  /** The worker that keeps them. */
  worker?: Keeper | undefined
}

/** A worker that stays. */
export interface Keeper {
  /** @param interval how often it asks the providers; `undefined`: no more */
  watch(interval: Interval | undefined): void
}

/** Milliseconds, or text such as `'30s'`. */
export type Interval = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

export interface Watching {
  readonly interval: Interval
  readonly onError: (error: Error) => void
  /** What `onError` was told is over. */
  readonly onRecover: () => void
}

export interface End {
  begin(): void
  /** Blocks until it is over. @param until Unix time in ms at which to give up */
  wait(until: number): void
}

const KEY = Symbol.for('unplugin-secrets.store.v1')

export function store(): Store {
  const holder = globalThis as { [KEY]?: Store }
  holder[KEY] ??= { values: new Map(), listeners: new Map() }
  return holder[KEY]
}

/** Under this word and the scope, what threads inherit: their `globalThis` is another one. */
const INHERITED = 'unplugin-secrets.values.v1:'

const threads = () => globalThis.process?.getBuiltinModule?.('node:worker_threads')

/** What the thread that started this one had. Frameworks prerender in threads. */
export function inherited(scope: string): Values | undefined {
  return threads()?.getEnvironmentData(INHERITED + scope) as Values | undefined
}

/**
 * Puts values in and tells every module that is bound to the scope, then whoever listens for changes. Threads
 * that this one starts from now on have them too.
 */
export function provide(scope: string, values: Values): void {
  threads()?.setEnvironmentData(INHERITED + scope, values as never)
  change(scope, values)
}

/** The same for this thread alone: where values can be asked for, each thread asks, and goes on hearing of changes. */
export function change(scope: string, values: Values): void {
  const { values: all, listeners, observers } = store()
  const before = all.get(scope)
  all.set(scope, values)
  for (const listener of listeners.get(scope) ?? []) listener(values)
  if (!before || !observers?.size) return
  const names = Object.keys({ ...before, ...values }).filter((name) => !isSame(before[name], values[name]))
  if (names.length > 0) for (const observer of observers) observer(names)
}

/** @returns how to stop */
export function observe(changed: (names: readonly string[]) => void): () => void {
  const observers = (store().observers ??= new Set())
  // Of its own, so that a function which listens twice can stop once.
  const observer = (names: readonly string[]): void => changed(names)
  observers.add(observer)
  return () => void observers.delete(observer)
}

/** Values are texts, or what JSON text said. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b))
}
