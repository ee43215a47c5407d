import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ViteDevServer } from 'vite'
import type { Finding, Scanner } from '../core/scan/index.ts'
import type { Session } from './session.ts'

/** Looks at a response from now on. */
export type Guard = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/**
 * Stops every response of the dev server that carries a server-only value, plain or encoded: what fails in
 * a build fails here as well. Also what an app answers behind `server.middlewares` (middleware mode).
 * `scan: false` turns it off, `scan.exclude` leaves paths out.
 * @returns what does it, for responses that are made in front of it; `undefined` when it is off
 */
export function guardDevServer(server: ViteDevServer, session: Session): Guard | undefined {
  const { scan } = session.config
  if (scan === false) return undefined
  // Loaded by the first request or, earlier, when the server has nothing better to do: a start needs none of it.
  let loading: Promise<{ guard: typeof import('./dev-response.ts'); excluded: (path: string) => boolean }>
  const load = (): typeof loading => {
    loading ??= Promise.all([import('./dev-response.ts'), import('../core/scan/index.ts')]).then(
      async ([guard, { matcher }]) => ({ guard, excluded: await matcher(scan.exclude) }),
    )
    return loading
  }
  server.httpServer?.once('listening', () => {
    load().then(
      () => session.scanner(),
      () => {},
    )
  })

  const handle: Guard = async (request, response) => {
    const { guard, excluded } = await load()
    const path = pathOf(request)
    if (excluded(path.slice(1))) return
    // Asked for each time: rotation brings other values.
    const scanner = await session.scanner()
    guard.guardResponse(request, response, scanner, (finding) => report(server, scanner, path, finding))
  }
  // In front of whatever other plugins have put there already.
  server.middlewares.stack.unshift({
    route: '',
    handle: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
      handle(request, response).then(() => next(), next)
    },
  })
  return handle
}

/** Without its query, which may hold anything. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.replace(/[?#].*$/s, '')
}

/** Tells the terminal and the overlay. @returns what stands in the response's place */
function report(server: ViteDevServer, scanner: Scanner, path: string, finding: Finding): string {
  const { name, encoding } = finding
  const address = scanner.redact(path)
  const message = [
    `The response to ${address} carries the value of ${name} (${encoding}), which only servers may have.`,
    `It was stopped. If browsers may see the value, add ${name} to \`client\`.`,
  ].join('\n')
  server.config.logger.error(`[secrets] ${message.replace('\n', '\n  ')}`, { timestamp: true })
  const err = { message, stack: '', plugin: 'unplugin-secrets' }
  server.environments.client.hot.send({ type: 'error', err })
  return `${message}\n`
}
