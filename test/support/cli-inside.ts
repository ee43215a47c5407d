import { Readable } from 'node:stream'
import { commands } from '../../src/cli/commands/index.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { Run } from './cli.ts'

/**
 * Runs one command line of `secrets` in this process, for tests of what many commands do: starting a program for each costs
 * more than all of them do. What the whole program does (signals, closed outputs, exit codes) is for `CliPlace`.
 * @param root the working folder meanwhile
 * @param input what stands on the standard input
 */
export async function runInside(
  root: string,
  args: readonly string[],
  input: string | AsyncIterable<Buffer> = '',
): Promise<Run> {
  const working = process.cwd()
  const written = { stdout: '', stderr: '' }
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write }
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin')!
  const listeners = process.listeners('SIGINT')
  for (const name of ['stdout', 'stderr'] as const)
    process[name].write = ((chunk: string | Uint8Array) => {
      written[name] += Buffer.from(chunk as Uint8Array).toString()
      return true
    }) as typeof process.stdout.write
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    value: Readable.from(typeof input === 'string' ? [Buffer.from(input)] : input),
  })
  process.exitCode = undefined
  process.chdir(root)
  try {
    await runProgram({ commands, description: '', example: '' }, args)
    return { code: Number(process.exitCode ?? 0), signal: null, ...written }
  } finally {
    process.chdir(working)
    process.exitCode = undefined
    Object.defineProperty(process, 'stdin', stdin)
    Object.assign(process.stdout, { write: writes.stdout })
    Object.assign(process.stderr, { write: writes.stderr })
    for (const name of ['stdout', 'stderr'] as const) process[name].removeAllListeners('error')
    for (const each of process.listeners('SIGINT')) if (!listeners.includes(each)) process.off('SIGINT', each)
  }
}
