import type { IncomingMessage } from 'node:http'
import type { DashboardRequests, Problem } from './api.ts'

/** A request that is not what it has to be. */
export class RequestError extends Error {
  readonly status: number
  readonly problem: Problem

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.problem = { code, message }
  }
}

/** Bytes. */
const LARGEST_BODY = 1024 * 1024

type Field = 'text' | 'text?' | 'text|null' | 'flag?' | 'local|remote?'
const FIELDS: { readonly [Name in keyof DashboardRequests]: Readonly<Record<string, Field>> } = {
  refresh: { name: 'text?' },
  test: { provider: 'text' },
  profile: { name: 'text|null' },
  'move-to-local': { name: 'text', replace: 'flag?' },
  set: { name: 'text', value: 'text' },
  unset: { name: 'text' },
  reveal: { name: 'text' },
  link: { environment: 'text', reference: 'text', prefer: 'local|remote?' },
  unlink: { environment: 'text' },
}

export function isAction(name: string): name is keyof DashboardRequests {
  return Object.hasOwn(FIELDS, name)
}

/** The body of a request, checked. @throws RequestError 400, 413, 415 */
export async function readRequest<Name extends keyof DashboardRequests>(
  action: Name,
  request: IncomingMessage,
): Promise<DashboardRequests[Name]> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new RequestError(415, 'UNSUPPORTED_MEDIA_TYPE', 'The body has to be application/json.')
  const body = parse(await readBody(request))
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RequestError(400, 'BAD_REQUEST', 'The body has to be a JSON object.')
  for (const [name, field] of Object.entries(FIELDS[action])) {
    const value = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined
    if (!fits(value, field))
      throw new RequestError(
        400,
        'BAD_REQUEST',
        `${action} takes ${name}: ${field.replace('?', ' or nothing')}.`,
      )
  }
  return body as DashboardRequests[Name]
}

function fits(value: unknown, field: Field): boolean {
  if (value === undefined) return field.endsWith('?')
  if (value === null) return field === 'text|null'
  if (field === 'local|remote?') return value === 'local' || value === 'remote'
  return typeof value === (field === 'flag?' ? 'boolean' : 'string')
}

/** The parser's own message would quote the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new RequestError(400, 'BAD_REQUEST', 'The body is not JSON.')
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const bytes = await bytesOf(request)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new RequestError(400, 'BAD_REQUEST', 'The body is not UTF-8 text.')
  }
}

/** Not by iterating: that ends the connection, and the answer with it, where it stops too early. */
function bytesOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const isTooLarge = (): boolean => {
      if (size <= LARGEST_BODY && !(Number(request.headers['content-length']) > LARGEST_BODY)) return false
      request.off('data', take).resume()
      reject(new RequestError(413, 'TOO_LARGE', 'The body is larger than 1 MB.'))
      return true
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      if (!isTooLarge()) chunks.push(chunk)
    }
    if (isTooLarge()) return
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', () => reject(new RequestError(400, 'BAD_REQUEST', 'The body was cut off.')))
  })
}
