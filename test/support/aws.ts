import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { format, inspect } from 'node:util'
import type { ProviderContext, ReadRequest } from '../../src/core/types.ts'

/** One request that came to a server below. */
export interface Recorded {
  /** `GetSecretValue`, … */
  readonly action: string
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
  readonly port: number | undefined
}

export interface Front {
  readonly url: string
  readonly requests: Recorded[]
  /** How many requests of one action came. */
  count(action: string): number
  close(): Promise<void>
}

/** Answers itself and returns `true`, or leaves the request to the server behind. */
export type Fault = (recorded: Recorded, response: ServerResponse) => boolean

/** A server in front of the real one that writes down what passes, and answers some itself. */
export async function front(target: string | undefined, fault: Fault = () => false): Promise<Front> {
  const requests: Recorded[] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const recorded: Recorded = {
      action: String(incoming.headers['x-amz-target']).split('.').at(-1)!,
      headers: incoming.headers,
      body: body[0] === 0x7b ? JSON.parse(body.toString()) : {},
      port: incoming.socket.remotePort,
    }
    requests.push(recorded)
    if (fault(recorded, response) || target === undefined) return
    const onward = request(target, { method: incoming.method, path: incoming.url, headers: incoming.headers })
    onward.on('response', (answer) => {
      // The server behind closes every connection; what is tested here keeps them.
      const { connection: _, ...headers } = answer.headers
      response.writeHead(answer.statusCode!, headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    onward.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    count: (action) => requests.filter((entry) => entry.action === action).length,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** An answer as AWS gives its errors. */
export function refuse(response: ServerResponse, status: number, type: string, message: string): true {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
  response.end(JSON.stringify({ __type: type, message }))
  return true
}

/** Everything that a provider said, to be searched at the end. */
export class Heard {
  readonly #parts: string[] = []

  add(what: unknown): void {
    this.#parts.push(typeof what === 'string' ? what : inspect(what, { depth: 12, showHidden: true }))
    if (what instanceof Error) this.#parts.push(format(what), what.stack ?? '', JSON.stringify(what))
  }

  get text(): string {
    return this.#parts.join('\n')
  }
}

export function contextFor(heard: Heard, over: Partial<ProviderContext> = {}): ProviderContext {
  return {
    name: 'aws',
    root: process.cwd(),
    environment: 'test',
    profile: undefined,
    signal: AbortSignal.timeout(30_000),
    concurrency: 4,
    userAgent: 'unplugin-secrets/9.8.7 (node 20.19.0)',
    debug: (message) => heard.add(message),
    ...over,
  }
}

export const ask = (path: string, options: Record<string, string> = {}): ReadRequest => ({ path, options })
