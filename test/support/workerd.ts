import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const { default: workerd } = require('workerd') as { default: string }

/** A worker of one module. */
export interface Worker {
  readonly folder: string
  readonly file: string
  readonly compatibilityDate: string
  readonly flags: readonly string[]
}

/**
 * Asks a real workerd with one worker. The key reaches it through the environment, as it would a container.
 * @returns no answer where the worker did not start
 */
export async function askWorkerd(
  { folder, file, compatibilityDate, flags }: Worker,
  key: string,
): Promise<{ answer: string | undefined; errors: string }> {
  const config = `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [(name = "main", worker = .worker)],
      sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
    );
    const worker :Workerd.Worker = (
      modules = [(name = "worker", esModule = embed "${file}")],
      compatibilityDate = "${compatibilityDate}",
      compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join()}],
      bindings = [(name = "SECRETS_KEY", fromEnvironment = "KEY")]
    );`
  const capnp = join(folder, 'config.capnp')
  writeFileSync(capnp, config)
  const child = spawn(workerd, ['serve', capnp, '--control-fd=3'], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { KEY: key },
  })
  const errors: string[] = []
  child.stderr!.on('data', (chunk: Buffer) => errors.push(String(chunk)))
  try {
    const listening = await new Promise<string>((resolve) => {
      child.stdio[3]!.once('data', (chunk: Buffer) => resolve(String(chunk)))
      child.once('exit', () => resolve(''))
    })
    if (listening === '') return { answer: undefined, errors: errors.join('') }
    const { port } = JSON.parse(listening.split('\n')[0]!) as { port: number }
    const response = await fetch(`http://127.0.0.1:${port}/`)
    return { answer: await response.text(), errors: errors.join('') }
  } finally {
    child.kill()
  }
}
