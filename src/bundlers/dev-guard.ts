import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ViteDevServer } from 'vite'
import type { Finding } from '../core/scan/index.ts'
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
  if (session.config.scan === false) return undefined
  const tell = (message: string): void => {
    server.config.logger.error(forTerminal(message), { timestamp: true })
    const err = { message, stack: '', plugin: 'unplugin-secrets' }
    server.environments.client.hot.send({ type: 'error', err })
  }
  // Loaded by the first request or, earlier, when the server has nothing better to do: a start needs none of it.
  let loading: ReturnType<typeof loadGuard> | undefined
  const load = (): NonNullable<typeof loading> => {
    loading ??= loadGuard(session, tell)
    return loading
  }
  server.httpServer?.once('listening', () => {
    load().then(
      () => session.scanner(),
      () => {},
    )
  })
  const handle: Guard = async (request, response) => (await load())(request, response)
  // In front of whatever other plugins have put there already.
  server.middlewares.stack.unshift({
    route: '',
    handle: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
      handle(request, response).then(() => next(), next)
    },
  })
  return handle
}

/**
 * The guard of responses, for the server of whatever bundler. Not to be asked for where `scan` is `false`.
 * @param tell is given what was stopped, without a value in it
 */
export async function loadGuard(
  session: Session,
  tell: (message: string) => void,
): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const [{ guardResponse }, { matcher }] = await Promise.all([
    import('./dev-response.ts'),
    import('../core/scan/index.ts'),
  ])
  const { scan } = session.config
  const excluded = await matcher(scan === false ? [] : scan.exclude)
  return (request, response) => {
    const path = pathOf(request)
    if (excluded(path.slice(1))) return
    // Asked for each time: rotation brings other values.
    const scanner = session.scanner()
    guardResponse(request, response, scanner, (finding) => {
      const message = stoppedText(`The response to ${scanner.redact(path)}`, finding)
      tell(message)
      return `${message}\n`
    })
  }
}

/** Without its query, which may hold anything. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return url.replace(/[?#].*$/s, '')
}

/** What is said in the place of what was stopped. @param what carries the value */
export function stoppedText(what: string, { name, encoding }: Finding): string {
  return [
    `${what} carries the value of ${name} (${encoding}), which only servers may have.`,
    `It was stopped. If browsers may see the value, add ${name} to \`client\`.`,
  ].join('\n')
}

export function forTerminal(message: string): string {
  return `[secrets] ${message.replace('\n', '\n  ')}`
}
