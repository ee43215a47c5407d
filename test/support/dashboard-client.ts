import { request as requestHttp } from 'node:http'
import type { DashboardFailure, DashboardState } from '../../src/dashboard/api.ts'
import type { PageFiles } from '../../src/dashboard/files.ts'

/** Stands for the page that the build makes. */
export const PAGE: PageFiles = new Map(
  (
    [
      ['', 'text/html; charset=utf-8', '<!doctype html><script type="module" src="./app.js"></script>'],
      ['app.js', 'text/javascript; charset=utf-8', 'document.title = "page"'],
      ['app.css', 'text/css; charset=utf-8', 'body { margin: 0 }'],
    ] as const
  ).map(([path, type, text]) => [path, { type, content: Buffer.from(text) }]),
)

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
}

export interface CallOptions {
  readonly method?: string
  readonly headers?: Record<string, string | undefined>
  readonly body?: string | Buffer
}

/** A page without a browser. Keeps everything that it was sent, but what `reveal` gave. */
export class DashboardClient {
  readonly origin: string
  readonly token: string
  readonly seen: string[] = []

  /** @param url as the terminal shows it */
  constructor(url: string) {
    const { origin, hash } = new URL(url)
    this.origin = origin
    this.token = hash.replace(/^#token=/, '')
  }

  /** A request as it is, to any path, with any header (`fetch` would set some of them itself). */
  raw(path: string, { method = 'GET', headers = {}, body }: CallOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
      const request = requestHttp(`${this.origin}${path}`, {
        method,
        agent: false,
        headers: given as Record<string, string>,
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          if (!path.endsWith('/reveal')) this.seen.push(text, JSON.stringify(response.headers))
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        })
      })
      request.end(body)
    })
  }

  async get<T = DashboardState>(route: string): Promise<T> {
    const answer = await this.raw(`/__secrets/api/${route}`, {
      headers: { authorization: `Bearer ${this.token}` },
    })
    if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${answer.text}`)
    return JSON.parse(answer.text) as T
  }

  post(route: string, body: object): Promise<Answer> {
    return this.raw(`/__secrets/api/${route}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }

  /** What must go well. */
  async does(route: string, body: object): Promise<DashboardState> {
    const answer = await this.post(route, body)
    if (answer.status !== 200) throw new Error(`${route}: ${answer.status} ${answer.text}`)
    return JSON.parse(answer.text) as DashboardState
  }

  /** What must fail. */
  async fails(
    route: string,
    body: object,
  ): Promise<{ status: number; code: string; message: string; hint?: string }> {
    const { status, text } = await this.post(route, body)
    if (status < 400) throw new Error(`${route} went well, though it must not.`)
    const { error } = JSON.parse(text) as DashboardFailure
    return { status, code: error.code, message: error.message, ...(error.hint && { hint: error.hint }) }
  }

  /** States as they come. @returns what has come so far, and how to end it */
  events(): { readonly states: DashboardState[]; end(): void } {
    const states: DashboardState[] = []
    const request = requestHttp(`${this.origin}/__secrets/api/events`, {
      headers: { authorization: `Bearer ${this.token}` },
      agent: false,
    })
    request.on('error', () => {})
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('error', () => {})
      response.on('data', (chunk: string) => {
        this.seen.push(chunk)
        text += chunk
        for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
          const event = text.slice(0, end)
          text = text.slice(end + 2)
          const data = /^event: state\ndata: (.*)$/s.exec(event)?.[1]
          if (data) states.push(JSON.parse(data) as DashboardState)
        }
      })
    })
    request.end()
    return { states, end: () => void request.destroy() }
  }
}
