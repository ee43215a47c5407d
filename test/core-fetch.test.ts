import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createSecrets,
  type Provider,
  type ReadResult,
  SecretsError,
  type SecretsErrorCode,
  type SecretsOptions,
} from '../src/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import {
  failure,
  holding,
  makeProject,
  messages,
  type Project,
  place,
  recordingLogger,
} from './support/core.ts'

let project: Project
let logger: ReturnType<typeof recordingLogger>
const values = Array.from({ length: 4 }, () => canary()) as [string, string, string, string]
const said: string[] = []

beforeEach(() => {
  project = makeProject()
  logger = recordingLogger()
})

afterEach(() => {
  expect(canariesIn([...said, ...logger.lines].join('\n'), values)).toEqual([])
  expect(canaryFiles(project.root, values)).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

const open = (options: SecretsOptions) =>
  createSecrets({ root: project.root, cache: false, logger, timeout: 500, ...options })

async function refused(work: Promise<unknown>) {
  const error = await failure(work)
  said.push(error.shown)
  return error
}

const broken = (code: SecretsErrorCode, retryAfter?: number) =>
  new SecretsError(code, `The place said ${code}.`, { retryAfter })

describe('asking', () => {
  it('one request a document, one call a provider, whoever needs them', async () => {
    const p = holding({
      doc: { a: values[0], b: values[1], 'c.d': values[2], list: [1, values[3]] },
      other: 'x',
    })
    const q = holding({ doc: values[0] })
    const secrets = await open({
      providers: { p, q },
      secrets: {
        A: 'p:doc#a',
        B: 'p:doc#b',
        AGAIN: 'p:%64oc#a',
        CD: 'p:doc#c.d',
        L: 'p:doc#list.1',
        OTHER: 'p:other',
        V: 'p:other?version=2',
        Q: 'q:doc',
        T: { template: '{{vault:A}}/{{vault:Q}}' },
      },
    })
    const snapshot = await secrets.load()
    expect(p.calls).toEqual([
      [
        { path: 'doc', options: {} },
        { path: 'other', options: {} },
        { path: 'other', options: { version: '2' } },
      ],
    ])
    expect(q.calls).toHaveLength(1)
    expect(snapshot.get('L')?.reveal()).toBe(values[3])
    expect(snapshot.get('CD')?.reveal()).toBe(values[2])
    expect(snapshot.get('T')?.reveal()).toBe(`${values[0]}/${values[0]}`)
  })

  it('loads at the same time are one; a refresh is never taken for a load', async () => {
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const p = place(async (requests) => {
      await gate
      return requests.map(() => ({ value: values[0] }))
    })
    const secrets = await open({ providers: { p }, secrets: { A: 'p:a' } })
    const loads = [
      secrets.load(),
      secrets.load(),
      secrets.load({ refresh: true }),
      secrets.load({ refresh: true }),
    ]
    expect([loads[0] === loads[1], loads[2] === loads[3], loads[0] === loads[2]]).toEqual([true, true, false])
    release()
    await Promise.all(loads)
    expect(p.calls).toHaveLength(2)
    await secrets.load()
    expect(p.calls).toHaveLength(3)
  })

  it('the provider is told what it needs to know, and closed', async () => {
    let seen: object = {}
    let closed = 0
    const p = place(
      (requests, context) => {
        seen = context
        context.debug('3 leases')
        return requests.map(() => ({ value: 'x' }))
      },
      {
        close: async () => {
          closed++
          throw new Error(values[0])
        },
      },
    )
    const secrets = await open({
      providers: { p },
      secrets: { A: 'p:a' },
      environment: 'e',
      profile: 'f',
      profiles: { f: {} },
    })
    await secrets.load()
    expect(seen).toMatchObject({
      name: 'p',
      root: project.root,
      environment: 'e',
      profile: 'f',
      concurrency: 16,
    })
    expect((seen as { userAgent: string }).userAgent).toMatch(/^unplugin-secrets\/[\d.]+ \(node [\d.]+\)$/)
    expect(secrets.contextFor('p')).toMatchObject({ name: 'p', environment: 'e' })
    expect(logger.lines).toContain('3 leases')
    await secrets.close()
    expect(closed).toBe(1)
  })
})

describe('trying again', () => {
  it('asks only for what may pass, until it does', async () => {
    const p = place((requests, _context, call) =>
      requests.map(({ path }): ReadResult => {
        if (path === 'good') return { value: values[0] }
        return call < 2 ? broken('SERVER_ERROR') : { value: values[1] }
      }),
    )
    const secrets = await open({ providers: { p }, secrets: { A: 'p:good', B: 'p:late' }, timeout: 5000 })
    const snapshot = await secrets.load()
    expect(p.calls.map((requests) => requests.map(({ path }) => path))).toEqual([['good', 'late'], ['late']])
    expect(snapshot.get('B')?.reveal()).toBe(values[1])
  })

  it('waits as long as it was asked to, if there is time', async () => {
    const at: number[] = []
    const server = createServer((_request, response) => {
      at.push(Date.now())
      if (at.length === 1) response.writeHead(429, { 'retry-after': '1' }).end()
      else response.end(values[0])
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const p = place(async (requests, { signal }) => {
      const response = await fetch(url, { signal })
      if (response.ok) return [{ value: await response.text() }]
      const seconds = Number(response.headers.get('retry-after'))
      return requests.map(() => broken('RATE_LIMITED', seconds * 1000))
    })
    try {
      const patient = await open({ providers: { p }, secrets: { A: 'p:a' }, timeout: 10_000 })
      expect((await patient.load()).get('A')?.reveal()).toBe(values[0])
      expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(990)
      at.length = 0
      const hasty = await open({ providers: { p }, secrets: { A: 'p:a' } })
      expect((await refused(hasty.load())).code).toBe('RATE_LIMITED')
      expect(at).toHaveLength(1)
    } finally {
      server.close()
    }
  })

  it.each(['PERMISSION_DENIED', 'LOGIN_REFUSED', 'TLS_FAILED', 'RESPONSE_MALFORMED', 'NOT_FOUND'] as const)(
    'not after %s',
    async (code) => {
      const p = place((requests) => requests.map(() => broken(code)))
      const secrets = await open({ providers: { p }, secrets: { A: 'p:a' }, timeout: 5000 })
      expect((await refused(secrets.load())).code).toBe(code)
      expect(p.calls).toHaveLength(1)
    },
  )

  it('ends with the deadline, also for a provider that hangs and does not listen', async () => {
    const deaf = place(() => new Promise(() => {}))
    let reason: unknown
    const listening = place((requests, { signal }) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          reject(broken(requests.length > 0 ? 'UNREACHABLE' : 'ABORTED'))
        })
      })
    })
    const secrets = await open({
      providers: { deaf, listening },
      secrets: { A: 'deaf:a', B: 'listening:b' },
      timeout: 100,
    })
    const error = await refused(secrets.load())
    expect(error.problems.map(({ code }) => code)).toEqual(['TIMEOUT', 'UNREACHABLE'])
    expect(messages(error)[0]).toBe('The provider deaf did not answer in time. Needed by A.')
    expect((reason as DOMException).name).toBe('TimeoutError')
  })
})

describe('providers that break the contract', () => {
  it.each<[string, unknown]>([
    ['too few answers', []],
    ['too many answers', [{ value: 'x' }, { value: 'y' }]],
    ['none at all', undefined],
    ['null', [null]],
    ['a bare text', [values[0]]],
    ['a number', [{ value: 5 }]],
    ['no value', [{}]],
    ['a version that is no text', [{ value: values[0], version: 3 }]],
    ['an error that is not ours', [new Error(values[0])]],
    ['a circle', [{ value: circle() }]],
    ['a bigint', [{ value: { a: 5n } }]],
  ])('%s', async (_what, results) => {
    const p = place(() => results as ReadResult[])
    const secrets = await open({
      providers: { p },
      secrets: { A: { from: 'p:a', mode: 'json' } },
      cache: { directory: project.cache },
    })
    const error = await refused(secrets.load())
    expect(['RESPONSE_MALFORMED', 'REQUEST_REFUSED']).toContain(error.code)
    expect(p.calls).toHaveLength(1)
  })

  it('foreign errors are told by kind and place, never by their text', async () => {
    const throwing = (error: unknown): Provider => {
      return place(() => {
        throw error
      })
    }
    const cases: [unknown, string][] = [
      [new TypeError(`bad token ${values[0]}`), 'TypeError'],
      [Object.assign(new Error(values[1]), { code: 'ECONNRESET' }), 'ECONNRESET'],
      [values[2], 'string'],
    ]
    for (const [thrown, shown] of cases) {
      const secrets = await open({ providers: { p: throwing(thrown) }, secrets: { A: 'p:a' } })
      const error = await refused(secrets.load())
      expect(error.message).toBe(`The provider p failed: ${shown}. Needed by A.`)
      expect(error.cause).toBeUndefined()
    }
    const sync = {
      type: 'x',
      location: 'y',
      read: () => {
        throw new RangeError(values[3])
      },
    } as unknown as Provider
    const secrets = await open({ providers: { p: sync }, secrets: { A: 'p:a' } })
    expect((await refused(secrets.load())).code).toBe('REQUEST_REFUSED')
  })

  it('one closed door is one problem, with all it is in the way of', async () => {
    const p = place(() => {
      throw broken('LOGIN_REFUSED')
    })
    const names = Array.from({ length: 12 }, (_, index) => `N${index}`)
    const secrets = await open({
      providers: { p },
      import: ['p:doc'],
      secrets: {
        ...Object.fromEntries(names.map((name) => [name, `p:${name}`])),
        T: { template: '{{vault:N1}} {{vault:IMPORTED}}' },
        U: { template: '{{vault:T}}' },
      },
    })
    const error = await refused(secrets.load())
    expect(error.code).toBe('LOGIN_REFUSED')
    expect(error.problems).toEqual([])
    expect(error.message).toBe(
      'The place said LOGIN_REFUSED. Needed by p:doc, N0, N1, N2, N3, N4, N5, N6, N7, N8 and 3 more.',
    )
  })
})

function circle(): object {
  const made: { self?: object } = {}
  made.self = made
  return made
}

describe('the cache', () => {
  const cached = (p: Provider, more: SecretsOptions = {}) =>
    open({
      providers: { p },
      secrets: { A: 'p:a', B: 'p:b' },
      ...more,
      cache: { ttl: 0, directory: project.cache, ...more.cache },
    })
  const both = (a: ReadResult, b: ReadResult) =>
    place((requests) => requests.map(({ path }) => (path === 'a' ? a : b)))
  const warm = async (more: SecretsOptions = {}) => {
    const secrets = await cached(both({ value: values[0], version: '7' }, { value: { x: values[1] } }), {
      secrets: { A: 'p:a', B: 'p:b#x' },
      ...more,
    })
    await secrets.load()
  }
  const two = { secrets: { A: 'p:a', B: 'p:b#x' } }

  it('fresh: no provider is called, not even to be made', async () => {
    await warm()
    const p = both(broken('UNREACHABLE'), broken('UNREACHABLE'))
    const snapshot = await (await cached(p, { ...two, cache: { ttl: '1h' } })).load()
    expect(p.calls).toEqual([])
    expect(snapshot.get('B')?.reveal()).toBe(values[1])
    expect(snapshot.meta('A')).toMatchObject({ source: 'cache', provider: 'p', version: '7', stale: false })
    expect(logger.warnings).toEqual([])
    expect(canaryFiles(project.cache, values)).toEqual([])
  })

  it('refresh asks all the same, and the result is cached', async () => {
    await warm()
    const p = both({ value: values[2] }, { value: { x: values[3] } })
    const secrets = await cached(p, { ...two, cache: { ttl: Infinity } })
    expect((await secrets.load()).get('A')?.reveal()).toBe(values[0])
    expect((await secrets.load({ refresh: true })).get('A')?.reveal()).toBe(values[2])
    expect((await secrets.load()).get('A')?.reveal()).toBe(values[2])
    expect(p.calls).toHaveLength(1)
  })

  it('stands in for a place that cannot be reached, with one warning', async () => {
    await warm()
    const secrets = await cached(both(broken('UNREACHABLE'), broken('SEALED')), { ...two, timeout: 50 })
    const snapshot = await secrets.load()
    expect(snapshot.get('A')?.reveal()).toBe(values[0])
    expect(snapshot.get('B')?.reveal()).toBe(values[1])
    expect(snapshot.meta('A')).toMatchObject({ source: 'cache', stale: true })
    expect(logger.warnings).toHaveLength(1)
    expect(logger.warnings[0]).toMatch(/Using 2 cached values from p, 0 seconds old\.$/)
  })

  it('names every place that is down in that one warning', async () => {
    const names = {
      providers: { p: holding({ a: values[0] }), q: holding({ b: values[1] }) },
      secrets: { A: 'p:a', B: 'q:b' },
    }
    await (await cached(names.providers.p, names)).load()
    const down = place(() => Promise.reject(broken('TIMEOUT')))
    await (await cached(down, { ...names, providers: { p: down, q: down }, timeout: 50 })).load()
    expect(logger.warnings).toHaveLength(1)
    expect(logger.warnings[0]).toContain('from p, q,')
  })

  it('but not beyond maxStale', async () => {
    await warm()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const down = both(broken('UNREACHABLE'), broken('UNREACHABLE'))
    const error = await refused(
      (await cached(down, { ...two, timeout: 50, cache: { maxStale: '1ms' } })).load(),
    )
    expect(error.problems).toHaveLength(2)
    expect(error.transient).toBe(true)
    // What was too old for that is still there for who allows more.
    expect((await (await cached(down, { ...two, timeout: 50 })).load()).names()).toEqual(['A', 'B'])
  })

  it.each(['PERMISSION_DENIED', 'DELETED', 'DESTROYED', 'NOT_FOUND'] as const)(
    '%s is not a lost network: nothing is served, and the entry goes',
    async (code) => {
      await warm()
      const error = await refused((await cached(both(broken(code), { value: { x: values[1] } }), two)).load())
      expect(error.code).toBe(code)
      const down = both(broken('UNREACHABLE'), broken('UNREACHABLE'))
      const later = await refused((await cached(down, { ...two, timeout: 50 })).load())
      expect(messages(later)).toEqual(['The place said UNREACHABLE. Needed by A.'])
    },
  )

  it('nothing there is not there any more, either', async () => {
    await warm()
    expect(
      (await refused((await cached(both(undefined, { value: { y: '' } }), two)).load())).problems.map(
        ({ code }) => code,
      ),
    ).toEqual(['NOT_FOUND', 'FIELD_NOT_FOUND'])
    const down = both(broken('UNREACHABLE'), broken('UNREACHABLE'))
    expect((await refused((await cached(down, { ...two, timeout: 50 })).load())).problems).toHaveLength(2)
  })

  it.each([
    'TLS_FAILED',
    'RESPONSE_MALFORMED',
    'LOGIN_REFUSED',
    'CREDENTIALS_MISSING',
    'TOKEN_INVALID',
  ] as const)('%s serves nothing, and says nothing about the value: the entry stays', async (code) => {
    await warm()
    expect(await refused((await cached(both(broken(code), broken(code)), two)).load())).toBeTruthy()
    const down = both(broken('UNREACHABLE'), broken('UNREACHABLE'))
    expect((await (await cached(down, { ...two, timeout: 50 })).load()).names()).toEqual(['A', 'B'])
  })

  it('ttl: of the secret, else of the provider, else of the cache; imports as well', async () => {
    const asked = async (ttls: { secret?: number; provider?: number; cache?: number }) => {
      const p = {
        ...holding({ a: values[0], doc: { I: values[1] } }),
        ...(ttls.provider === undefined ? {} : { ttl: ttls.provider }),
      }
      const options = {
        secrets: { A: { from: 'p:a', ...(ttls.secret === undefined ? {} : { ttl: ttls.secret }) } },
        import: ['p:doc'],
        cache: ttls.cache === undefined ? {} : { ttl: ttls.cache },
      }
      const recorded = await cached(p, options)
      await recorded.load({ refresh: true })
      await recorded.load()
      return p.calls[1]?.map(({ path }) => path) ?? []
    }
    expect(await asked({ cache: 60_000 })).toEqual([])
    expect(await asked({ cache: 0 })).toEqual(['a', 'doc'])
    expect(await asked({ cache: 0, provider: 60_000 })).toEqual([])
    expect(await asked({ cache: 60_000, provider: 0 })).toEqual(['a', 'doc'])
    expect(await asked({ cache: 60_000, provider: 0, secret: 60_000 })).toEqual(['doc'])
    expect(await asked({ cache: 0, provider: 60_000, secret: 0 })).toEqual(['a'])
  })

  it('belongs to one place, environment and profile; a place that says so is never cached', async () => {
    await warm({ cache: { ttl: '1h' } })
    const fresh = { ...two, cache: { ttl: '1h' } } as const
    for (const [more, options] of [
      [{ location: 'elsewhere' }, fresh],
      [{}, { ...fresh, environment: 'other' }],
      [{}, { ...fresh, profile: 'f', profiles: { f: {} } }],
      [{ cached: false }, fresh],
    ] as const) {
      const p = holding({ a: 'x', b: { x: 'y' } }, more)
      await (await cached(p, options)).load()
      expect(p.calls).toHaveLength(1)
      if (more.cached !== undefined) await (await cached(p, options)).load()
      expect(p.calls).toHaveLength(more.cached === undefined ? 1 : 2)
    }
  })

  it('bytes come back as they were', async () => {
    const bytes = new Uint8Array([0, 1, 254, 255])
    const once = { secrets: { A: 'p:a' }, cache: { ttl: '1h' } } as const
    await (await cached(holding({ a: bytes }), once)).load()
    const snapshot = await (await cached(holding({}), once)).load()
    expect(Buffer.from(snapshot.get('A')!.reveal(), 'base64')).toEqual(Buffer.from(bytes))
  })
})
