import type { ServerResponse } from 'node:http'
import type { Dashboard } from './dashboard.ts'

/** Several changes within this time (ms) are one event. */
const SETTLES_WITHIN = 30
/** Proxies end connections on which nothing is said. ms */
const KEEP_ALIVE = 15_000

/** Sends the state now, and again whenever it is another one, until the page goes away. */
export function streamState(dashboard: Dashboard, response: ServerResponse): void {
  let sent = ''
  let timer: NodeJS.Timeout | undefined
  let sending = Promise.resolve()
  const send = async (): Promise<void> => {
    const text = JSON.stringify(await dashboard.state())
    if (text === sent || response.destroyed) return
    sent = text
    response.write(`event: state\ndata: ${text}\n\n`)
  }
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      // A state that cannot be told now is told with the next change.
      sending = sending.then(send).catch(() => {})
    }, SETTLES_WITHIN).unref()
  }
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')
  const stop = dashboard.subscribe(soon)
  const alive = setInterval(() => response.write(': \n\n'), KEEP_ALIVE).unref()
  response.once('close', () => {
    stop()
    clearInterval(alive)
    clearTimeout(timer)
  })
  sending = send().catch(() => {})
}
