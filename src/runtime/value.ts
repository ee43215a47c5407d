/** What both ways of filling a server's bindings need. */

/** A mistake in the set-up of a server, shown without a stack that would be all ours. */
export function startError(message: string): Error {
  const error = new Error(message)
  error.stack = message
  return error
}

/** The variable of that name; `undefined` also where there is no process. One that is set and empty counts. */
export function variable(name: string): string | undefined {
  // Taken apart: builds for workers put an empty object in place of `process.env`, however the path is written,
  // and a bundler before them would put a constant for `globalThis.process` back into one path.
  const { process: host } = globalThis
  const text: unknown = host?.env?.[name]
  // A name such as `constructor` finds what every object has.
  return typeof text === 'string' ? text : undefined
}

/** The value that code gets. @throws Error when it should be JSON and is not; never with the text */
export function parseValue(name: string, kind: 'text' | 'json', text: string): unknown {
  if (kind === 'text') return text
  try {
    return JSON.parse(text)
  } catch {
    throw startError(`[secrets] ${name} is not JSON, but the build found a JSON value. Give it as JSON text.`)
  }
}

/** One line for whoever runs the server. Names and reasons only. */
export function warnLine(text: string): void {
  globalThis.process?.stderr?.write(`${text.startsWith('[secrets]') ? '' : '[secrets] '}${text}\n`)
}
