/**
 * Every condition the project reports has one stable code here. Messages say what failed, which
 * name, path or host, and what to do; they never hold a value, a token, a header or a body.
 */

/** What went wrong, as a stable string that scripts may compare with. */
export type SecretsErrorCode =
  // configuration
  | 'CONFIG_INVALID'
  | 'CONFIG_UNREADABLE'
  | 'PROVIDER_UNKNOWN'
  | 'REFERENCE_INVALID'
  | 'TEMPLATE_INVALID'
  | 'TEMPLATE_CYCLE'
  | 'POLICY_INVALID'
  // the way to a provider: worth another try, and the cache may stand in
  | 'UNREACHABLE'
  | 'TIMEOUT'
  | 'SERVER_ERROR'
  | 'RATE_LIMITED'
  | 'SEALED'
  | 'STANDBY'
  // the way to a provider: another try changes nothing
  | 'TLS_FAILED'
  | 'NOT_INITIALISED'
  | 'RESPONSE_MALFORMED'
  | 'REDIRECT_REFUSED'
  | 'REQUEST_REFUSED'
  | 'UNSUPPORTED'
  | 'ABORTED'
  // who asks
  | 'CREDENTIALS_MISSING'
  | 'LOGIN_REFUSED'
  | 'TOKEN_INVALID'
  | 'PERMISSION_DENIED'
  | 'DEVICE_REVOKED'
  | 'MOUNT_NOT_FOUND'
  | 'NAMESPACE_NOT_FOUND'
  // one secret
  | 'NOT_FOUND'
  | 'DELETED'
  | 'DESTROYED'
  | 'FIELD_NOT_FOUND'
  | 'WRONG_TYPE'
  | 'SCHEMA_FAILED'
  | 'PLACEHOLDER'
  | 'CONFLICT'
  // files of ours
  | 'KEY_MISSING'
  | 'SEAL_BROKEN'
  | 'FILE_UNREADABLE'
  // exposure
  | 'SERVER_SECRET_IN_CLIENT'
  | 'ACCESS_UNSUPPORTED'
  | 'LEAK_FOUND'
  // several of the above at once
  | 'SEVERAL'

/** Codes after which the same request may succeed: retried within the deadline, then served from the cache. */
const TRANSIENT: ReadonlySet<SecretsErrorCode> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'SERVER_ERROR',
  'RATE_LIMITED',
  'SEALED',
  'STANDBY',
])

export interface SecretsErrorOptions {
  /** What the reader can do about it: a command, a policy line, a setting. */
  hint?: string | undefined
  /** The error below, only where it is known to hold no value, token, header or body. */
  cause?: unknown
  /** How long the other side asked us to wait, in ms. */
  retryAfter?: number | undefined
}

/** An error that a person can act on. Printed without a stack: it is about their set-up, not our code. */
export class SecretsError extends Error {
  readonly code: SecretsErrorCode
  readonly hint: string | undefined
  readonly retryAfter: number | undefined
  /** The single errors behind a `SEVERAL`; empty otherwise. */
  readonly problems: readonly SecretsError[]
  /** The secrets that have no value because of it, where that is known. */
  readonly names: readonly string[]

  constructor(
    code: SecretsErrorCode,
    message: string,
    options: SecretsErrorOptions & {
      problems?: readonly SecretsError[]
      names?: readonly string[]
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SecretsError'
    this.code = code
    this.hint = options.hint
    this.retryAfter = options.retryAfter
    this.problems = options.problems ?? []
    this.names = options.names ?? []
  }

  /** Whether another try may succeed (network, 5xx, 429, sealed, standby). */
  get transient(): boolean {
    return this.problems.length > 0
      ? this.problems.every((problem) => problem.transient)
      : TRANSIENT.has(this.code)
  }

  /** The whole text for a terminal or an overlay: the message, then the hint, for every problem. */
  format(): string {
    if (this.problems.length === 0)
      return this.hint ? `${this.message}\n  ${this.hint.replaceAll('\n', '\n  ')}` : this.message
    const list = this.problems.map((problem) => `- ${problem.format().replaceAll('\n', '\n  ')}`)
    return [this.message, ...list].join('\n')
  }
}

/**
 * Throws nothing for an empty list, the error itself for one, and one `SEVERAL` for more, so that ten
 * mistakes are one report.
 */
export function throwProblems(problems: readonly SecretsError[], summary: (count: number) => string): void {
  if (problems.length === 0) return
  if (problems.length === 1) throw problems[0]
  throw new SecretsError('SEVERAL', summary(problems.length), { problems })
}

/** What mends it when a file could not be read or written. */
export function fileHint(error: unknown): string {
  const reason = reasonOf(error)
  if (reason === 'EROFS')
    return 'The disk is read-only there: mount it writable, or use a folder that is (XDG_CACHE_HOME, XDG_CONFIG_HOME for ours).'
  if (reason === 'ENOSPC' || reason === 'EDQUOT') return 'There is no room left on the disk.'
  if (reason === 'EACCES' || reason === 'EPERM')
    return 'This user may not: ls -ld shows the owner and the mode of the file and of its folder.'
  if (reason === 'ENOENT') return 'It is not there: mend the path.'
  return 'It must be a file, in a folder, that this user may use.'
}

/** A code and, for Node's own errors, the reason: safe to print, unlike most error messages. */
export function reasonOf(error: unknown): string {
  if (error instanceof SecretsError) return error.message
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code
    return code ?? error.name
  }
  return typeof error
}
