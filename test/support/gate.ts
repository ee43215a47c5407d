import { createServer, request as sendHttp } from 'node:http'
import { request as sendHttps } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

/** What stands between a provider and its real server: it counts, and can be torn down for a while. */
export class Gate {
  /** Method and path of every request, queries left out. */
  readonly requests: string[] = []
  /** Connections that were ever made. */
  connections = 0
  /** Requests are cut off. */
  down = false
  url = ''
  readonly #open = new Set<Socket>()
  readonly #server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    this.requests.push(`${method} ${url!.replace(/\?.*/s, '')}`)
    if (this.down) {
      incoming.socket.destroy()
      return
    }
    const { hostname, port, protocol } = this.#target
    const send = protocol === 'https:' ? sendHttps : sendHttp
    const ca = this.#ca
    const onward = send({ hostname, port, method, path: url, headers, ca }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  })
  readonly #target: URL

  readonly #ca: string | undefined

  /** @param target the server's address @param ca of its certificate */
  constructor(target: string, ca?: string) {
    this.#target = new URL(target)
    this.#ca = ca
    this.#server.on('connection', (socket) => {
      this.connections++
      this.#open.add(socket)
      socket.on('close', () => this.#open.delete(socket))
    })
  }

  /** Connections of now. */
  get open(): number {
    return this.#open.size
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
  }
}
