import { Buffer } from 'node:buffer'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { verifySignature } from '../core/crypto/vault-env.ts'
import { addDeviceRoutes } from './devices.ts'
import { ApiError, type Body, field, optionalField, parseBody } from './request.ts'
import { addSecretRoutes } from './secrets.ts'
import type { Caller, Store } from './store.ts'

export interface AppOptions {
  readonly store: Store
  /** Largest body, in bytes. Default 4 MiB. */
  readonly maxBody?: number
  /** Whether approving, revoking and rolling back need an approved device, too. Default `false`, as the protocol has it. */
  readonly strict?: boolean
  /** Runs before everything under `/api/`, for example a rate limit. */
  readonly before?: MiddlewareHandler
  /** The address of the other side, where the runtime knows it and the proxy can be trusted. */
  readonly addressOf?: (context: Context) => string | null
}

/** A signed request whose project is known and whose signature is right. */
export interface Signed {
  readonly projectId: string
  readonly body: Body
  readonly caller: Caller
}

export interface Routes {
  readonly app: Hono
  readonly store: Store
  readonly strict: boolean
  /**
   * @param options.changes a route that changes something: the same signature counts once
   * @param options.required checked before the project is looked for
   */
  signed(
    path: string,
    options: { changes: boolean; required?: readonly string[]; requiredMessage?: string },
    handle: (request: Signed, context: Context) => Promise<Response>,
  ): void
}

const PREFIX = '/api/v1'
const MAX_BODY = 4 * 1024 * 1024

/** The documented API over a store. It holds no state: any number of them may stand before one database. */
export function createApp(options: AppOptions): Hono {
  const { store, maxBody = MAX_BODY, strict = false, addressOf = () => null } = options
  const app = new Hono()

  app.use('*', async (context, next) => {
    if (context.req.method === 'OPTIONS') {
      return context.body(null, 200, {
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Allow-Methods': 'POST, GET, OPTIONS',
        'Access-Control-Allow-Headers': 'Content-Type, X-Vault-Signature, Authorization',
      })
    }
    await next()
    context.res.headers.set('Access-Control-Allow-Origin', '*')
    context.res.headers.set('Cache-Control', 'no-store')
  })
  app.notFound((context) => context.json({ error: 'Not found' }, 404))
  app.onError((error, context) => {
    if (error instanceof ApiError) return context.json({ error: error.message }, error.status)
    // What a driver says may quote a statement with its parameters.
    console.error(
      `${context.req.method} ${context.req.path}: ${(error as { code?: unknown }).code ?? error.name}`,
    )
    return context.json({ error: 'Internal error' }, 500)
  })
  app.use(
    `${PREFIX}/*`,
    bodyLimit({ maxSize: maxBody, onError: (context) => context.json({ error: 'Body too large' }, 413) }),
  )
  if (options.before) app.use(`${PREFIX}/*`, options.before)

  const health = async (context: Context): Promise<Response> => {
    await store.ping()
    return context.json({ status: 'ok', ts: Date.now() })
  }
  app.all('/health', health)
  app.get(`${PREFIX}/health`, health)

  app.post(`${PREFIX}/project/create`, async (context) => {
    const body = parseBody(await context.req.text())
    const { id, environments } = await store.createProject(
      field(body, 'project_name', 'project_name required'),
    )
    return context.json({ project_id: id, environments })
  })
  app.post(`${PREFIX}/project/set-key`, async (context) => {
    const body = parseBody(await context.req.text())
    const required = 'project_id and auth_key_hash required'
    const id = field(body, 'project_id', required)
    const hash = field(body, 'auth_key_hash', required)
    if (!/^[0-9a-f]{64}$/i.test(hash)) throw new ApiError(400, 'auth_key_hash must be 64 hexadecimal digits')
    if (!(await store.project(id))) throw new ApiError(404, 'Project not found')
    if (!(await store.setKey(id, hash.toLowerCase()))) throw new ApiError(409, 'Auth key already set')
    return context.json({ ok: true })
  })

  const routes: Routes = {
    app,
    store,
    strict,
    signed(path, { changes, required = [], requiredMessage }, handle) {
      app.post(`${PREFIX}/${path}`, async (context) => {
        const raw = await context.req.text()
        const body = parseBody(raw)
        for (const name of required) field(body, name, requiredMessage)
        const project = await store.project(optionalField(body, 'project_id') ?? '')
        if (!project) throw new ApiError(404, 'Project not found')
        const header = context.req.header('X-Vault-Signature')
        const key = Buffer.from(project.keyHash ?? '', 'hex')
        const signature = project.keyHash ? verifySignature(header, raw, key, Date.now()) : undefined
        if (!signature) throw new ApiError(401, 'Unauthorized')
        if (changes && !(await store.firstUse(project.id, signature.digest, signature.expiresAt)))
          throw new ApiError(401, 'Unauthorized')
        const caller = { ip: addressOf(context), userAgent: context.req.header('User-Agent') ?? null }
        return handle({ projectId: project.id, body, caller }, context)
      })
    },
  }
  addSecretRoutes(routes)
  addDeviceRoutes(routes)
  return app
}
