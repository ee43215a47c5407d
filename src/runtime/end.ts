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
  if (process.listenerCount(signal) > 1) return
  finish()
  // Without us there is nobody who listens: now it does what it would have done.
  process.off(signal, onSignal)
  process.kill(process.pid, signal)
}
