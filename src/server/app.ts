import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { verifySignature } from '../core/crypto/vault-env.ts'
import { addDeviceRoutes } from './devices.ts'
import { addProjectRoutes } from './projects.ts'
import {
  ApiError,
  answer,
  type Body,
  field,
  incomplete,
  optionalField,
  parseBody,
  projectIdIn,
  textOf,
} from './request.ts'
import { addSecretRoutes } from './secrets.ts'
import type { Caller, Store } from './store.ts'

export interface AppOptions {
  readonly store: Store
  /** Largest body, in bytes. Default 4 MiB. */
  readonly maxBody?: number
  /** Whether approving, revoking and rolling back need an approved device, too. Default `false`, as the protocol has it. */
  readonly strict?: boolean
  /**
   * Counts what comes below `/api/` by the key of a request: its address, and its project if there is that one.
   * @throws ApiError 429 for one too many
   */
  readonly limiter?: (key: string) => void | Promise<void>
  /** The address of the other side, where the runtime knows it and the proxy can be trusted. */
  readonly addressOf?: (context: Context) => string | null
}

/** A signed request whose project is known and whose signature is right. */
export interface Signed {
  readonly projectId: string
  readonly body: Body
  readonly caller: Caller
  /**
   * Called by what changes something, right before it does: the same signature counts once.
   * @throws ApiError 401 for one that was used before
   */
  claim(): Promise<void>
}

export interface Routes {
  readonly store: Store
  readonly strict: boolean
  /** A route that nobody signs. */
  open(path: string, handle: (body: Body) => Promise<Response>): void
  signed(path: string, handle: (request: Signed) => Promise<Response>, required?: Required): void
}

/** Fields that are looked for before the project is, and what is said where one is missing. */
export interface Required {
  readonly fields: readonly string[]
  readonly message: string
}

const PREFIX = '/api/v1'
const MAX_BODY = 4 * 1024 * 1024
/** A longer name of a program is cut, in characters. */
const MAX_USER_AGENT = 255

/** The documented API over a store. It holds no state: any number of them may stand before one database. */
export function createApp(options: AppOptions): Hono {
  const { store, maxBody = MAX_BODY, strict = false, limiter, addressOf = () => null } = options
  const app = new Hono()

  app.notFound(async (context) => {
    if (context.req.path.startsWith(`${PREFIX}/`)) await admit(context)
    return answer({ error: 'Not found' }, 404)
  })
  app.onError((error, context) => {
    if (error instanceof ApiError) return answer({ error: error.message }, error.status, error.headers)
    // What a driver says may quote a statement with its parameters.
    console.error(
      `${context.req.method} ${context.req.path}: ${(error as { code?: unknown }).code ?? error.name}`,
    )
    return answer({ error: 'Internal error' }, 500)
  })
  app.options('*', () =>
    answer(null, 200, {
      'Access-Control-Allow-Methods': 'POST, GET, OPTIONS',
      'Access-Control-Allow-Headers': 'Content-Type, X-Vault-Signature, Authorization',
    }),
  )
  const checkSize = sizeCheck(maxBody)
  /**
   * What all below `/api/` goes through first. No middleware: Hono calls a handler that is alone at once.
   * @returns the body's text
   */
  const admit = async (context: Context): Promise<string> => {
    const checking = checkSize(context)
    if (checking) await checking
    const raw = await textOf(context)
    if (limiter) {
      const id = projectIdIn(raw)
      // An id that somebody made up is no other project: it would be a way around the limit.
      const reading = id === undefined ? undefined : store.project(id)
      const project = reading instanceof Promise ? await reading : reading
      const counting = limiter(`${addressOf(context) ?? ''} ${project?.id ?? ''}`)
      if (counting) await counting
    }
    return raw
  }

  const health = async (): Promise<Response> => {
    await store.ping()
    return answer({ status: 'ok', ts: Date.now() })
  }
  app.all('/health', health)
  app.get(`${PREFIX}/health`, async (context) => {
    await admit(context)
    return health()
  })

  const routes: Routes = {
    store,
    strict,
    open(path, handle) {
      app.post(`${PREFIX}/${path}`, async (context) => handle(parseBody(await admit(context))))
    },
    signed(path, handle, required) {
      app.post(`${PREFIX}/${path}`, async (context) => {
        const raw = await admit(context)
        const body = parseBody(raw)
        for (const name of required?.fields ?? []) field(body, name, required?.message)
        const reading = store.project(optionalField(body, 'project_id') ?? '')
        const project = reading instanceof Promise ? await reading : reading
        if (!project) throw new ApiError(404, 'Project not found')
        const header = context.req.header('X-Vault-Signature')
        const signature = project.key && verifySignature(header, raw, project.key, Date.now())
        if (!signature) throw new ApiError(401, 'Unauthorized')
        const userAgent = context.req.header('User-Agent')?.slice(0, MAX_USER_AGENT) ?? null
        return handle({
          projectId: project.id,
          body,
          caller: { ip: addressOf(context), userAgent },
          async claim() {
            const isFirst = await store.firstUse(project.id, signature.digest, signature.expiresAt)
            if (!isFirst) throw new ApiError(401, 'Unauthorized')
          },
        })
      })
    },
  }
  addProjectRoutes(routes)
  addSecretRoutes(routes)
  addDeviceRoutes(routes)
  return app
}

/**
 * Hono's limit, but a length that the other side tells is compared before a body is made of it.
 * @returns when it is known, where the body has to be read for that. @throws ApiError 413
 */
function sizeCheck(maxSize: number): (context: Context) => Promise<void> | undefined {
  const tooLarge = (): ApiError => new ApiError(413, 'Body too large')
  const counted = bodyLimit({
    maxSize,
    onError() {
      throw tooLarge()
    },
  })
  return (context) => {
    const length = context.req.header('Content-Length')
    if (length === undefined || context.req.header('Transfer-Encoding'))
      return counted(context, async () => undefined).then(
        () => undefined,
        (error: unknown) => {
          throw error instanceof ApiError ? error : incomplete()
        },
      )
    if (Number(length) > maxSize) throw tooLarge()
    return undefined
  }
}
