import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { z } from 'zod'
import { createSecrets, SecretsError, type SecretsOptions } from '../src/index.ts'
import { vault } from '../src/providers/index.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { failure, makeProject, messages, type Project, place, recordingLogger } from './support/core.ts'
import { may } from './support/vault.ts'
import { filesBelow } from './support/workspace.ts'

// The failure policy of the cache row by row, against a real OpenBao behind a gate that can fail on demand,
// for a dev server and for a production build.

const { bao: server } = inject('servers')
const root = new Bao(server)
const mount = `policy-${randomBytes(4).toString('hex')}`
const policy = `policy-${randomBytes(4).toString('hex')}`
const values = { a: canary('a'), b: canary('b') }
const secretsOfTheTest = Object.values(values)

/** What the gate does instead of passing a request on. */
type Fault = (response: ServerResponse) => void
let fault: Fault | undefined
let asked: number[] = []
const gate = createServer((incoming, response) => {
  asked.push(Date.now())
  if (fault) return fault(response)
  const { method, headers, url } = incoming
  const onward = request(server.url + url, { method: method!, headers }, (answer) => {
    response.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(response)
  })
  incoming.pipe(onward)
})
const status =
  (code: number, errors: string[] = [canary()], headers = {}): Fault =>
  (response) =>
    void response
      .writeHead(code, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ errors }))

let project: Project
let logger: ReturnType<typeof recordingLogger>
let token: string
const said: string[] = []
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  gate.listen(0, '127.0.0.1')
  await once(gate, 'listening')
  await root.mount(mount, 2)
})

afterAll(() => {
  gate.closeAllConnections()
  gate.close()
})

beforeEach(async () => {
  project = makeProject()
  logger = recordingLogger()
  fault = undefined
  asked = []
  await root.write2(mount, 'a', { value: values.a })
  await root.write2(mount, 'b', { value: values.b })
  await root.policy(policy, may(`${mount}/data/*`))
  token = await root.token([policy])
  secretsOfTheTest.push(token)
})

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  expect(canariesIn([...said, ...logger.lines].join('\n'), secretsOfTheTest)).toEqual([])
  expect(canaryFiles(project.root, secretsOfTheTest)).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

const SIDES: [string, SecretsOptions][] = [
  ['dev', { environment: 'test', dev: true }],
  ['production', { environment: 'production' }],
]

async function open(side: SecretsOptions, more: SecretsOptions = {}) {
  const secrets = await createSecrets({
    root: project.root,
    logger,
    timeout: 700,
    providers: {
      vault: vault({
        url: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`,
        mount,
        kv: 2,
        auth: { method: 'token', token },
      }),
    },
    secrets: { A: 'vault:a#value', B: 'vault:b#value' },
    ...side,
    ...more,
    cache: { ttl: 0, directory: project.cache, ...more.cache },
  })
  closing.push(() => secrets.close())
  return secrets
}

const load = async (side: SecretsOptions, more?: SecretsOptions) => (await open(side, more)).load()

async function refused(work: Promise<unknown>): Promise<SecretsError> {
  const error = await failure(work)
  said.push(error.shown)
  return error
}

const codes = (error: SecretsError): string[] =>
  (error.problems.length > 0 ? error.problems : [error]).map(({ code }) => code)

/** Whether a cached value of this name is still there, for a time without network. */
async function isKept(side: SecretsOptions, name: 'A' | 'B'): Promise<boolean> {
  fault = (response) => void response.destroy()
  const secrets = { [name]: `vault:${name.toLowerCase()}#value` }
  const kept = await load(side, { secrets, timeout: 50 }).then(
    () => true,
    () => false,
  )
  fault = undefined
  logger.warnings.length = 0
  return kept
}

describe.each(SIDES)('%s', (_name, side) => {
  it.each<[string, Fault]>([
    ['a cut connection', (response) => void response.destroy()],
    ['no answer', () => {}],
    [
      'a body that does not end',
      (response) => void response.writeHead(200, { 'content-length': '99' }).write('{'),
    ],
    ['429', status(429)],
    ['500', status(500)],
    ['502', status(502)],
    ['sealed', status(503, ['Vault is sealed'])],
    ['standby', status(472)],
  ])('%s: tried again, then the cached values with one warning', async (what, broken) => {
    await load(side)
    asked = []
    fault = broken
    const snapshot = await load(side)
    expect(snapshot.get('A')?.reveal()).toBe(values.a)
    expect(snapshot.meta('B')).toMatchObject({ stale: true, source: 'cache' })
    // Two documents; what hangs takes the whole time for its first try.
    expect(asked.length).toBeGreaterThan(what.startsWith('no ') || what.startsWith('a body') ? 1 : 2)
    expect(logger.warnings).toHaveLength(1)
    expect(logger.warnings[0]).toMatch(/Using 2 cached values from vault, \d+ seconds? old\.$/)
  })

  it('a value older than maxStale, or none: an error', async () => {
    fault = status(500)
    expect(codes(await refused(load(side)))).toContain('SERVER_ERROR')
    fault = undefined
    await load(side)
    fault = status(500)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(codes(await refused(load(side, { cache: { maxStale: 1 } })))).toContain('SERVER_ERROR')
    expect(logger.warnings).toEqual([])
  })

  it('Retry-After is kept to, and one deadline spans all tries', async () => {
    await load(side)
    let first = true
    fault = (response) => {
      status(429, [], first ? { 'retry-after': '1' } : {})(response)
      if (!first) return
      first = false
      fault = undefined
    }
    asked = []
    const secrets = { A: 'vault:a#value' }
    expect((await load(side, { secrets, timeout: 10_000 })).meta('A')?.source).toBe('provider')
    expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(990)
    // No time for that: not even begun.
    asked = []
    fault = status(429, [], { 'retry-after': '30' })
    expect((await load(side, { secrets })).meta('A')?.stale).toBe(true)
    expect(asked).toHaveLength(1)
  })

  it('permission denied: an error for that secret, and its cached value goes', async () => {
    await load(side)
    await root.policy(policy, may(`${mount}/data/b`))
    const error = await refused(load(side))
    expect(codes(error)).toEqual(['PERMISSION_DENIED'])
    expect(error.message).toContain('A')
    expect([await isKept(side, 'A'), await isKept(side, 'B')]).toEqual([false, true])
  })

  it.each([
    ['deleted', 'DELETED', () => root.call('DELETE', `${mount}/data/a`)],
    ['destroyed', 'DESTROYED', () => root.call('PUT', `${mount}/destroy/a`, { versions: [latest] })],
    ['not there', 'NOT_FOUND', () => root.call('DELETE', `${mount}/metadata/a`)],
  ] as const)('%s: told apart, and nothing cached is used', async (_what, code, change) => {
    await root.call('DELETE', `${mount}/metadata/a`)
    latest = await root.write2(mount, 'a', { value: values.a })
    await load(side)
    await change()
    expect(codes(await refused(load(side)))).toEqual([code])
    expect([await isKept(side, 'A'), await isKept(side, 'B')]).toEqual([false, true])
    await root.call('DELETE', `${mount}/metadata/a`)
  })

  it('a device that was revoked: an error, and the whole cache is removed', async () => {
    await load(side)
    const both = {
      secrets: { A: 'vault:a#value', C: 'p:c' },
      providers: { vault: vault({ url: server.url, mount, kv: 2, auth: { method: 'token', token } }) },
    }
    let isRevoked = false
    const p = place((requests) => {
      if (isRevoked) throw new SecretsError('DEVICE_REVOKED', 'This device was revoked.')
      return requests.map(() => ({ value: values.b }))
    })
    const options = { ...both, providers: { ...both.providers, p } }
    const sealed = (): string[] => filesBelow(project.cache).filter((file) => file.endsWith('.sealed'))
    await load(side, options)
    expect(sealed()).toHaveLength(1)
    isRevoked = true
    fault = (response) => void response.destroy()
    const error = await refused(load(side, options))
    expect(codes(error)).toContain('DEVICE_REVOKED')
    expect(sealed()).toEqual([])
    expect([await isKept(side, 'A'), await isKept(side, 'B')]).toEqual([false, false])
  })

  it('schemas and placeholders: every problem in one report', async () => {
    await root.write2(mount, 'b', { value: 'REPLACE_WITH_VALUE' })
    const secrets = { A: { from: 'vault:a#value', schema: z.string().max(3) }, B: 'vault:b#value' }
    const error = await refused(load(side, { secrets }))
    expect(codes(error).sort()).toEqual(['PLACEHOLDER', 'SCHEMA_FAILED'])
    expect(messages(error).join()).toMatch(/A\b.*B\b|B\b.*A\b/s)
  })
})
let latest = 0

describe('a token that has ended', () => {
  const end = () => root.call('POST', 'auth/token/revoke', { token })
  const development: SecretsOptions = { environment: 'development' }

  it.each<[string, SecretsOptions]>([
    ['a dev server', SIDES[0]![1]],
    ['the environment development', development],
    ['a setting', { environment: 'production', cache: { staleOnAuthError: true } }],
  ])('%s goes on with what is cached, with one warning', async (_what, side) => {
    await load(side, side)
    await end()
    const snapshot = await load(side, side)
    expect(snapshot.get('A')?.reveal()).toBe(values.a)
    expect(snapshot.meta('A')?.stale).toBe(true)
    expect(logger.warnings).toHaveLength(1)
    expect(logger.warnings[0]).toMatch(/token.*Using 2 cached values from vault, \d+ seconds? old\.$/s)
    expect(await refused(load(side, { cache: { ...(side.cache as object), maxStale: 0 } }))).toBeTruthy()
  })

  it.each<[string, SecretsOptions]>([
    ['a production build', SIDES[1]![1]],
    ['a build of another environment', { environment: 'staging' }],
    ['a setting', { dev: true, cache: { staleOnAuthError: false } }],
    [
      'a build in development that says it is none of a dev server',
      { environment: 'development', dev: false },
    ],
  ])('%s fails, and what is cached stays for later', async (_what, side) => {
    await load(side, side)
    await end()
    expect(codes(await refused(load(side, side)))).toContain('TOKEN_INVALID')
    expect(logger.warnings).toEqual([])
    expect(await isKept(side, 'A')).toBe(true)
  })
})
