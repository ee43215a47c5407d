import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest'
import { Bao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { may, Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const { url } = server
const kv = `tokens-${id}`
const policy = `tokens-${id}`
const value = watch.secret(canary())
const realTimeout = setTimeout
const pause = (ms: number) => new Promise<void>((resolve) => void realTimeout(resolve, ms))

beforeAll(async () => {
  await root.mount(kv, 2)
  await root.write2(kv, 'app', { value })
  await root.policy(policy, may(`${kv}/data/app`))
})
afterEach(() => vi.useRealTimers())
afterAll(() => watch.finish())

/** Waits in real time, on whatever clock the rest runs. */
async function until(holds: () => boolean): Promise<void> {
  for (let quiet = 0, tries = 0; quiet < 10 && tries < 1000; tries++) {
    quiet = holds() ? quiet + 1 : 0
    await pause(10)
  }
  expect(holds()).toBe(true)
}

/** How often a debug line was said since. */
const since = (start: number, text: string) =>
  watch.seen.slice(start).filter((line) => line.includes(text)).length

async function withRole(name: string, settings: object) {
  const mount = `tokens-${id}-${name}`
  const { roleId, secretId } = await root.approle('app', [policy], { mount, ...settings })
  watch.secret(secretId)
  return watch.provider({ url, mount: kv, auth: { method: 'approle', roleId, secretId, mount } })
}

test.each([
  ['a token that cannot be renewed', { token_type: 'batch', token_ttl: '2s' }, 0],
  ['a token at the end of its longest life', { token_ttl: '2s', token_max_ttl: '3s' }, 1],
])('%s is replaced before it ends, with nobody asking', async (name, settings, renewals) => {
  const provider = await withRole(name.replace(/\W/g, '-'), { ...settings, token_no_default_policy: false })
  const start = watch.seen.length
  expect(await watch.value(provider, 'app')).toEqual({ value })
  await vi.waitFor(() => expect(since(start, 'logging in')).toBeGreaterThan(1), {
    timeout: 20_000,
    interval: 50,
  })
  expect(since(start, 'the token was renewed')).toBeGreaterThanOrEqual(renewals)
  expect(await watch.value(provider, 'app')).toEqual({ value })
  await provider.close!()
  const logins = since(start, 'logging in')
  await pause(1500)
  expect(since(start, 'logging in')).toBe(logins)
})

test('the token of our login is given back, the one from outside is not', async () => {
  const accessors = async () =>
    ((await root.call('LIST', 'auth/token/accessors')) as { data: { keys: string[] } }).data.keys.length
  const outside = watch.secret(await root.token([policy]))
  const before = await accessors()
  const provider = await withRole('back', { token_no_default_policy: false })
  await watch.value(provider, 'app')
  expect(await accessors()).toBe(before + 1)
  await provider.close!()
  expect(await accessors()).toBe(before)
  const given = watch.withToken(url, outside, { mount: kv })
  await watch.value(given, 'app')
  await given.close!()
  expect(await accessors()).toBe(before)
})

test('a token from outside is looked up after a while, and renewed where it may be', async () => {
  const itself = ['auth/token/lookup-self', 'auth/token/renew-self'].map((path) =>
    may(path, 'read', 'update'),
  )
  await root.policy(`${policy}-itself`, itself.join('\n'))
  const renewable = watch.secret(await root.token([policy, `${policy}-itself`], { ttl: '300s' }))
  const blind = watch.secret(await root.token([policy], { ttl: '300s' }))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const start = watch.seen.length
  const one = watch.withToken(url, renewable, { mount: kv })
  const other = watch.withToken(url, blind, { mount: kv })
  const context = () => watch.context({ signal: new AbortController().signal })
  const request = [{ path: 'app', options: {} }]
  for (const provider of [one, other])
    expect(await provider.read(request, context())).toMatchObject([{ value: { value } }])
  // A build is over by now, and has paid nothing.
  expect(vi.getTimerCount()).toBe(2)
  vi.advanceTimersByTime(20_000)
  // Only the one that may look at itself is renewed.
  await until(() => vi.getTimerCount() === 1)
  vi.advanceTimersByTime(200_000)
  await until(() => since(start, 'the token was renewed for 300 s') === 1)
  // Nothing is known of the other, so it is used until it is refused.
  expect(await other.read(request, context())).toMatchObject([{ value: { value } }])
  await Promise.all([one.close!(), other.close!()])
  expect(vi.getTimerCount()).toBe(0)
})
