import { EventEmitter } from 'node:events'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Does something before a signal ends the process. Only where nobody else listens: whoever does is in charge of
 * the end (a dev server, `secrets run`), and calls `close` when its own work is over.
 * @returns how to stop listening
 */
export function beforeSignal(work: () => Promise<void>): () => void {
  let isBegun = false
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      // Others of our kind send it again when they are done before us.
      if (isBegun || process.listenerCount(signal) > counted().count) return
      isBegun = true
      work().finally(() => {
        stop()
        process.kill(process.pid, signal)
      })
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  counted().count++
  let isListening = true
  const stop = () => {
    if (!isListening) return
    isListening = false
    counted().count--
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
  return stop
}

/**
 * Where those count themselves that end the process by the same signal when their work is done: several
 * providers, our runtime, and signal-exit, which is in most dependency trees. Else each would wait for the others.
 */
function counted(): { count: number } {
  const host = process as { __signal_exit_emitter__?: { count: number } }
  return (host.__signal_exit_emitter__ ??= Object.assign(new EventEmitter(), { count: 0, emitted: {} }))
}
