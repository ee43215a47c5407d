import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext } from '../../core/types.ts'
import { bodyOf, errorOf, isMissingRoute } from './errors.ts'
import type { Session } from './session.ts'
import type { Answer } from './transport.ts'

/** A mounted engine. */
export interface Engine {
  /** Its whole path, namespaces in front where the configuration writes them so. */
  readonly path: string
  /** Of KV; `undefined`: another engine. */
  readonly version: 1 | 2 | undefined
  /** `kv`, `database`, `pki`, … as far as the server tells. */
  readonly type?: string
  /** Random, made with the mount; known only to who may use something below it. */
  readonly uuid?: string
}

/** A mounted KV engine. */
export interface KvEngine extends Engine {
  readonly version: 1 | 2
}

/** An engine and a path below it. */
export interface Place {
  readonly engine: Engine
  readonly path: string
}

/** A path that begins with a slash is the whole one, from the root of the server; others are below `mount`. */
export const isWhole = (path: string): boolean => path.startsWith('/')

/** Types whose answers have the form of KV. */
const KV_TYPES = new Set(['kv', 'generic', 'cubbyhole'])

/**
 * Finds the engine of a path and its version, for one fetch. `sys/internal/ui/mounts/<path>` tells every
 * token that may touch anything below the mount; where it does not, the two ways to read are tried.
 */
export class Engines {
  readonly #session: Session
  readonly #known: Engine[]
  /** Questions by mount, refused ones too: a fetch asks once, whatever its size. */
  readonly #asked = new Map<string, Promise<Engine | undefined>>()

  /** @param known what earlier fetches found, added to by this one */
  constructor(session: Session, known: Engine[]) {
    this.#session = session
    this.#known = known
  }

  /**
   * @param what for messages: `read vault:myapp/db`
   * @throws SecretsError `MOUNT_NOT_FOUND`, `PERMISSION_DENIED`, `UNSUPPORTED`, …
   */
  async find(path: string, what: string, context: ProviderContext): Promise<Place> {
    const { mount, kv } = this.#session.options
    const whole = isWhole(path)
    if (mount && kv && !whole) return { engine: { path: mount, version: kv }, path }
    const full = whole ? path.slice(1) : [mount, path].filter(Boolean).join('/')
    const place = this.#remembered(full)
    if (place) return place
    const key = (!whole && mount) || full.split('/')[0]!
    await this.#ask(key, full, what, context)
    return (
      this.#remembered(full) ??
      // Another engine below the same first segments answered the shared question.
      ((await this.#ask(full, full, what, context)) && this.#remembered(full)) ??
      (await this.#tryBoth(path, what, context))
    )
  }

  /**
   * As `find`, for what only KV can do.
   * @throws SecretsError `UNSUPPORTED` for another engine
   */
  async findKv(
    path: string,
    what: string,
    context: ProviderContext,
  ): Promise<Place & { readonly engine: KvEngine }> {
    const { engine, path: below } = await this.find(path, what, context)
    const { version } = engine
    if (version !== undefined) return { engine: { ...engine, version }, path: below }
    throw new SecretsError(
      'UNSUPPORTED',
      `Cannot ${what} at ${this.#session.options.url}: the engine at ${engine.path}/ is not KV.`,
    )
  }

  #remembered(full: string): Place | undefined {
    const engine = this.#known.find(({ path }) => full === path || full.startsWith(`${path}/`))
    return engine && { engine, path: full.slice(engine.path.length + 1) }
  }

  #ask(key: string, full: string, what: string, context: ProviderContext): Promise<Engine | undefined> {
    const asked = this.#asked.get(key) ?? this.#preflight(full, what, context)
    this.#asked.set(key, asked)
    return asked
  }

  /** @returns `undefined` when the server does not tell. */
  async #preflight(full: string, what: string, context: ProviderContext): Promise<Engine | undefined> {
    const { url, kv } = this.#session.options
    const path = `sys/internal/ui/mounts/${full}`
    const answer = await this.#session.read(path, context)
    const { data } = bodyOf(answer)
    if (answer.status === 200 && typeof data?.path === 'string') {
      const mounted = data.path.replace(/\/$/, '')
      if (full !== mounted && !full.startsWith(`${mounted}/`)) return undefined
      const { version: told } = (data.options ?? {}) as { version?: unknown }
      const { type = 'kv', uuid } = data
      const isKv = typeof type !== 'string' || KV_TYPES.has(type)
      const version = isKv ? (kv ?? (told === '2' ? 2 : 1)) : undefined
      context.debug(`${context.name}: ${mounted}/ is ${isKv ? `KV v${version}` : 'another engine'}`)
      return this.#remember({
        path: mounted,
        version,
        ...(typeof type === 'string' ? { type } : {}),
        ...(typeof uuid === 'string' ? { uuid } : {}),
      })
    }
    const error = errorOf(answer, { what, url, path })
    if (error.code === 'NAMESPACE_NOT_FOUND' || error.transient) throw error
    return undefined
  }

  #remember(engine: Engine): Engine {
    if (!this.#known.some(({ path }) => path === engine.path)) this.#known.push(engine)
    return engine
  }

  async #tryBoth(path: string, what: string, context: ProviderContext): Promise<Place> {
    const { mount, url } = this.#session.options
    if (!mount || isWhole(path))
      throw new SecretsError(
        'MOUNT_NOT_FOUND',
        `Cannot ${what} at ${url}: no engine is found at the start of it.`,
        {
          hint: 'Check the path, or set mount to the engine; a token must be allowed something below it.',
        },
      )
    const place = (version: 1 | 2): Place => ({ engine: { path: mount, version }, path })
    const remembered = (version: 1 | 2): Place => ({ engine: this.#remember({ path: mount, version }), path })

    const second = await this.#session.read(`${mount}/data/${path}`, context)
    if (isVersioned(second)) return remembered(2)
    const note = `If that is there already, check that mount is right: ${mount}/`
    const about = { what, url, path: `${mount}/data/${path}`, note }
    if (isMissingRoute(second) || ![200, 403, 404].includes(second.status)) throw errorOf(second, about)
    const first = await this.#session.read(`${mount}/${path}`, context)
    if (first.status === 200) return remembered(1)
    if (hasVersionedWarning(first)) return remembered(2)
    if (second.status === 403 && first.status === 403)
      throw new SecretsError(
        'PERMISSION_DENIED',
        `Cannot ${what} at ${url}: the token may use nothing below ${mount}/, or no engine is mounted there (403).`,
        { hint: errorOf(second, about).hint },
      )
    // Nothing there in either form; which engine it is shows when something is.
    return place(first.status === 404 && second.status === 403 ? 1 : 2)
  }
}

/** The two levels of a KV v2 answer, which deleted versions have too. */
function isVersioned(answer: Answer): boolean {
  const { data } = bodyOf(answer)
  const { version } = (data?.metadata ?? {}) as { version?: unknown }
  return typeof version === 'number' && data !== null && data !== undefined && 'data' in data
}

/** KV v2 was read by a path of v1. */
export function hasVersionedWarning(answer: Answer): boolean {
  const { warnings } = bodyOf(answer)
  return (
    answer.status === 404 && Array.isArray(warnings) && warnings.some((text) => /versioned K\/V/i.test(text))
  )
}
