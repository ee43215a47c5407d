import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))

/**
 * Bundles a script that imports the sources (`../../src/…`, seen from this folder), so that any Node
 * can run it as a process of its own.
 * @returns the file to start.
 */
export async function bundleScript(folder: string, source: string): Promise<string> {
  const outfile = join(folder, 'child.cjs')
  await build({
    stdin: { contents: source, resolveDir: here, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
    logLevel: 'error',
  })
  return outfile
}

export function startScript(
  file: string,
  args: string[] = [],
  env: Record<string, string> = {},
  node = process.execPath,
): ChildProcess {
  return spawn(node, [file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
}

/** Runs it to its end. @returns what it printed. */
export async function runScript(
  file: string,
  args: string[] = [],
  env: Record<string, string> = {},
  node = process.execPath,
): Promise<string> {
  const child = startScript(file, args, env, node)
  let output = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`the script ended with ${code}`)
  return output
}
