import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'

/** What `inject('servers')` gives to a test. */
export interface Servers {
  /** A dev-mode OpenBao, in memory, KV v2 at `secret/`; `token` is its root token. */
  readonly bao: { readonly url: string; readonly token: string; readonly binary: string }
  /** AWS Secrets Manager and STS; the executable for a test that starts one of its own. */
  readonly moto: { readonly url: string; readonly binary: string }
  /** The browser's executable. */
  readonly chromium: string
  /** Executables: `startRedis`, `startPostgres`, and the Python that has the published vault-env client. */
  readonly programs: { readonly redis: string; readonly postgres: string; readonly python: string }
}

export interface RunningServer {
  readonly port: number
  /** Ends the process, by its id, and waits until it has gone. */
  stop(): Promise<void>
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/**
 * Starts a server on a free port and waits until it answers. Another process may take the port first,
 * so a server that ends at once is tried again on another one.
 * @param answers asked again and again; a rejection or `false` means not yet.
 */
export async function startServer(options: {
  command: string
  args: (port: number) => string[]
  env?: Record<string, string>
  answers: (port: number) => Promise<boolean>
}): Promise<RunningServer> {
  let output = ''
  for (let attempt = 1; attempt <= 3; attempt++) {
    const port = await freePort()
    const child = spawn(options.command, options.args(port), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ...options.env },
    })
    output = ''
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => keep(Buffer.from(error.message)))
    const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null
    const killAtExit = () => child.kill('SIGKILL')
    process.once('exit', killAtExit)
    const stop = async () => {
      process.off('exit', killAtExit)
      await end(child, running)
    }
    for (const deadline = Date.now() + 60_000; running() && Date.now() < deadline; ) {
      if (await options.answers(port).catch(() => false)) return { port, stop }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await stop()
  }
  throw new Error(`${options.command} did not start. Its last output:\n${output}`)
}

async function end(child: ChildProcess, running: () => boolean): Promise<void> {
  if (!running()) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const impatient = setTimeout(() => child.kill('SIGKILL'), 3000)
  await gone
  clearTimeout(impatient)
}
