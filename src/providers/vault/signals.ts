const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Does something before a signal ends the process. Only where nobody else listens: whoever does is in charge of
 * the end (a dev server, `secrets run`), and calls `close` when its own work is over.
 * @returns how to stop listening
 */
export function beforeSignal(work: () => Promise<void>): () => void {
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      if (process.listenerCount(signal) > 1) return
      work().finally(() => {
        stop()
        process.kill(process.pid, signal)
      })
    }
    process.on(signal, listener)
    return { signal, listener }
  })
  const stop = () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
  return stop
}
