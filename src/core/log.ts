/** Where the project speaks. Names, counts and ages only. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  /** Shown with `DEBUG=unplugin-secrets`. */
  debug(message: string): void
}

const debugging = (): boolean => {
  const { DEBUG } = process.env
  return DEBUG !== undefined && /(^|[\s,])(unplugin-secrets|\*)([\s,:]|$)/.test(DEBUG)
}

/** Writes to the standard error, so that a program's own output stays its own. */
export const consoleLogger: Logger = {
  info: (message) => void process.stderr.write(`[secrets] ${message}\n`),
  warn: (message) => void process.stderr.write(`[secrets] warning: ${message}\n`),
  debug: (message) => {
    if (debugging()) process.stderr.write(`[secrets] ${message}\n`)
  },
}
