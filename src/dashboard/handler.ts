import type { IncomingMessage, ServerResponse } from 'node:http'
import { SecretsError } from '../core/errors.ts'
import type { Problem } from './api.ts'
import type { Dashboard } from './dashboard.ts'
import type { PageFiles } from './files.ts'
import { type GateOptions, hasToken, refusalOf } from './gate.ts'
import { isAction, RequestError, readRequest } from './request.ts'
import { streamState } from './stream.ts'

/** Where the dashboard is, on whatever server. */
export const DASHBOARD_PATH = '/__secrets'

export interface HandlerOptions extends GateOptions {
  readonly dashboard: Dashboard
  readonly files: () => Promise<PageFiles>
  /** Whether a page of the same server may show it in a frame. */
  readonly framed: () => boolean
  /** Looks at every byte of an answer but that of `reveal`, before it leaves. */
  readonly guard?: ((request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined
}

export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/** Whether a request is for the dashboard. Everything below its path is, also what is not there. */
export function isForDashboard({ url = '/' }: IncomingMessage): boolean {
  const path = pathOf(url)
  return path === DASHBOARD_PATH || path.startsWith(`${DASHBOARD_PATH}/`)
}

/** Answers what is below `/__secrets`, and leaves everything else to `next`. Never throws. */
export function dashboardHandler(options: HandlerOptions): Handler {
  return (request, response, next) => {
    if (!isForDashboard(request)) return next()
    answer(request, response, options).catch((error: unknown) => fail(request, response, options, error))
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HandlerOptions,
): Promise<void> {
  setHeaders(response, options)
  const refusal = refusalOf(request, options)
  if (refusal) return sendProblem(request, response, refusal.status, refusal.error)
  const path = pathOf(request.url ?? '/')
  if (path === DASHBOARD_PATH) {
    response.statusCode = 307
    response.setHeader('location', `${DASHBOARD_PATH}/`)
    response.end()
    return
  }
  const rest = path.slice(DASHBOARD_PATH.length + 1)
  if (!rest.startsWith('api/')) return sendFile(rest, request, response, options)
  if (!hasToken(request, options.token)) {
    response.setHeader('www-authenticate', 'Bearer')
    throw new RequestError(401, 'UNAUTHORIZED', 'The token of this start is missing, or is another one.')
  }
  await answerApi(rest.slice('api/'.length), request, response, options)
}

async function answerApi(
  route: string,
  request: IncomingMessage,
  response: ServerResponse,
  { dashboard, guard }: HandlerOptions,
): Promise<void> {
  if (route === 'state' || route === 'events') {
    allow(request, response, ['GET'])
    await guard?.(request, response)
    if (route === 'events') streamState(dashboard, response)
    else sendJson(response, 200, await dashboard.state())
    return
  }
  if (!isAction(route)) throw notThere()
  allow(request, response, ['POST'])
  if (route === 'reveal') {
    const { name } = await readRequest(route, request)
    sendJson(response, 200, { value: await dashboard.reveal(name) })
    return
  }
  await guard?.(request, response)
  sendJson(response, 200, await dashboard.perform(route, await readRequest(route, request)))
}

async function sendFile(
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  { files, guard }: HandlerOptions,
): Promise<void> {
  const file = (await files()).get(name)
  if (!file) throw notThere()
  allow(request, response, ['GET', 'HEAD'])
  await guard?.(request, response)
  response.setHeader('content-type', file.type)
  response.setHeader('content-length', file.content.length)
  response.end(request.method === 'HEAD' ? undefined : file.content)
}

/** On every answer, also on those that refuse. */
function setHeaders(response: ServerResponse, { framed }: HandlerOptions): void {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    'img-src data:',
    `frame-ancestors ${framed() ? "'self'" : "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
  ]
  const headers = {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'x-frame-options': framed() ? 'SAMEORIGIN' : 'DENY',
    'cache-control': 'no-store',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
  }
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
}

function allow(request: IncomingMessage, response: ServerResponse, methods: readonly string[]): void {
  if (methods.includes(request.method ?? '')) return
  response.setHeader('allow', methods.join(', '))
  throw new RequestError(405, 'METHOD_NOT_ALLOWED', `This takes ${methods.join(' and ')}.`)
}

function notThere(): RequestError {
  return new RequestError(404, 'NOT_FOUND', 'There is nothing here.')
}

function fail(
  request: IncomingMessage,
  response: ServerResponse,
  { dashboard }: HandlerOptions,
  error: unknown,
): void {
  if (error instanceof RequestError) sendProblem(request, response, error.status, error.problem)
  else sendProblem(request, response, statusOf(error), dashboard.problemOf(error))
}

function statusOf(error: unknown): number {
  if (!(error instanceof SecretsError)) return 500
  if (error.transient) return 503
  // A part of this package, or a key, is missing: nothing that was asked wrongly.
  if (error.code === 'FILE_UNREADABLE') return 500
  if (error.code === 'NOT_FOUND') return 404
  return error.code === 'CONFLICT' || error.code === 'UNSUPPORTED' ? 409 : 400
}

function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  error: Problem,
): void {
  // A part of it is on its way.
  if (response.headersSent) return void response.destroy()
  // What is still being sent is not waited for.
  if (!request.complete && request.httpVersionMajor < 2) response.setHeader('connection', 'close')
  sendJson(response, status, { error })
}

/** For what is no part of the dashboard, on a server that has nothing else. */
export function sendNothing(response: ServerResponse): void {
  sendJson(response, 404, { error: notThere().problem })
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.statusCode = status
  response.setHeader('content-type', 'application/json; charset=utf-8')
  response.end(JSON.stringify(body))
}

/** Without its query, which nothing here looks at. */
function pathOf(url: string): string {
  return url.replace(/[?#].*$/s, '')
}
