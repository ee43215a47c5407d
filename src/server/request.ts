import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** What the other side is told, in the protocol's words. Never a value, a key or a blob. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode
  readonly headers: Record<string, string> | undefined

  constructor(status: ContentfulStatusCode, message: string, headers?: Record<string, string>) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export type Body = Readonly<Record<string, unknown>>

/** Longest name of a project, an environment or a device, in UTF-16 units: Postgres has a limit for what it indexes. */
const MAX_NAME = 255
const HEADERS = {
  'Content-Type': 'application/json',
  'Access-Control-Allow-Origin': '*',
  'Cache-Control': 'no-store',
}

const OK = { status: 200, headers: HEADERS }

/** @param body `null` for none */
export function answer(body: unknown, status = 200, headers?: Record<string, string>): Response {
  const text = body === null ? null : JSON.stringify(body)
  return new Response(text, { status, headers: headers ? { ...HEADERS, ...headers } : HEADERS })
}

/** @param text JSON, in UTF-8 */
export function answerText(text: Uint8Array<ArrayBuffer>): Response {
  return new Response(text, OK)
}

/** The body's text. @throws ApiError 400 where the other side has gone before its end, which is no failure of ours */
export async function textOf({ req }: Context): Promise<string> {
  try {
    return await req.text()
  } catch {
    throw incomplete()
  }
}

/** @param wait until it is worth another try, in ms */
export function tooMany(wait?: number): ApiError {
  const headers = wait === undefined ? undefined : { 'Retry-After': `${Math.ceil(wait / 1000)}` }
  return new ApiError(429, 'Too many requests', headers)
}

export function incomplete(): ApiError {
  return new ApiError(400, 'The body is incomplete')
}

/** @throws ApiError 400 for what is no JSON object */
export function parseBody(raw: string): Body {
  try {
    const body: unknown = JSON.parse(raw)
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body
  } catch {}
  throw new ApiError(400, 'The body must be a JSON object')
}

/** The project that a text names, without reading all of it. For counting only. */
export function projectIdIn(raw: string): string | undefined {
  return /"project_id"\s*:\s*"([\w-]{1,64})"/.exec(raw)?.[1]
}

/** @throws ApiError 400 for what is no text, is empty, or holds a NUL, which Postgres cannot store */
export function field(body: Body, name: string, message = `${name} required`): string {
  const value = optionalField(body, name)
  if (!value) throw new ApiError(400, message)
  return value
}

/** As `field`. @throws ApiError 400 for one that is too long, too */
export function nameField(body: Body, name: string, message?: string): string {
  const value = field(body, name, message)
  if (value.length > MAX_NAME) throw new ApiError(400, `${name} must have at most ${MAX_NAME} characters`)
  return value
}

/** `undefined` where it is missing or null. @throws ApiError 400 for another type */
export function optionalField(body: Body, name: string): string | undefined {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === null) return undefined
  // Lone surrogates have no UTF-8 either.
  if (typeof value !== 'string' || value.includes('\0') || /\p{Surrogate}/u.test(value))
    throw new ApiError(400, `${name} must be text`)
  return value
}
