import { type End, store } from './store.ts'

/** How long the end of a process may wait for what has to be given back, in ms. */
const LONGEST_WAIT = 5000

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * Does work before the process ends: at its exit, and where a signal would end it. A program that listens for
 * the signal itself is in charge of its end, and uses what it has until then; its exit comes later.
 * @returns how to take the work back
 */
export function beforeEnd(work: End): () => void {
  const shared = store()
  if (!shared.ends) {
    shared.ends = new Set()
    process.on('exit', finish)
    for (const signal of SIGNALS) process.on(signal, onSignal)
    counted().count++
  }
  const { ends } = shared
  ends.add(work)
  return () => void ends.delete(work)
}

function finish(): void {
  const ends = [...(store().ends ?? [])]
  store().ends?.clear()
  for (const end of ends) end.begin()
  const until = Date.now() + LONGEST_WAIT
  for (const end of ends) end.wait(until)
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > cooperating()) return
  finish()
  // Without us there is nobody who listens, but for libraries that will do the same.
  for (const each of SIGNALS) process.off(each, onSignal)
  counted().count--
  process.kill(process.pid, signal)
}

interface Counted {
  count: number
}

/**
 * Libraries that only look in on a signal (signal-exit, which is in most dependency trees) end the process
 * themselves when nobody else listens, and count here who else is of their kind. Without being counted, we would
 * be waited for, and wait for them.
 */
function counted(): Counted {
  const host = process as { __signal_exit_emitter__?: Counted }
  const { EventEmitter } = process.getBuiltinModule('node:events')
  return (host.__signal_exit_emitter__ ??= Object.assign(new EventEmitter(), { count: 0, emitted: {} }))
}

/** How many listeners are of that kind. Version 4 of signal-exit counts its own in another place. */
function cooperating(): number {
  const later = (globalThis as { [key: symbol]: Partial<Counted> | undefined })[
    Symbol.for('signal-exit emitter')
  ]
  return counted().count + (later?.count ?? 0)
}
