import { execFile } from 'node:child_process'
import { dirname } from 'node:path'

/** Whether git leaves a file alone. @returns `undefined` where there is no git or no repository */
export function isIgnored(file: string): Promise<boolean | undefined> {
  return answers(file, 'check-ignore', '--quiet', '--', file)
}

/** Whether git has it already, which no ignore file changes. @returns as `isIgnored` */
export function isTracked(file: string): Promise<boolean | undefined> {
  return answers(file, 'ls-files', '--error-unmatch', '--', file)
}

/** Asks git something that it answers with 0 or 1. */
function answers(file: string, ...args: readonly string[]): Promise<boolean | undefined> {
  return new Promise((done) => {
    execFile('git', args, { cwd: dirname(file) }, (error) => {
      if (!error) done(true)
      else done(error.code === 1 ? false : undefined)
    })
  })
}
