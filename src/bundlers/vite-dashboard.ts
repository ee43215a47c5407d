import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { CLIShortcut, ViteDevServer } from 'vite'
import type { ModuleUse } from '../core/expose/usage.ts'
import type { Handler } from '../dashboard/handler.ts'
import { createToken } from '../dashboard/token.ts'
import type { Guard } from './dev-guard.ts'
import type { Session, SessionPlace } from './session.ts'
import type { Rotation } from './vite-rotation.ts'

export interface ViteDashboardOptions {
  readonly server: ViteDevServer
  readonly session: Session
  readonly place: SessionPlace
  readonly rotation: Rotation
  /** What uses names outside of modules: pages, by file. */
  readonly beside: ReadonlyMap<string, readonly ModuleUse[]>
  readonly guard: Guard | undefined
  /** Whether Vite DevTools shows it in a frame. */
  readonly isDocked: () => boolean
}

/** A server that restarts stays the same one for whoever has the page open. By project. */
const tokens = new Map<string, string>()
/** Addresses that the terminal has. */
const said = new Set<string>()

/**
 * The dashboard on a dev server, at `/__secrets/`. Nothing of it is loaded before it is asked for; the terminal
 * has its address.
 */
export function addDashboard(options: ViteDashboardOptions): void {
  const { server, session } = options
  let handler: Promise<Handler> | undefined
  // In front of everything: of the CORS headers that others get, of a proxy, of the app.
  server.middlewares.stack.unshift({
    route: '',
    handle: (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
      if (!request.url?.startsWith('/__secrets') || session.config.dashboard === false) return next()
      handler ??= load(options)
      handler.then((handle) => handle(request, response, next), next)
      // In an app's own server nobody knows the address before somebody asks.
      const origin = server.httpServer ? undefined : originOf(request)
      if (origin) say(options, origin)
    },
  })
  const bind = server.bindCLIShortcuts
  // Where the command line binds its own: by itself it would take the standard input from whoever reads it.
  server.bindCLIShortcuts = (given) =>
    bind({ ...given, customShortcuts: [...(given?.customShortcuts ?? []), shortcut(options)] })
  // Vite leaves those that are not its own waiting.
  server.httpServer?.on('upgrade', ({ url }: IncomingMessage, socket: Duplex) => {
    if (url?.startsWith('/__secrets')) socket.destroy()
  })
  server.httpServer?.once('listening', () => sayAddress(options))
}

function shortcut(options: ViteDashboardOptions): CLIShortcut<ViteDevServer> {
  return {
    key: 's',
    description: 'show the address of the secrets dashboard',
    // Of the server as it is after restarts.
    action: (server) => sayAddress({ ...options, server }, true),
  }
}

async function load({
  server,
  session,
  rotation,
  beside,
  guard,
  isDocked,
}: ViteDashboardOptions): Promise<Handler> {
  const [{ dashboardHandler }, { Dashboard }, { pageFiles }, { SessionHost }] = await Promise.all([
    import('../dashboard/handler.ts'),
    import('../dashboard/dashboard.ts'),
    import('../dashboard/files.ts'),
    import('./vite-dashboard-host.ts'),
  ])
  const dashboard = new Dashboard(new SessionHost({ server, session, rotation, beside }))
  return dashboardHandler({
    dashboard,
    token: tokenOf(server),
    // Vite has put names of its own settings there. With `true` it takes any, which is what rebinding needs.
    hosts: () => [server.config.server.allowedHosts].flat().filter((host) => typeof host === 'string'),
    remote: () => session.config.dashboard !== false && session.config.dashboard.remote,
    framed: isDocked,
    files: pageFiles,
    guard,
  })
}

function tokenOf({ config }: ViteDevServer): string {
  const token = tokens.get(config.root) ?? createToken()
  tokens.set(config.root, token)
  return token
}

/** As the browser has it, which may be another port than the server's own. */
function originOf({ headers: { host = '' }, socket }: IncomingMessage): string | undefined {
  if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)) return undefined
  return `${'encrypted' in socket ? 'https' : 'http'}://${host}`
}

function sayAddress(options: ViteDashboardOptions, again = false): void {
  const { server, session } = options
  const address = server.httpServer?.address()
  const { dashboard } = session.config
  if (!address || typeof address !== 'object' || dashboard === false) return
  const { host, https } = server.config.server
  const isAny = typeof host !== 'string' || ['0.0.0.0', '::', 'localhost'].includes(host)
  // Who listens on an address of the network only is not reached from here as this machine.
  if (!isAny && /^(?!127\.)[\d.]+$|^(?!::1$).*:/.test(host) && !dashboard.remote) return
  const name = isAny ? 'localhost' : host.includes(':') ? `[${host}]` : host
  say(options, `${https ? 'https' : 'http'}://${name}:${address.port}`, again)
}

/** @param again also where it was said before */
function say({ server, place }: ViteDashboardOptions, origin: string, again = false): void {
  const address = `${origin}/__secrets/#token=${tokenOf(server)}`
  if (said.has(address) && !again) return
  said.add(address)
  place.logger.info(`dashboard: ${address}`)
}
