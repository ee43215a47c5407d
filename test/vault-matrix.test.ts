import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTls } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SecretsErrorCode } from '../src/core/errors.ts'
import { certificates, scratch } from './support/bao.ts'
import { canariesIn, canary } from './support/canary.ts'
import { freePort } from './support/servers.ts'

/**
 * Every fault against everything the provider does, in a process of its own with everything that prints turned
 * on: the code is the expected one, it comes within the caller's deadline, and nothing that was printed holds a
 * credential, a value that was to be written, or what the other side said.
 */
const folder = scratch('vault-matrix')
const token = canary('hvs')
const secretId = canary('sid')
const value = canary()
/** Stands in every faulty body, and in the address of every redirect. */
const said = canary('said')
const servers: Server[] = []
const sockets = new Set<Socket>()

async function listen(server: Server, protocol = 'http'): Promise<string> {
  servers.push(server)
  server.on(protocol === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const http = (handler: RequestListener) => listen(createServer(handler))
const status = (code: number, body: unknown, headers = {}) =>
  http((request, response) => {
    request.resume()
    response.writeHead(code, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
const errors = (...texts: string[]) => ({ errors: texts })
const denied = '1 error occurred:\n\t* permission denied\n\n'
const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n'
const half = `{"data":{"data":{"value":"${said}"},`
const onceAsked = (work: (socket: Socket) => void) =>
  listen(createTcp((socket) => void socket.on('error', () => undefined).once('data', () => work(socket))))

/** What a login makes of these; the others mean the same to it. */
const LOGIN: Partial<Record<SecretsErrorCode, SecretsErrorCode>> = {
  REQUEST_REFUSED: 'LOGIN_REFUSED',
  PERMISSION_DENIED: 'LOGIN_REFUSED',
  MOUNT_NOT_FOUND: 'LOGIN_REFUSED',
  TOKEN_INVALID: 'LOGIN_REFUSED',
}

const faults: Record<string, [make: () => Promise<string>, code: SecretsErrorCode]> = {
  refused: [async () => `http://127.0.0.1:${await freePort()}`, 'UNREACHABLE'],
  'no such host': [async () => 'http://vault.invalid:8200', 'UNREACHABLE'],
  'reset before an answer': [() => onceAsked((socket) => socket.resetAndDestroy()), 'UNREACHABLE'],
  'closed before an answer': [() => onceAsked((socket) => socket.end()), 'UNREACHABLE'],
  'hangs before an answer': [() => onceAsked(() => undefined), 'TIMEOUT'],
  'hangs within the head': [() => onceAsked((socket) => socket.write(head.slice(0, 30))), 'TIMEOUT'],
  'hangs within the body': [() => onceAsked((socket) => socket.write(head + half)), 'TIMEOUT'],
  'cut within the body': [() => onceAsked((socket) => socket.end(head + half)), 'UNREACHABLE'],
  'reset within the body': [
    () =>
      onceAsked((socket) => {
        socket.write(head + half)
        setTimeout(() => socket.resetAndDestroy(), 20)
      }),
    'UNREACHABLE',
  ],
  drips: [
    () =>
      onceAsked((socket) => {
        socket.write(head)
        const drip = setInterval(() => socket.write(' '), 20)
        socket.on('close', () => clearInterval(drip))
      }),
    'TIMEOUT',
  ],
  'truncated JSON': [() => status(200, half), 'RESPONSE_MALFORMED'],
  'a page': [
    () => status(200, `<html>${said}</html>`, { 'content-type': 'text/html' }),
    'RESPONSE_MALFORMED',
  ],
  'no HTTP': [() => onceAsked((socket) => socket.end(`${said}\r\n\r\n`)), 'RESPONSE_MALFORMED'],
  '307 elsewhere': [() => status(307, '', { location: `http://127.0.0.2:8200/${said}` }), 'REDIRECT_REFUSED'],
  '307 in a circle': [() => status(307, '', { location: `/v1/${said}` }), 'REDIRECT_REFUSED'],
  400: [() => status(400, errors(said)), 'REQUEST_REFUSED'],
  '403 of a policy': [() => status(403, errors(denied)), 'PERMISSION_DENIED'],
  '403 of a token': [() => status(403, errors('permission denied')), 'TOKEN_INVALID'],
  '404 of a mount': [() => status(404, errors(`no handler for route "${said}"`)), 'MOUNT_NOT_FOUND'],
  '404 of a namespace': [() => status(404, errors('namespace not found')), 'NAMESPACE_NOT_FOUND'],
  405: [() => status(405, errors('unsupported operation', said)), 'UNSUPPORTED'],
  412: [() => status(412, errors(said)), 'SERVER_ERROR'],
  429: [() => status(429, errors(said), { 'retry-after': '1' }), 'RATE_LIMITED'],
  472: [() => status(472, errors(said)), 'STANDBY'],
  473: [() => status(473, errors(said)), 'STANDBY'],
  500: [() => status(500, errors(said)), 'SERVER_ERROR'],
  501: [() => status(501, errors(said)), 'NOT_INITIALISED'],
  502: [() => status(502, `<html>${said}</html>`), 'SERVER_ERROR'],
  '503 sealed': [() => status(503, errors('Vault is sealed')), 'SEALED'],
  503: [() => status(503, said), 'SERVER_ERROR'],
  'https spoken to http': [async () => (await status(200, said)).replace('http:', 'https:'), 'TLS_FAILED'],
  'an unknown authority': [
    () => {
      const { certFile, keyFile } = certificates(join(folder, '../vault-matrix-tls'))
      const options = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
      return listen(
        createTls(options, (_, response) => void response.end(said)),
        'https',
      )
    },
    'TLS_FAILED',
  ],
}

const OPERATIONS = [
  'read',
  'versions',
  'list',
  'write',
  'patch',
  'remove',
  'restore',
  'history',
  'rollback',
  'metadata',
  'annotate',
  'login',
]

let results: Record<string, Record<string, string>>
let printed: string

beforeAll(async () => {
  scratch('vault-matrix-tls')
  await build({
    entryPoints: [fileURLToPath(new URL('../src/providers/vault/index.ts', import.meta.url))],
    outfile: join(folder, 'vault.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
  const urls: Record<string, string> = {}
  for (const [name, [make]] of Object.entries(faults)) urls[name] = await make()
  const script = join(folder, 'run.mjs')
  writeFileSync(
    script,
    `import { inspect } from 'node:util'
import { vault } from '${pathToFileURL(join(folder, 'vault.mjs')).href}'
const { T: token, S: secretId, V: value } = process.env
const path = 'app'
const asList = (work) => async (provider, context) => {
  const [result] = await work(provider, context)
  if (result instanceof Error) throw result
}
const operations = {
  read: asList((provider, context) => provider.read([{ path, options: {} }], context)),
  versions: asList((provider, context) => provider.versions([{ path, options: {} }], context)),
  list: (provider, context) => provider.list('', context),
  write: (provider, context) => provider.write({ path, value: { value } }, context),
  patch: (provider, context) => provider.patch({ path, set: { value }, expected: '1' }, context),
  remove: (provider, context) => provider.remove({ path }, context),
  restore: (provider, context) => provider.restore({ path, versions: ['1'] }, context),
  history: (provider, context) => provider.history(path, context),
  rollback: (provider, context) => provider.rollback({ path, version: '1' }, context),
  metadata: (provider, context) => provider.metadata(path, context),
  annotate: (provider, context) => provider.annotate({ path, custom: { owner: value } }, context),
  login: asList((provider, context) => provider.read([{ path, options: {} }], context)),
}
const results = {}
const one = async (fault, url, name) => {
  const auth = name === 'login' ? { method: 'approle', roleId: 'role', secretId } : { method: 'token', token }
  const provider = vault({ url, kv: 2, auth })
  const context = { name: 'vault', root: '.', environment: 'test', profile: undefined, concurrency: 4, userAgent: 'test',
    signal: AbortSignal.timeout(800), debug: (text) => console.log(text) }
  try {
    await operations[name](provider, context)
    results[fault][name] = 'nothing was wrong'
  } catch (error) {
    results[fault][name] = error.code
    console.log(inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), error.format())
  }
  console.log(inspect(provider, { depth: 20, showHidden: true }))
  await provider.close()
}
for (const [fault, url] of Object.entries(${JSON.stringify(urls)})) {
  results[fault] = {}
  await Promise.all(Object.keys(operations).map((name) => one(fault, url, name)))
}
console.log('RESULTS' + JSON.stringify(results))`,
  )
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      DEBUG: '*',
      NODE_DEBUG: 'http,https,net,tls,fetch,undici',
      T: token,
      S: secretId,
      V: value,
    },
    maxBuffer: 512 * 1024 * 1024,
  })
  const at = stdout.lastIndexOf('RESULTS')
  results = JSON.parse(stdout.slice(at + 'RESULTS'.length))
  printed = stdout + stderr
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
})

test.each(Object.entries(faults).map(([name, [, code]]) => [name, code] as const))(
  '%s is %s, whatever is done',
  (name, code) => {
    const expected = Object.fromEntries(
      OPERATIONS.map((operation) => [operation, operation === 'login' ? (LOGIN[code] ?? code) : code]),
    )
    expect(results[name]).toEqual(expected)
  },
)

test('with everything printed that can be, no credential, no value and nothing the other side said', () => {
  expect(printed).toContain('HTTP ')
  expect(printed.length).toBeGreaterThan(100_000)
  // A redirect's own address is printed by nobody; the rest would stand in an error, an object or a debug line.
  expect(canariesIn(printed, [token, secretId, value, said])).toEqual([])
})
