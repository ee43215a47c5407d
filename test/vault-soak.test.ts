import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { canary } from './support/canary.ts'
import { Watch } from './support/vault.ts'

/**
 * An hour on a clock of the test's own. The server lives by the same clock and counts; what it must have counted
 * is computed from the rule: renewed at two thirds, replaced when less than half of the first life was granted.
 */
const HOUR = 3600
const TOKEN = { ttl: 600, longest: 1500 }
const LEASE = { ttl: 300, longest: 1000 }
const PATHS = ['db/creds/a', 'db/creds/b', 'db/creds/c']

const watch = new Watch()
const secretId = watch.secret(canary())
const realTimeout = setTimeout
const pause = (ms: number) => new Promise<void>((resolve) => void realTimeout(resolve, ms))
let server: Server | undefined

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  // The chance that spreads renewals, as none.
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
})
afterAll(() => watch.finish())

/** A server that lends by the fake clock. */
async function lender(fails: () => boolean = () => false) {
  const start = Date.now()
  const log: string[] = []
  const born = new Map<string, number>()
  let under = 0
  const grant = (name: string, { ttl, longest }: typeof TOKEN) =>
    Math.max(0, Math.floor(Math.min(ttl, born.get(name)! + longest - (Date.now() - start) / 1000)))
  const lend = (prefix: string, life: typeof TOKEN) => {
    const name = watch.secret(canary(prefix))
    born.set(name, (Date.now() - start) / 1000)
    return { name, ttl: grant(name, life) }
  }
  server = createServer(async (request, response) => {
    under++
    let text = ''
    for await (const chunk of request) text += chunk
    const path = request.url!.slice('/v1/'.length)
    const token = String(request.headers['x-vault-token'])
    const answer = (body: object) => response.end(JSON.stringify(body))
    const what = path.replace(/^auth\/\w+\/|^sys\/leases\/|^db\/creds\/./, (found) =>
      found.startsWith('db') ? 'lend' : '',
    )
    if (!path.startsWith('sys/internal')) log.push(`${Math.round((Date.now() - start) / 1000)} ${what}`)
    if (fails()) response.writeHead(503).end('{}')
    else if (path === 'auth/approle/login') {
      const { name, ttl } = lend('hvs', TOKEN)
      answer({ auth: { client_token: name, lease_duration: ttl, renewable: true, token_type: 'service' } })
    } else if (path === 'auth/token/renew-self') {
      answer({ auth: { client_token: token, lease_duration: grant(token, TOKEN), renewable: true } })
    } else if (path === 'sys/leases/renew') {
      const { lease_id: id } = JSON.parse(text) as { lease_id: string }
      answer({ lease_id: id, lease_duration: grant(id, LEASE), renewable: true })
    } else if (path.startsWith('sys/internal')) {
      answer({ data: { path: 'db/', type: 'database' } })
    } else if (path.startsWith('db/creds/')) {
      const { name, ttl } = lend('lease', LEASE)
      answer({ lease_id: name, lease_duration: ttl, renewable: true, data: { password: name } })
    } else response.writeHead(204).end()
    under--
  })
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  /** Lets requests that a timer began come to their end, in real time. */
  const settle = async () => {
    for (let quiet = 0, seen = -1; quiet < 3; quiet = under === 0 && log.length === seen ? quiet + 1 : 0) {
      seen = log.length
      await pause(3)
    }
  }
  const passed = () => (Date.now() - start) / 1000
  return { url, log, settle, passed }
}

/** The same hour by the rule alone. */
function computed(): string[] {
  const log: string[] = []
  type Timer = { at: number; run: () => void }
  let timers: Timer[] = []
  const cut = (born: number, now: number, { ttl, longest }: typeof TOKEN) =>
    Math.max(0, Math.floor(Math.min(ttl, born + longest - now)))
  const keep = (now: number, life: typeof TOKEN, renewed: string, replace: (now: number) => void): Timer => {
    const first = cut(now, now, life)
    let ttl = first
    const timer: Timer = {
      at: now + (ttl * 2) / 3,
      run() {
        const at = timer.at
        if (ttl <= first / 2) return replace(at)
        log.push(`${Math.round(at)} ${renewed}`)
        ttl = cut(now, at, life)
        timer.at = at + (ttl * 2) / 3
      },
    }
    timers.push(timer)
    return timer
  }
  let token: Timer
  let leases: Timer[] = []
  const lend = (now: number, slot: number) => {
    log.push(`${Math.round(now)} lend`)
    timers = timers.filter((timer) => timer !== leases[slot])
    leases[slot] = keep(now, LEASE, 'renew', (at) => lend(at, slot))
  }
  const logIn = (now: number) => {
    log.push(`${Math.round(now)} login`)
    timers = timers.filter((timer) => timer !== token)
    token = keep(now, TOKEN, 'renew-self', (at) => {
      logIn(at)
      for (const slot of leases.keys()) lend(at, slot)
    })
  }
  leases = []
  logIn(0)
  for (const slot of PATHS.keys()) lend(0, slot)
  for (;;) {
    const next = timers.reduce((a, b) => (b.at < a.at ? b : a))
    if (next.at > HOUR) return log
    next.run()
  }
}

const count = (log: readonly string[], what: string) => log.filter((line) => line.endsWith(` ${what}`)).length

test('one hour of a token and three leases: logins and renewals as computed, no drift, no timer left', async () => {
  const { url, log, settle, passed } = await lender()
  const auth = { method: 'approle', roleId: 'r', secretId } as const
  const provider = watch.provider({ url, auth })
  const requests = PATHS.map((path) => ({ path: `/${path}`, options: {} }))
  const read = () => provider.read(requests, watch.context({ signal: new AbortController().signal }))
  await read()
  await settle()
  // One for the token and one a lease; requests that are over have taken theirs along.
  expect(vi.getTimerCount()).toBe(1 + PATHS.length)
  while (passed() < HOUR) {
    vi.advanceTimersToNextTimer()
    if (passed() > HOUR) break
    await settle()
    expect(vi.getTimerCount()).toBe(1 + PATHS.length)
    // What is read in between is what is held, and good.
    const before = log.length
    for (const document of await read()) {
      expect((document as { expiresAt: number }).expiresAt).toBeGreaterThan(Date.now())
    }
    expect(log.length).toBe(before)
  }
  const until = log.filter((line) => Number(line.split(' ')[0]) <= HOUR)
  const sorted = (lines: readonly string[]) =>
    [...lines].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1))
  expect(sorted(until)).toEqual(sorted(computed()))
  expect(count(until, 'login')).toBeGreaterThan(1)
  expect(count(until, 'renew-self')).toBeGreaterThan(3)
  expect(count(until, 'renew')).toBeGreaterThan(10)
  await settle()
  await provider.close!()
  expect(vi.getTimerCount()).toBe(0)
  expect(log.at(-1)).toMatch(/ revoke-self$/)
})

test('a server that is away while it renews: tried again, slower each time, and nothing is lost', async () => {
  let away = false
  const { url, log, settle, passed } = await lender(() => away)
  const auth = { method: 'approle', roleId: 'r', secretId } as const
  const provider = watch.provider({ url, auth })
  const request = [{ path: '/db/creds/a', options: {} }]
  const read = () => provider.read(request, watch.context({ signal: new AbortController().signal }))
  const [first] = await read()
  await settle()
  away = true
  // From the first renewal, at 200 s, until shortly before the lease ends at 300 s.
  while (passed() < 290) {
    vi.advanceTimersToNextTimer()
    await settle()
  }
  const tries = log.filter((line) => line.endsWith(' renew')).map((line) => Number.parseInt(line, 10))
  expect(tries.slice(0, 4)).toEqual([200, 201, 202, 204])
  expect(tries.length).toBeLessThan(12)
  expect(await read()).toEqual([first])
  away = false
  // It has ended meanwhile, as it does while a laptop sleeps.
  vi.setSystemTime(Date.now() + 60_000)
  const [second] = await read()
  expect((second as { version: string }).version).not.toBe((first as { version: string }).version)
  await provider.close!()
  expect(vi.getTimerCount()).toBe(0)
})

test('a life longer than a timer can wait does not become a storm', async () => {
  const { url, log, settle } = await lender()
  const ttl = TOKEN.ttl
  Object.assign(TOKEN, { ttl: 10 * 365 * 86_400, longest: 10 * 365 * 86_400 })
  try {
    const provider = watch.provider({ url, auth: { method: 'approle', roleId: 'r', secretId } })
    await provider.read(
      [{ path: '/db/creds/a', options: {} }],
      watch.context({ signal: new AbortController().signal }),
    )
    vi.advanceTimersByTime(1000)
    await settle()
    expect(count(log, 'renew-self')).toBe(0)
    await provider.close!()
  } finally {
    Object.assign(TOKEN, { ttl, longest: 1500 })
  }
})
