import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { afterAll, afterEach, expect, test } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import { Transport } from '../src/providers/vault/transport.ts'
import { canary } from './support/canary.ts'
import { Watch } from './support/vault.ts'

const watch = new Watch()
const token = watch.secret(canary('hvs'))
const value = watch.secret(canary())
/** Stands in every faulty body: no error may repeat what the other side said. */
const said = watch.secret(canary('said'))
const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
afterAll(() => watch.finish())

async function listen(handler: RequestListener): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    handler(request, response)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const provider = (url: string, options = {}) =>
  watch.provider({ url, kv: 2, auth: { method: 'token', token }, ...options })
const document = JSON.stringify({ data: { data: { value }, metadata: { version: 1 } } })

test.each([
  [400, { errors: ['Upgrading from non-versioned to versioned data'] }, 'SERVER_ERROR', true],
  [400, { errors: [said] }, 'REQUEST_REFUSED', false],
  [403, { errors: ['1 error occurred:\n\t* permission denied\n\n'] }, 'PERMISSION_DENIED', false],
  [
    403,
    { errors: ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'] },
    'TOKEN_INVALID',
    false,
  ],
  [403, { errors: ['permission denied'] }, 'TOKEN_INVALID', false],
  [404, { errors: ['no handler for route "x". route entry not found.'] }, 'MOUNT_NOT_FOUND', false],
  [404, { errors: ['namespace not found'] }, 'NAMESPACE_NOT_FOUND', false],
  [405, { errors: ['unsupported operation', said] }, 'UNSUPPORTED', false],
  [412, { errors: [said] }, 'SERVER_ERROR', true],
  [429, { errors: [said] }, 'RATE_LIMITED', true],
  [472, { errors: [said] }, 'STANDBY', true],
  [473, { errors: [said] }, 'STANDBY', true],
  [500, { errors: [said] }, 'SERVER_ERROR', true],
  [500, { errors: ['local node not active but active cluster node not found'] }, 'STANDBY', true],
  [501, { errors: [said] }, 'NOT_INITIALISED', false],
  [502, `<html><h1>${said}</h1></html>`, 'SERVER_ERROR', true],
  [503, { errors: ['Vault is sealed'] }, 'SEALED', true],
  [503, `upstream ${said}`, 'SERVER_ERROR', true],
  [418, { errors: [said] }, 'REQUEST_REFUSED', false],
  [200, `<html>${said}</html>`, 'RESPONSE_MALFORMED', false],
  [403, `<html>${said}</html>`, 'RESPONSE_MALFORMED', false],
  [200, { data: said }, 'RESPONSE_MALFORMED', false],
  [200, [said], 'RESPONSE_MALFORMED', false],
  [200, { data: { data: said, metadata: { version: 1 } } }, 'RESPONSE_MALFORMED', false],
])('%i with %j is %s', async (status, body, code, transient) => {
  const { url } = await listen((_, response) => {
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const error = await watch.error(provider(url), 'app')
  expect([error.code, error.transient]).toEqual([code, transient])
  expect(error.message).toContain(url)
})

test('Retry-After is handed on, as seconds and as a date', async () => {
  let header = '7'
  const { url } = await listen((_, response) => {
    response.writeHead(429, { 'Retry-After': header }).end('{"errors":[]}')
  })
  expect((await watch.error(provider(url), 'app')).retryAfter).toBe(7000)
  header = new Date(Date.now() + 60_000).toUTCString()
  const { retryAfter } = await watch.error(provider(url), 'app')
  expect(retryAfter).toBeGreaterThan(30_000)
  expect(retryAfter).toBeLessThanOrEqual(60_000)
})

test('a rate limit stops what has not begun', async () => {
  const { url, requests } = await listen((_, response) => void response.writeHead(429).end('{}'))
  const many = Array.from({ length: 50 }, (_, index) => ({ path: `app/${index}`, options: {} }))
  const read = provider(url).read(many, watch.context({ concurrency: 2 }))
  await expect(read).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  expect(requests.length).toBeLessThanOrEqual(3)
})

test('what was answered before the server went is kept', async () => {
  let count = 0
  const { url } = await listen((_, response) => {
    if (++count === 1) response.end(document)
    else response.destroy()
  })
  const requests = ['a', 'b', 'c'].map((path) => ({ path, options: {} }))
  const results = await provider(url).read(requests, watch.context({ concurrency: 1 }))
  expect(results[0]).toEqual({ value: { value }, version: '1' })
  expect(results.slice(1)).toMatchObject([{ code: 'UNREACHABLE' }, { code: 'UNREACHABLE' }])
  for (const error of results.slice(1)) watch.keep(error as SecretsError)
})

test('a server that never answers: the signal ends it, as a time-out or as given up', async () => {
  const { url } = await listen(() => undefined)
  const read = (signal: AbortSignal) =>
    provider(url)
      .read([{ path: 'app', options: {} }], watch.context({ signal }))
      .catch((error: SecretsError) => watch.keep(error).code)
  expect(await read(AbortSignal.timeout(100))).toBe('TIMEOUT')
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 100)
  expect(await read(controller.signal)).toBe('ABORTED')
  expect(await read(AbortSignal.abort())).toBe('ABORTED')
  const own = new SecretsError('TIMEOUT', 'The deadline has passed.')
  expect(await read(AbortSignal.abort(own))).toBe('TIMEOUT')
})

test.each([
  ['no answer', () => undefined],
  [
    'half a body',
    (_: IncomingMessage, response: Parameters<RequestListener>[1]) => void response.write('{"data":'),
  ],
] as const)('the guard of one request ends %s without any signal', async (_, handler) => {
  const { url } = await listen(handler)
  const transport = new Transport({ url, userAgent: 'x', maxSockets: 1, tls: { verify: true }, timeout: 200 })
  const call = { token, signal: new AbortController().signal }
  const error = await transport
    .send({ method: 'GET', path: '/v1/x', body: undefined, call })
    .catch((reason) => reason)
  expect(watch.keep(error).code).toBe('TIMEOUT')
  transport.close()
})

test('a body that is cut, by its length and by its chunks', async () => {
  for (const headers of [{ 'Content-Length': String(document.length + 10) }, {}]) {
    const { url } = await listen((_, response) => {
      response.writeHead(200, headers)
      response.write(document)
      setTimeout(() => response.destroy(), 50)
    })
    expect((await watch.error(provider(url), 'app')).code).toBe('UNREACHABLE')
  }
})

test('a body without end is given up', async () => {
  const { url } = await listen((_, response) => {
    const chunk = Buffer.alloc(1024 * 1024, 32)
    const pump = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', pump).on('error', () => undefined)
    pump()
  })
  expect((await watch.error(provider(url), 'app')).code).toBe('RESPONSE_MALFORMED')
})

test('nobody listens there, and no such host', async () => {
  const { url } = await listen(() => undefined)
  const server = servers.pop()!
  await new Promise((resolve) => server.close(resolve))
  const refused = await watch.error(provider(url), 'app')
  expect([refused.code, refused.message]).toEqual(['UNREACHABLE', `Cannot reach ${url}: ECONNREFUSED.`])
  expect((await watch.error(provider('http://vault.invalid:8200'), 'app')).code).toBe('UNREACHABLE')
})

test('a redirect to another origin is refused, and that origin hears nothing', async () => {
  const other = await listen((_, response) => void response.end(document))
  for (const to of [
    other.url,
    other.url.replace('127.0.0.1', 'localhost'),
    'https://127.0.0.1:1',
    'http://[bad',
  ]) {
    let redirected = false
    const { url, requests } = await listen((request, response) => {
      // Only once, so that asking the same server again would be answered.
      if (redirected) return void response.end(document)
      redirected = true
      response.writeHead(307, { Location: `${to}${request.url}?${said}` }).end()
    })
    expect((await watch.error(provider(url), 'app')).code).toBe('REDIRECT_REFUSED')
    expect(requests).toHaveLength(1)
  }
  expect(other.requests).toEqual([])
})

test('a redirect within the origin is followed once, with method, body and token', async () => {
  const bodies: string[] = []
  const { url, requests } = await listen((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      bodies.push(`${request.method} ${request.url} ${body}`)
      if (!request.url!.startsWith('/moved'))
        response.writeHead(307, { Location: `/moved${request.url}` }).end()
      else if (request.method === 'POST') response.end(JSON.stringify({ auth: { client_token: token } }))
      else response.end(document)
    })
  })
  const auth = { method: 'approle', roleId: 'r', secretId: watch.secret(canary()) } as const
  expect(await watch.value(provider(url, { auth }), 'app')).toEqual({ value })
  expect(bodies[0]!.replace('/v1', '/moved/v1')).toBe(bodies[1])
  expect(requests.slice(2).map((request) => request.headers['x-vault-token'])).toEqual([token, token])

  const endless = await listen((request, response) => {
    response.writeHead(307, { Location: request.url! }).end()
  })
  expect((await watch.error(provider(endless.url), 'app')).code).toBe('REDIRECT_REFUSED')
  expect(endless.requests).toHaveLength(2)
})

test('a refused login is asked once, however many requests wait for it', async () => {
  const { url, requests } = await listen((_, response) => {
    response.writeHead(400).end(JSON.stringify({ errors: [`invalid role or secret ID ${said}`] }))
  })
  const auth = { method: 'approle', roleId: 'r', secretId: watch.secret(canary()) } as const
  const many = Array.from({ length: 30 }, (_, index) => ({ path: `app/${index}`, options: {} }))
  const error = await provider(url, { auth })
    .read(many, watch.context({ concurrency: 4 }))
    .catch((reason) => reason)
  expect(watch.keep(error).code).toBe('LOGIN_REFUSED')
  expect(requests).toHaveLength(1)
})

test('a login without a token in its answer', async () => {
  const { url } = await listen((_, response) => void response.end(JSON.stringify({ auth: { said } })))
  const auth = { method: 'approle', roleId: 'r', secretId: watch.secret(canary()) } as const
  expect((await watch.error(provider(url, { auth }), 'app')).code).toBe('RESPONSE_MALFORMED')
})

test('what is sent: the marker, the agent, the namespace with the data and not with the health check', async () => {
  const { url, requests } = await listen((request, response) => {
    response.end(request.url!.startsWith('/v1/sys/health') ? '{"version":"1.0"}' : document)
  })
  const namespaced = provider(url, { namespace: 'admin/team' })
  await namespaced.check!([{ path: 'a b/c', options: { version: '2' } }], watch.context())
  expect(requests.map((request) => request.url)).toEqual([
    '/v1/sys/health',
    '/v1/auth/token/lookup-self',
    '/v1/sys/internal/ui/mounts/secret',
    '/v1/secret/data/a%20b/c?version=2',
  ])
  const [health, , data] = requests.map((request) => request.headers)
  expect(health).not.toHaveProperty('x-vault-namespace')
  expect(health).not.toHaveProperty('x-vault-token')
  expect(data).toMatchObject({
    'x-vault-namespace': 'admin/team',
    'x-vault-request': 'true',
    'x-vault-token': token,
    'user-agent': 'unplugin-secrets/test',
  })
})

test('an idle socket that the server cut is replaced, and sockets are reused otherwise', async () => {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${document.length}\r\n\r\n${document}`
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    // The first connection answers once; what comes after that is reset.
    let answered = 0
    socket.on('error', () => undefined)
    socket.on('data', () => {
      if (connections === 1 && answered++ > 0) socket.resetAndDestroy()
      else socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const reader = provider(url)
  for (let index = 0; index < 5; index++) expect(await watch.value(reader, 'app')).toEqual({ value })
  await reader.close!()
  expect(connections).toBeGreaterThanOrEqual(2)
  expect(connections).toBeLessThanOrEqual(4)
  await new Promise((resolve) => server.close(resolve))
})

test('random bytes for an answer are an error, never a crash', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined).resume()
    socket.end(randomBytes(200))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect((await watch.error(provider(url), 'app')).code).toBe('RESPONSE_MALFORMED')
  await new Promise((resolve) => server.close(resolve))
})

test('a clock that differs by a day changes neither what is waited nor how long a token lives', async () => {
  const { url } = await listen((_, response) => {
    const skewed = Date.now() + 86_400_000
    response.setHeader('Date', new Date(skewed).toUTCString())
    response.writeHead(429, { 'Retry-After': new Date(skewed + 30_000).toUTCString() }).end('{}')
  })
  const { retryAfter } = await watch.error(provider(url), 'app')
  expect(retryAfter).toBeGreaterThanOrEqual(29_000)
  expect(retryAfter).toBeLessThanOrEqual(31_000)
})
