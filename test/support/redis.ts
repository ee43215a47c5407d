import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningServer, startServer } from './servers.ts'

export interface Redis extends RunningServer {
  readonly url: string
}

/** A Redis of its own, in memory, on a free port. */
export async function startRedis(program: string): Promise<Redis> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'))
  const server = await startServer({
    command: program,
    args: (port) => ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
    answers: ping,
  })
  return {
    ...server,
    url: `redis://127.0.0.1:${server.port}`,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString().startsWith('+PONG'))
    })
  })
}
