import { reasonOf, SecretsError, type SecretsErrorCode } from '../core/errors.ts'

/** What a script can rely on. Numbers are never given a second meaning. */
export const EXIT = {
  ok: 0,
  /** Something that the user must mend: the configuration, a missing secret, a check that failed. */
  mend: 1,
  /** The command line itself: an unknown command or flag, a value that is missing. */
  usage: 2,
  /** What the command line names is not there: a name, a folder, a file. */
  notFound: 3,
  /** A provider could not be reached, or did not answer properly. */
  unreachable: 4,
  /** Not logged in, or not allowed. */
  denied: 5,
  /** A server-only value stands in a file. */
  leak: 10,
  /** `run`: the program is there and cannot be started. */
  notExecutable: 126,
  /** `run`: there is no such program. */
  commandNotFound: 127,
  /** Ctrl-C. `run` passes on what the program made of it. */
  interrupted: 130,
} as const

/** For `--help`: those that any command may end with. */
export const COMMON_EXITS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.mend, 'something to mend'],
  [EXIT.usage, 'the command line'],
  [EXIT.notFound, 'not there'],
  [EXIT.unreachable, 'unreachable'],
  [EXIT.denied, 'not allowed'],
  [EXIT.interrupted, 'Ctrl-C'],
]

const UNREACHABLE: ReadonlySet<SecretsErrorCode> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'SERVER_ERROR',
  'RATE_LIMITED',
  'SEALED',
  'STANDBY',
  'TLS_FAILED',
  'NOT_INITIALISED',
  'RESPONSE_MALFORMED',
  'REDIRECT_REFUSED',
])
const DENIED: ReadonlySet<SecretsErrorCode> = new Set([
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
  'PERMISSION_DENIED',
  'DEVICE_REVOKED',
])

/** A mistake in what was typed, or something it names that is not there. */
export class CliError extends Error {
  readonly code: 'USAGE' | 'NOT_FOUND' | 'COMMAND_NOT_FOUND' | 'CANCELLED'
  readonly exit: number
  readonly hint: string | undefined

  constructor(code: CliError['code'], exit: number, message: string, hint?: string) {
    super(message)
    this.code = code
    this.exit = exit
    this.hint = hint
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError('USAGE', EXIT.usage, message, hint)
}

export function notFoundError(message: string, hint?: string): CliError {
  return new CliError('NOT_FOUND', EXIT.notFound, message, hint)
}

/** Problems of one kind have its code; of several kinds, the general one. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exit
  if (!(error instanceof SecretsError)) return EXIT.mend
  if (error.problems.length > 0) {
    const [first, ...others] = new Set(error.problems.map(exitCodeOf))
    return others.length === 0 ? first! : EXIT.mend
  }
  if (UNREACHABLE.has(error.code)) return EXIT.unreachable
  return DENIED.has(error.code) ? EXIT.denied : EXIT.mend
}

/** What `--json` says of an error. */
export interface ErrorReport {
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** The single ones behind a `SEVERAL`. */
  readonly problems?: readonly ErrorReport[]
}

/** Of an error that is not one of ours only the kind is told: its text may quote anything. */
export function describeError(error: unknown): ErrorReport {
  if (error instanceof SecretsError || error instanceof CliError) {
    const problems = error instanceof SecretsError ? error.problems.map(describeError) : []
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(problems.length === 0 ? {} : { problems }),
    }
  }
  return {
    code: 'INTERNAL',
    message: `This is a mistake in unplugin-secrets itself (${reasonOf(error)}).`,
    hint: 'Run it again with DEBUG=unplugin-secrets and report what it prints.',
  }
}

/** For a terminal: the message and the hint; where in our code only for our own mistakes, and when asked. */
export function formatError(error: unknown): string {
  if (error instanceof SecretsError) return error.format()
  const { message, hint } = describeError(error)
  const text = hint === undefined ? message : `${message}\n  ${hint.replaceAll('\n', '\n  ')}`
  if (error instanceof CliError || !process.env.DEBUG || !(error instanceof Error)) return text
  // The frames alone: the first lines of a stack repeat the message.
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [text, ...frames].join('\n')
}
