import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http'
import { type Finding, type Scanner, StreamScan } from '../core/scan/index.ts'
import { type Decoder, decoderFor } from './dev-decoder.ts'

type Done = (error?: Error | null) => void
/** A body's piece as it came, to be passed on as it came. */
interface Piece {
  readonly chunk: string | Uint8Array | undefined
  readonly encoding: BufferEncoding | undefined
  readonly done: Done | undefined
}

/**
 * Makes a response look at every byte before it leaves. Bytes pass on as they come; held back is only what
 * could be the beginning of a value, and the head until the first byte of the body, so that what is found
 * there can still become a 500. When it is found later, the connection is cut.
 * @param stopped told once; gives the text that takes the response's place
 */
export function guardResponse(
  request: IncomingMessage,
  response: ServerResponse,
  scanner: Scanner,
  stopped: (finding: Finding) => string,
): void {
  // Another middleware's, if it wrapped the response before: what it compresses is seen here in clear.
  const { write, end, writeHead, flushHeaders } = response
  const stream = new StreamScan(scanner)
  const hasBody = request.method !== 'HEAD'
  /** Its own methods call one another. */
  let isInside = false
  let isHeadWritten = false
  /** The head has been handed on. */
  let isSent = false
  let isStopped = false
  let isHeadKnown = false
  let decoder: Decoder | undefined
  /** What pieces of an encoded body wait for. */
  let queue: Promise<void> | undefined

  const inside = <T>(work: () => T): T => {
    isInside = true
    isSent = true
    try {
      return work()
    } finally {
      isInside = false
    }
  }

  const stop = (finding: Finding): void => {
    isStopped = true
    const text = stopped(finding)
    if (isSent) {
      if ('stream' in response) (response.stream as { destroy(): void }).destroy()
      else response.destroy()
      return
    }
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.statusCode = 500
    // HTTP/2 has none.
    if (request.httpVersionMajor < 2) response.statusMessage = 'Internal Server Error'
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    response.setHeader('cache-control', 'no-store')
    inside(() => end.call(response, hasBody ? text : undefined, 'utf8'))
  }

  /** Before the first byte. @returns whether it may leave */
  const checkHead = (): boolean => {
    if (isSent || isHeadKnown) return true
    isHeadKnown = true
    const lines = Object.entries(response.getHeaders()).map(([name, value]) => `${name}: ${String(value)}`)
    const [found] = scanner.scan(Buffer.from([response.statusMessage, ...lines].join('\n')), '')
    if (found) stop(found)
    else if (hasBody) decoder = decoderFor(response.getHeader('content-encoding'))
    return !found
  }

  /** @returns what may pass; `undefined` when something was found */
  const look = (bytes: Uint8Array): Uint8Array | undefined => {
    const result = stream.push(bytes)
    if ('pass' in result) return result.pass
    stop(result.found)
    return undefined
  }

  /** The pieces of an encoded body pass whole, once what they hold is known. */
  const enqueue = (bytes: Uint8Array | undefined, pass: () => void): void => {
    queue = (queue ?? Promise.resolve()).then(async () => {
      if (isStopped) return
      if (bytes) {
        // What is not encoded as its header says is looked at as it is.
        const decoded = await decoder!.push(bytes).catch(() => bytes)
        if (!look(decoded)) return
      }
      if (!response.destroyed) pass()
    })
  }

  const guardedWrite = ({ chunk, encoding, done }: Piece): boolean => {
    if (isStopped || !checkHead()) {
      if (done) process.nextTick(done)
      return true
    }
    const passAll = () => inside(() => write.call(response, chunk, encoding!, done))
    const bytes = bytesOf(chunk, encoding)
    if (!hasBody || !bytes) return passAll()
    if (decoder) {
      enqueue(bytes, passAll)
      return true
    }
    const pass = look(bytes)
    if (pass === bytes) return passAll()
    if (pass && pass.length > 0) return inside(() => write.call(response, pass, undefined!, done))
    if (done) process.nextTick(done)
    return true
  }

  const guardedEnd = ({ chunk, encoding, done }: Piece): ServerResponse => {
    if (isStopped || !checkHead()) {
      if (done) process.nextTick(done)
      return response
    }
    const passAll = () => void inside(() => end.call(response, chunk, encoding!, done as () => void))
    const bytes = hasBody ? bytesOf(chunk, encoding) : undefined
    if (decoder) enqueue(bytes, passAll)
    else {
      const held = stream.end()
      const pass = bytes && look(bytes)
      if (bytes && !pass) return response
      // In one piece, where it came so: Node then knows the length.
      if (held.length === 0) passAll()
      else {
        const rest = pass ? Buffer.concat([pass, stream.end()]) : held
        inside(() => end.call(response, rest, undefined!, done as () => void))
      }
    }
    return response
  }

  Object.assign(response, {
    write(chunk: unknown, encoding?: unknown, done?: unknown) {
      const piece = pieceOf(chunk, encoding, done)
      return isInside ? write.call(response, piece.chunk, piece.encoding!, piece.done) : guardedWrite(piece)
    },
    end(chunk?: unknown, encoding?: unknown, done?: unknown) {
      const piece = typeof chunk === 'function' ? pieceOf(undefined, chunk) : pieceOf(chunk, encoding, done)
      return isInside
        ? end.call(response, piece.chunk, piece.encoding!, piece.done as () => void)
        : guardedEnd(piece)
    },
    writeHead(status: number, ...rest: unknown[]) {
      if (isInside || isSent) return writeHead.call(response, status, ...(rest as []))
      if (isStopped) return response
      isHeadWritten = true
      response.statusCode = status
      if (typeof rest[0] === 'string') response.statusMessage = rest[0]
      for (const [name, value] of headersOf(typeof rest[0] === 'string' ? rest[1] : rest[0]))
        response.setHeader(name, value)
      return response
    },
    flushHeaders() {
      if (isInside) return flushHeaders.call(response)
      if (!isStopped && checkHead()) inside(() => flushHeaders.call(response))
    },
  })
  Object.defineProperty(response, 'headersSent', {
    configurable: true,
    get: () => isSent || isHeadWritten,
  })
}

function pieceOf(chunk: unknown, encoding?: unknown, done?: unknown): Piece {
  return {
    chunk: (chunk ?? undefined) as Piece['chunk'],
    encoding: typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined,
    done: (typeof encoding === 'function' ? encoding : done) as Done | undefined,
  }
}

function bytesOf(chunk: Piece['chunk'], encoding: BufferEncoding | undefined): Uint8Array | undefined {
  if (chunk === undefined || chunk.length === 0) return undefined
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
}

/** What `writeHead` takes: an object, a flat list, or a list of pairs. */
function headersOf(given: unknown): [string, OutgoingHttpHeader][] {
  if (typeof given !== 'object' || given === null) return []
  if (!Array.isArray(given))
    return Object.entries(given as Record<string, OutgoingHttpHeader | undefined>).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    )
  const flat = given.flat() as string[]
  const headers = new Map<string, string[]>()
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const name = flat[at]!.toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), flat[at + 1]!])
  }
  return [...headers].map(([name, values]) => [name, values.length === 1 ? values[0]! : values])
}
