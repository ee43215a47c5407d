import { SecretsError } from '../core/errors.ts'
import { codeFrame } from '../core/guard.ts'

/**
 * A mistake of the user as bundlers and overlays show it: the whole text, the module, and no stack, which
 * would be all ours. Other errors stay as they are. Rolldown puts it into an error of its own with a stack of its own,
 * which Vite 8 prints below the text; that is made after every hook, and out of reach.
 */
export function toBundlerError(error: unknown, id?: string): unknown {
  if (!(error instanceof SecretsError)) return error
  const shown = Object.assign(new Error(error.format()), {
    name: 'SecretsError',
    code: error.code,
    plugin: 'unplugin-secrets',
  })
  shown.stack = ''
  // Where it is printed as an object, as Vite does at its start, the fields of the error would stand around it.
  Object.defineProperty(shown, Symbol.for('nodejs.util.inspect.custom'), { value: () => shown.message })
  return id === undefined ? shown : Object.assign(shown, { id })
}

/** Does the work of a hook; what it throws becomes the bundler's. @param id the module it is about */
export function attempt<T>(work: () => T, id?: string): T {
  try {
    return work()
  } catch (error) {
    throw toBundlerError(error, id)
  }
}

/** As `attempt`, for work that waits. */
export async function attemptAsync<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toBundlerError(error)
  }
}

/** What a parser says of a module, with the lines around; its stack would be the parser's own. @param error of acorn's */
export function notParsed(code: string, error: unknown): SyntaxError {
  const { message, pos } = error as Error & { pos: number }
  return Object.assign(new SyntaxError(`${message}\n\n${codeFrame({ source: code, start: pos })}\n`), {
    stack: '',
  })
}
