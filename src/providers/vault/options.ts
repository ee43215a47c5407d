import { parseDuration } from '../../core/duration.ts'
import { SecretsError } from '../../core/errors.ts'
import { didYouMean } from '../../core/nearest.ts'
import type { Duration, JsonObject } from '../../core/types.ts'
import type { VaultAuth } from './auth/index.ts'
import { authOptions, authSettings, methodNames, pickSettings } from './auth/options.ts'

export interface VaultTls {
  /** PEM text of the authorities to trust, in place of Node's own. */
  ca?: string | undefined
  /** The same as a file, relative to the configuration. Default: `VAULT_CACERT`. */
  caFile?: string | undefined
  /** PEM text of a client certificate. */
  cert?: string | undefined
  /** The same as a file. Default: `VAULT_CLIENT_CERT`. */
  certFile?: string | undefined
  /** PEM text of its key. */
  key?: string | undefined
  /** The same as a file. Default: `VAULT_CLIENT_KEY`. */
  keyFile?: string | undefined
  /** `false` trusts any server: only for a try-out, with a warning. No environment variable does this. Default `true`. */
  verify?: boolean | undefined
}

export interface VaultOptions {
  /** Default: `VAULT_ADDR`, then `BAO_ADDR`, then `https://127.0.0.1:8200`. Only the origin counts. */
  url?: string | undefined
  /** The engine's whole path, of any depth. `''`: the first segments of each reference. Default `'secret'`. */
  mount?: string | undefined
  /** Default: `VAULT_NAMESPACE`; `''`: none. */
  namespace?: string | undefined
  /**
   * `'login'`: the namespace is sent at the login only, and `mount` holds the namespaces for the data.
   * Default `'all'`.
   */
  namespaceScope?: 'all' | 'login' | undefined
  /** The engine's version. Default: found out. */
  kv?: 1 | 2 | undefined
  /** Default: `{ method: 'token' }`. */
  auth?: VaultAuth | undefined
  tls?: VaultTls | undefined
  /** How long values of this provider count as fresh. Default: `cache.ttl`. */
  ttl?: Duration | undefined
}

/** The options with every default filled in and everything checked. */
export interface ResolvedVaultOptions {
  /** The origin, without a trailing slash. */
  readonly url: string
  /** Without slashes at its ends. */
  readonly mount: string
  readonly namespace: string
  readonly namespaceScope: 'all' | 'login'
  readonly kv: 1 | 2 | undefined
  readonly auth: VaultAuth
  readonly tls: VaultTls & { readonly verify: boolean }
  readonly ttl: Duration | undefined
}

const OPTIONS = ['url', 'mount', 'namespace', 'namespaceScope', 'kv', 'auth', 'tls', 'ttl']
const TLS_TEXTS = ['ca', 'caFile', 'cert', 'certFile', 'key', 'keyFile']

const invalid = (message: string, hint?: string): SecretsError =>
  new SecretsError('CONFIG_INVALID', `vault: ${message}`, { hint })

function checkNames(given: object, known: readonly string[], owner: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    throw invalid(
      `there is no option ${owner}${name}.${didYouMean(name, known)}`,
      `Known: ${known.map((option) => owner + option).join(', ')}.`,
    )
  }
}

function checkTexts(given: object, names: readonly string[], owner: string): void {
  for (const [name, value] of Object.entries(given))
    if (names.includes(name) && value !== undefined && typeof value !== 'string')
      throw invalid(`${owner}${name} must be text.`)
}

/** Engine paths and namespaces: slashes at the ends do not count, empty and dot segments are refused. */
function trimPath(text: string, option: string): string {
  const path = text.replace(/^\/+|\/+$/g, '')
  if (path !== '' && badSegment(path)) throw invalid(`${option} has an empty segment, "." or "..".`)
  return path
}

function resolveNamespace(given: string): string {
  const namespace = trimPath(given, 'namespace')
  if (/[\s\x00-\x1f\x7f]/.test(namespace)) throw invalid('namespace has white space or a control character.')
  return namespace
}

/** Whether a path has a segment that is empty or that servers and proxies would resolve. */
export function badSegment(path: string): boolean {
  return path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')
}

function resolveUrl(given: string | undefined): string {
  const [origin, text] = given
    ? (['url', given] as const)
    : ([
        ['VAULT_ADDR', process.env.VAULT_ADDR],
        ['BAO_ADDR', process.env.BAO_ADDR],
      ].find(([, value]) => value) ?? ['url', 'https://127.0.0.1:8200'])
  // The text itself stays out of the messages: it may hold a password.
  const url = URL.canParse(text!) ? new URL(text!) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw invalid(
      `${origin} is no http or https address.`,
      'Write for example https://vault.example.com:8200',
    )
  if (url.username || url.password)
    throw invalid(`${origin} holds a user name or password.`, 'Use the auth option to log in.')
  return url.origin
}

function resolveAuth(given: unknown): VaultAuth {
  const auth = (given ?? { method: 'token' }) as VaultAuth
  if (typeof auth !== 'object' || !methodNames.includes(auth.method))
    throw invalid(
      `auth.method is unknown.${typeof auth.method === 'string' ? didYouMean(auth.method, methodNames) : ''}`,
      `Known: ${methodNames.join(', ')}.`,
    )
  const options = authOptions(auth.method)
  checkNames(auth, ['method', ...options], 'auth.')
  checkTexts(auth, options, 'auth.')
  if (!('mount' in auth) || auth.mount === undefined) return auth
  return { ...auth, mount: trimPath(auth.mount, 'auth.mount') }
}

/** @throws SecretsError `CONFIG_INVALID` */
export function resolveOptions(options: VaultOptions): ResolvedVaultOptions {
  checkNames(options, OPTIONS, '')
  checkTexts(options, ['url', 'mount', 'namespace'], '')
  const tls = options.tls ?? {}
  checkNames(tls, [...TLS_TEXTS, 'verify'], 'tls.')
  checkTexts(tls, TLS_TEXTS, 'tls.')
  if (tls.verify !== undefined && typeof tls.verify !== 'boolean')
    throw invalid('tls.verify must be true or false.')
  if (!tls.cert !== !tls.key) throw invalid('tls.cert and tls.key only work together.')
  if (!tls.certFile !== !tls.keyFile) throw invalid('tls.certFile and tls.keyFile only work together.')
  const { kv, namespaceScope = 'all' } = options
  if (kv !== undefined && kv !== 1 && kv !== 2) throw invalid('kv must be 1 or 2.')
  if (namespaceScope !== 'all' && namespaceScope !== 'login')
    throw invalid("namespaceScope must be 'all' or 'login'.")
  if (options.ttl !== undefined) parseDuration(options.ttl, 'vault: ttl')
  return {
    url: resolveUrl(options.url),
    mount: trimPath(options.mount ?? 'secret', 'mount'),
    namespace: resolveNamespace(options.namespace ?? process.env.VAULT_NAMESPACE ?? ''),
    namespaceScope,
    kv,
    auth: resolveAuth(options.auth),
    tls: { ...tls, verify: tls.verify ?? true },
    ttl: options.ttl,
  }
}

/** What makes the same provider again, without credentials. */
export function settingsOf(options: ResolvedVaultOptions): JsonObject {
  const { ca, verify } = options.tls
  const tls = {
    ...(ca ? { ca } : {}),
    ...pickSettings(options.tls, ['caFile', 'certFile', 'keyFile']),
    ...(verify ? {} : { verify }),
  }
  return {
    url: options.url,
    mount: options.mount,
    namespace: options.namespace,
    namespaceScope: options.namespaceScope,
    ...(options.kv ? { kv: options.kv } : {}),
    auth: authSettings(options.auth),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
    // JSON has no Infinity.
    ...(options.ttl === undefined || options.ttl === Number.POSITIVE_INFINITY ? {} : { ttl: options.ttl }),
  }
}
