import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { serve as serveFetch } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { MemoryStore } from 'hono-rate-limiter'
import { SecretsError } from '../core/errors.ts'
import { createApp } from './app.ts'
import { type Database, migrate } from './database.ts'
import { tooMany } from './request.ts'
import { Store } from './store.ts'

export interface ServeOptions {
  /** Default `127.0.0.1`: this machine only. */
  readonly host?: string
  /** Default 8787; 0 for a free one. */
  readonly port?: number
  /** `file:…`, `libsql://…` or `postgres://…`. Default a file `vault-env.db` in the working folder. */
  readonly databaseUrl?: string
  /** Of a libSQL server. */
  readonly authToken?: string
  /** Whether approving, revoking and rolling back need an approved device, too. Default `false`. */
  readonly strict?: boolean
  /** Requests a minute for one address and project, over all of `/api/`. Default 600; 0: no limit. */
  readonly rateLimit?: number
}

export interface RunningVaultServer {
  readonly url: string
  /**
   * Takes no new requests, lets those under way end, closes the database.
   * @param grace how long they may take, in ms. Default 10,000
   */
  close(grace?: number): Promise<void>
}

const GRACE = 10_000
/** Of the limit, in ms. */
const WINDOW = 60_000
/** How often connections are looked at while the server stops, in ms. */
const CLOSING_STEP = 20

/**
 * Starts the vault-env server.
 * @throws SecretsError `CONFIG_INVALID` for a database address of another kind, `UNREACHABLE` for one that does
 * not open, `FILE_UNREADABLE` for a port that is taken
 */
export async function serve(options: ServeOptions = {}): Promise<RunningVaultServer> {
  const { host = '127.0.0.1', port = 8787, strict = false, rateLimit = 600 } = options
  const url = options.databaseUrl ?? pathToFileURL('vault-env.db').href
  const database = await openDatabase(url, options.authToken)
  const app = createApp({
    store: new Store(database),
    strict,
    addressOf: (context) => getConnInfo(context).remote.address ?? null,
    ...(rateLimit > 0 && { limiter: limiterOf(rateLimit) }),
  })
  return new Promise((resolve, reject) => {
    const server = serveFetch({ fetch: app.fetch, hostname: host, port }, (info: AddressInfo) => {
      const shown = info.family === 'IPv6' ? `[${info.address}]` : info.address
      resolve({
        url: `http://${shown}:${info.port}`,
        async close(grace = GRACE) {
          const ended = new Promise((done) => server.close(done))
          const until = Date.now() + grace
          // A connection is idle when its request has ended, and would be kept for the next one.
          const closing = setInterval(() => {
            if (!('closeIdleConnections' in server)) return
            if (Date.now() < until) server.closeIdleConnections()
            else server.closeAllConnections()
          }, CLOSING_STEP)
          await ended
          clearInterval(closing)
          await database.close()
        },
      })
    })
    server.once('error', (error: NodeJS.ErrnoException) => {
      void database.close()
      reject(new SecretsError('FILE_UNREADABLE', `Cannot listen on ${host}:${port}: ${error.code}.`))
    })
  })
}

/** Without the package's middleware: its store counts at once, and nobody has to wait for that. */
function limiterOf(limit: number): (key: string) => void {
  const hits = new MemoryStore()
  hits.init({ windowMs: WINDOW } as Parameters<typeof hits.init>[0])
  return (key) => {
    const { totalHits, resetTime } = hits.increment(key)
    if (totalHits > limit) throw tooMany(resetTime && resetTime.getTime() - Date.now())
  }
}

async function openDatabase(url: string, authToken: string | undefined): Promise<Database> {
  const scheme = /^([a-z]+):/i.exec(url)?.[1]?.toLowerCase() ?? ''
  const isPostgres = scheme === 'postgres' || scheme === 'postgresql'
  if (!isPostgres && !['file', 'libsql', 'http', 'https', 'ws', 'wss'].includes(scheme))
    throw new SecretsError('CONFIG_INVALID', 'The database address is of no known kind.', {
      hint: 'file:vault.db, libsql://host, or postgres://user:password@host/name.',
    })
  let database: Database | undefined
  try {
    if (isPostgres) database = (await import('./postgres.ts')).openPostgres(url)
    else if (scheme === 'file') database = (await import('./sqlite.ts')).openSqlite(newFileAt(url))
    else database = (await import('./libsql.ts')).openLibsql(url, authToken)
    await migrate(database)
    return database
  } catch (error) {
    await database?.close().catch(() => undefined)
    // An address may hold a password, and a driver's message the address.
    const { code } = error as { code?: string }
    if (code === 'ERR_MODULE_NOT_FOUND')
      throw new SecretsError('UNSUPPORTED', 'This kind of database needs a package that is not installed.', {
        hint: 'npm install libsql for a file, postgres for Postgres, @libsql/client for a libSQL server.',
      })
    throw new SecretsError('UNREACHABLE', `The database does not open: ${code ?? 'no reason given'}.`, {
      hint: 'Check the address, the name and password in it, and that the server runs.',
    })
  }
}

/** The path of a file address; `file:name` and `file:///name` are both in use. Its folder is made. */
function newFileAt(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return path
}
