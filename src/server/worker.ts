/**
 * `unplugin-secrets/server/worker`: the vault-env server as a Cloudflare Worker with a D1 database. It needs the
 * compatibility flag `nodejs_compat`.
 *
 * @example
 * // src/index.ts of the Worker
 * export { default } from 'unplugin-secrets/server/worker'
 *
 * @module
 */
import type { Hono } from 'hono'
import { createApp } from './app.ts'
import { type D1Binding, openD1 } from './d1.ts'
import { type Database, migrate } from './database.ts'
import { tooMany } from './request.ts'
import { Store } from './store.ts'

export type { D1Binding } from './d1.ts'

/** The bindings and variables of the Worker. */
export interface VaultWorkerEnv {
  /** The D1 database. Its schema is made and brought up to date by the first request. */
  readonly DB: D1Binding
  /** A rate limiting binding: requests for one address and project, over all of `/api/`. Without it nothing is limited. */
  readonly RATE_LIMITER?: RateLimitBinding
  /** `true`: approving, revoking and rolling back need an approved device, too. */
  readonly STRICT?: string | boolean
}

export interface RateLimitBinding {
  limit(options: { key: string }): Promise<{ success: boolean }>
}

/** Largest body, in bytes: D1 takes rows of 2 MB. */
const MAX_BODY = 1_900_000

interface Started {
  readonly app: Hono
  readonly database: Database
  isMigrated: boolean
}

/** One for each isolate. */
const started = new WeakMap<VaultWorkerEnv, Started>()

export default {
  async fetch(request: Request, env: VaultWorkerEnv): Promise<Response> {
    let server = started.get(env)
    if (!server) {
      server = start(env)
      started.set(env, server)
    }
    // Each of the first requests looks by itself: one must not wait for what another one has asked for.
    if (!server.isMigrated) {
      await migrate(server.database)
      server.isMigrated = true
    }
    return server.app.fetch(request, env)
  },
}

function start({ DB, RATE_LIMITER: binding, STRICT }: VaultWorkerEnv): Started {
  const database = openD1(DB)
  const app = createApp({
    store: new Store(database),
    maxBody: MAX_BODY,
    strict: STRICT === true || STRICT === 'true',
    addressOf: (context) => context.req.header('CF-Connecting-IP') ?? null,
    ...(binding && {
      limiter: async (key) => {
        const { success } = await binding.limit({ key })
        if (!success) throw tooMany()
      },
    }),
  })
  return { app, database, isMigrated: false }
}
