import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { DashboardState, ProviderView, SecretView } from '../src/dashboard/api.ts'
import { pageFiles } from '../src/dashboard/files.ts'
import { type GateOptions, hasToken, refusalOf } from '../src/dashboard/gate.ts'
import { type DashboardServer, serveDashboard } from '../src/dashboard/server.ts'
import { createToken } from '../src/dashboard/token.ts'
import { local } from '../src/providers/index.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { makeProject, type Project } from './support/core.ts'
import { DashboardClient, PAGE } from './support/dashboard-client.ts'
import { contextFor } from './support/workspace.ts'

const values: string[] = []
const secret = (): string => {
  const value = canary()
  values.push(value)
  return value
}
const mount = `dash-${randomBytes(4).toString('hex')}`
const first = { url: secret(), key: secret(), host: `${secret()}.test`, maps: secret() }

let bao: Bao
let proxy: Way
let project: Project
let server: DashboardServer
let client: DashboardClient
const seen: string[] = []

/** The way to the server, to be closed and opened. */
class Way {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  isDown = false

  constructor(target: URL) {
    this.#server = createServer((socket) => {
      if (this.isDown) return void socket.destroy()
      const other = connect(Number(target.port), target.hostname)
      for (const each of [socket, other]) {
        this.#open.add(each)
        each.on('error', () => {})
        each.on('close', () => [socket, other].forEach((one) => void one.destroy()))
      }
      socket.pipe(other).pipe(socket)
    })
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  down(): void {
    this.isDown = true
    for (const socket of this.#open) socket.destroy()
  }

  stop(): void {
    this.down()
    this.#server.close()
  }
}

const secretOf = ({ secrets }: DashboardState, name: string): SecretView =>
  secrets.find((each) => each.name === name)!
const providerOf = ({ providers }: DashboardState, name: string): ProviderView =>
  providers.find((each) => each.name === name)!
const setLocally = (path: string, value: string, environment?: string): Promise<unknown> =>
  local().write!({ path, value, environment }, contextFor(project.root))

const start = async (root: string): Promise<{ server: DashboardServer; client: DashboardClient }> => {
  const started = await serveDashboard({ root, environment: 'development', files: async () => PAGE })
  seen.push(started.url)
  return { server: started, client: new DashboardClient(started.url) }
}

beforeAll(async () => {
  const { url, token } = inject('servers').bao
  bao = new Bao({ url, token })
  await bao.mount(mount, 2)
  await bao.write2(mount, 'app/db', { url: first.url })
  await bao.write2(mount, 'app/stripe', { key: first.key })
  await bao.write2(mount, 'staging/db', { url: secret() })
  proxy = new Way(new URL(url))
  const address = await proxy.start()
  project = makeProject()
  const vault = { type: 'vault', url: address, mount, auth: { method: 'token', token } }
  project.write({
    'package.json': '{ "name": "shop", "type": "module" }',
    'secrets.config.json': JSON.stringify(
      {
        providers: { vault, local: { type: 'local' } },
        secrets: {
          DATABASE_URL: { from: 'vault:app/db#url', description: 'Orders' },
          STRIPE_KEY: 'vault:app/stripe#key',
          API_HOST: 'local:API_HOST',
          MAPS_KEY: 'local:MAPS_KEY',
          API_URL: { template: 'https://{{vault:API_HOST}}/v1' },
        },
        client: ['MAPS_KEY'],
        profiles: { staging: { secrets: { DATABASE_URL: 'vault:staging/db#url' } } },
        timeout: 4000,
        audit: '.secrets/audit.jsonl',
      },
      null,
      2,
    ),
    'src/page.ts':
      "import { MAPS_KEY } from 'virtual:secrets/client'\nshow(MAPS_KEY, import.meta.env.MAPS_KEY)",
    'src/server.ts': "import { DATABASE_URL } from 'virtual:secrets/server'\nconnect(DATABASE_URL)",
    'src/other.ts': 'const MAPS_KEY_2 = import.meta.env.MODE',
    'notes.txt': 'DATABASE_URL is read in import.meta.env',
  })
  await setLocally('API_HOST', first.host)
  await setLocally('MAPS_KEY', first.maps)
  ;({ server, client } = await start(project.root))
})

afterAll(async () => {
  await server.close()
  proxy.stop()
  seen.push(...client.seen)
  expect(seen.length).toBeGreaterThan(0)
  expect(canariesIn(seen.join('\n'), values)).toEqual([])
  expect(canaryFiles(join(project.root, '..'), values)).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

describe('the page', () => {
  it('is served with its two files, and nothing else', async () => {
    const page = await client.raw('/__secrets/')
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('./app.js')
    expect((await client.raw('/__secrets/app.js?x=1')).headers['content-type']).toMatch(/javascript/)
    expect((await client.raw('/__secrets/app.css')).headers['content-type']).toMatch(/css/)
    const head = await client.raw('/__secrets/app.css', { method: 'HEAD' })
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '18'])
    for (const path of ['/__secrets', '/'])
      expect((await client.raw(path)).headers.location).toBe('/__secrets/')
    for (const path of [
      '/__secrets/index.html',
      '/__secrets/../package.json',
      '/__secrets/app.js/',
      '/other',
    ]) {
      const { status, text } = await client.raw(path)
      expect([path, status, JSON.parse(text)]).toMatchObject([path, 404, { error: { code: 'NOT_FOUND' } }])
    }
  })

  it('says what to do when it was not built', async () => {
    const missing = pageFiles(new URL('file:///nowhere/'))
    await expect(missing).rejects.toMatchObject({ code: 'FILE_UNREADABLE', hint: /npm run build/ })
  })
})

describe('the state', () => {
  it('has everything but values', async () => {
    const state = await client.get('state')
    expect(state).toMatchObject({
      project: 'project',
      environment: 'development',
      profiles: ['staging'],
      client: ['MAPS_KEY'],
      canAdd: false,
      rotations: [],
    })
    expect([state.problem, state.profile]).toEqual([undefined, undefined])
    expect(providerOf(state, 'vault')).toMatchObject({ type: 'vault', health: 'ok', secrets: 2 })
    expect(providerOf(state, 'local')).toMatchObject({ location: '.secrets/local.vault', health: 'ok' })
    expect(state.secrets.map(({ name }) => name)).toEqual([
      'API_HOST',
      'API_URL',
      'DATABASE_URL',
      'MAPS_KEY',
      'STRIPE_KEY',
    ])
    expect(secretOf(state, 'DATABASE_URL')).toMatchObject({
      masked: '••••••••',
      source: 'provider',
      provider: 'vault',
      reference: 'vault:app/db#url',
      version: '1',
      stale: false,
      consumer: 'server',
      description: 'Orders',
      usedIn: ['src/server.ts'],
      isLocal: false,
      canMove: true,
    })
    expect(secretOf(state, 'DATABASE_URL').fetchedAt).toBeGreaterThan(Date.now() - 600_000)
    expect(secretOf(state, 'MAPS_KEY')).toMatchObject({
      consumer: 'client',
      usedIn: ['src/page.ts'],
      isLocal: true,
      canMove: false,
    })
    expect(secretOf(state, 'API_URL')).toMatchObject({ source: 'template', usedIn: [], isLocal: false })
  })
})

describe('a request', () => {
  const bearer = () => ({ authorization: `Bearer ${client.token}`, 'content-type': 'application/json' })
  const statusOf = async (path: string, options: Parameters<DashboardClient['raw']>[1]) => {
    const answer = await client.raw(path, options)
    const { error } = JSON.parse(answer.text) as { error: { code: string; message: string } }
    expect(answer.text).not.toMatch(/\bat .*\.ts|node_modules/)
    expect(Object.keys(error)).toEqual(expect.arrayContaining(['code', 'message']))
    return [answer.status, error.code]
  }

  it('has to be one that there is', async () => {
    const get = { headers: bearer() }
    for (const path of ['nothing', 'state/', 'constructor', '__proto__', '', 'links'])
      expect(await statusOf(`/__secrets/api/${path}`, get)).toEqual([404, 'NOT_FOUND'])
    expect(await statusOf('/__secrets/api/set', get)).toEqual([405, 'METHOD_NOT_ALLOWED'])
    for (const method of ['POST', 'DELETE', 'OPTIONS'])
      expect(await statusOf('/__secrets/api/state', { ...get, method })).toEqual([405, 'METHOD_NOT_ALLOWED'])
    expect(await statusOf('/__secrets/', { method: 'POST' })).toEqual([405, 'METHOD_NOT_ALLOWED'])
  })

  it('has to be JSON of its kind, and not large', async () => {
    const send = (body: string | Buffer, more: Record<string, string | undefined> = {}, route = 'set') =>
      statusOf(`/__secrets/api/${route}`, { method: 'POST', headers: { ...bearer(), ...more }, body })
    const body = JSON.stringify({ name: 'MAPS_KEY', value: secret() })
    for (const type of [undefined, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      expect(await send(body, { 'content-type': type })).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
    const large = `{"name":"MAPS_KEY","value":"${'x'.repeat(1024 * 1024)}"}`
    expect(await send(large)).toEqual([413, 'TOO_LARGE'])
    expect(await send(large, { 'transfer-encoding': 'chunked' })).toEqual([413, 'TOO_LARGE'])
    for (const wrong of ['', '{', '[]', 'null', '"text"', '{"name":1,"value":"x"}', '{"name":"MAPS_KEY"}'])
      expect(await send(wrong)).toEqual([400, 'BAD_REQUEST'])
    expect(await send(Buffer.from([0x7b, 0xff, 0x7d]))).toEqual([400, 'BAD_REQUEST'])
    expect(await send('{"__proto__":{"name":"MAPS_KEY","value":"x"}}')).toEqual([400, 'BAD_REQUEST'])
    expect(await send('{"name":1}', {}, 'refresh')).toEqual([400, 'BAD_REQUEST'])
    expect(await send('{}', {}, 'profile')).toEqual([400, 'BAD_REQUEST'])
    expect(await send('{"name":"STRIPE_KEY","replace":"yes"}', {}, 'move-to-local')).toEqual([
      400,
      'BAD_REQUEST',
    ])
    expect(secretOf(await client.get('state'), 'MAPS_KEY').version).toMatch(/^2-/)
  })
})

describe('refreshing', () => {
  it('brings what has changed at the provider, and logs it; everybody who looks is told', async () => {
    const events = client.events()
    await vi.waitFor(() => expect(events.states.length).toBe(1), { timeout: 15_000 })
    await bao.write2(mount, 'app/db', { url: secret() })
    const state = await client.does('refresh', { name: 'DATABASE_URL' })
    expect(secretOf(state, 'DATABASE_URL').version).toBe('2')
    expect(state.rotations).toMatchObject([{ names: ['DATABASE_URL'], cause: 'refresh' }])
    const before = secretOf(state, 'STRIPE_KEY').fetchedAt!
    const all = await client.does('refresh', {})
    expect(secretOf(all, 'STRIPE_KEY').fetchedAt).toBeGreaterThan(before)
    expect(all.rotations).toHaveLength(1)
    await vi.waitFor(() => expect(secretOf(events.states.at(-1)!, 'DATABASE_URL').version).toBe('2'), {
      timeout: 15_000,
    })
    events.end()
    expect(await client.fails('refresh', { name: 'NOBODY' })).toMatchObject({
      status: 404,
      code: 'NOT_FOUND',
    })
  })

  it('what the watch finds is logged as such', async () => {
    const events = client.events()
    await setLocally('API_HOST', `${secret()}.test`)
    await vi.waitFor(
      () =>
        expect(events.states.at(-1)?.rotations[0]).toMatchObject({
          names: ['API_HOST', 'API_URL'],
          cause: 'watch',
        }),
      { timeout: 20_000 },
    )
    events.end()
  })

  it('keeps the last values while a provider is down, and says so', async () => {
    proxy.down()
    const state = await client.does('refresh', {})
    expect(secretOf(state, 'DATABASE_URL')).toMatchObject({
      masked: '••••••••',
      stale: true,
      source: 'cache',
      error: { code: 'UNREACHABLE' },
    })
    expect(providerOf(state, 'vault')).toMatchObject({ health: 'failing', error: { code: 'UNREACHABLE' } })
    expect(providerOf(state, 'local').health).toBe('ok')
    const tested = await client.does('test', { provider: 'vault' })
    expect(providerOf(tested, 'vault').health).toBe('failing')
    expect(providerOf(tested, 'vault').checks).toContainEqual(expect.objectContaining({ ok: false }))
    proxy.isDown = false
    const well = await client.does('refresh', {})
    expect(secretOf(well, 'DATABASE_URL')).toMatchObject({ stale: false, source: 'provider' })
    expect(secretOf(well, 'DATABASE_URL').error).toBeUndefined()
    expect(providerOf(well, 'vault').health).toBe('ok')
  })
})

describe('Test Connection', () => {
  it('says line by line what works', async () => {
    const state = await client.does('test', { provider: 'vault' })
    const { health, checks } = providerOf(state, 'vault')
    expect(health).toBe('ok')
    expect(checks!.length).toBeGreaterThan(2)
    expect(checks!.every(({ ok }) => ok)).toBe(true)
    expect(await client.fails('test', { provider: 'vaul' })).toMatchObject({
      status: 404,
      message: expect.stringContaining('vault?'),
    })
  })
})

describe('profiles', () => {
  it('are switched without a restart, and one that is none changes nothing', async () => {
    const state = await client.does('profile', { name: 'staging' })
    expect(state.profile).toBe('staging')
    expect(secretOf(state, 'DATABASE_URL').reference).toBe('vault:staging/db#url')
    expect(state.rotations[0]).toMatchObject({ names: ['DATABASE_URL'], cause: 'profile' })
    expect(await client.fails('profile', { name: 'stagin' })).toMatchObject({
      status: 400,
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('staging'),
    })
    expect((await client.get('state')).profile).toBe('staging')
    const back = await client.does('profile', { name: null })
    expect(back.profile).toBeUndefined()
    expect(secretOf(back, 'DATABASE_URL').reference).toBe('vault:app/db#url')
  })
})

describe('local values', () => {
  it('are set, revealed and removed', async () => {
    const value = secret()
    const state = await client.does('set', { name: 'MAPS_KEY', value })
    expect(state.rotations[0]).toMatchObject({ names: ['MAPS_KEY'], cause: 'dashboard' })
    const revealed = await client.post('reveal', { name: 'MAPS_KEY' })
    expect(revealed.headers['cache-control']).toBe('no-store')
    expect(JSON.parse(revealed.text)).toEqual({ value })
    const removed = await client.does('unset', { name: 'MAPS_KEY' })
    expect(secretOf(removed, 'MAPS_KEY').error).toMatchObject({ code: 'NOT_FOUND' })
    expect(await client.fails('unset', { name: 'MAPS_KEY' })).toMatchObject({ status: 404 })
    expect(await client.fails('reveal', { name: 'MAPS_KEY' })).toMatchObject({ status: 404 })
    const again = await client.does('set', { name: 'MAPS_KEY', value: first.maps })
    expect(secretOf(again, 'MAPS_KEY').error).toBeUndefined()
  })

  it('of one environment only are changed there', async () => {
    await setLocally('MAPS_KEY', secret(), 'development')
    const value = secret()
    await client.does('set', { name: 'MAPS_KEY', value })
    expect(JSON.parse((await client.post('reveal', { name: 'MAPS_KEY' })).text)).toEqual({ value })
    await client.does('unset', { name: 'MAPS_KEY' })
    const shared = await client.post('reveal', { name: 'MAPS_KEY' })
    expect(JSON.parse(shared.text)).toEqual({ value: first.maps })
  })

  it('are the only ones', async () => {
    for (const [route, body] of [
      ['set', { name: 'STRIPE_KEY', value: secret() }],
      ['unset', { name: 'STRIPE_KEY' }],
      ['reveal', { name: 'STRIPE_KEY' }],
      ['reveal', { name: 'API_URL' }],
    ] as const)
      expect([route, await client.fails(route, body)]).toMatchObject([
        route,
        { status: 409, code: 'UNSUPPORTED', hint: expect.stringContaining('move it to local') },
      ])
    expect(await client.fails('set', { name: 'NEW_ONE', value: secret() })).toMatchObject({
      status: 409,
      hint: expect.stringContaining("NEW_ONE: 'local:NEW_ONE'"),
    })
    expect(await client.fails('set', { name: '__proto__', value: secret() })).toMatchObject({ status: 400 })
    const { data } = await bao.call<{ data: { data: object } }>('GET', `${mount}/data/app/stripe`)
    expect(data.data).toEqual({ key: first.key })
  })
})

describe('moving to local', () => {
  it('takes the last value and the line of the configuration; over another value only when told', async () => {
    const old = secret()
    await setLocally('STRIPE_KEY', old)
    expect(await client.fails('move-to-local', { name: 'STRIPE_KEY' })).toMatchObject({
      status: 409,
      code: 'CONFLICT',
    })
    const state = await client.does('move-to-local', { name: 'STRIPE_KEY', replace: true })
    expect(secretOf(state, 'STRIPE_KEY')).toMatchObject({
      isLocal: true,
      reference: 'local:STRIPE_KEY',
      canMove: false,
    })
    const config = readFileSync(join(project.root, 'secrets.config.json'), 'utf8')
    expect(config).toContain('"STRIPE_KEY": "local:STRIPE_KEY"')
    const revealed = await client.post('reveal', { name: 'STRIPE_KEY' })
    expect(JSON.parse(revealed.text)).toEqual({ value: first.key })
    expect(await client.fails('move-to-local', { name: 'STRIPE_KEY' })).toMatchObject({ status: 409 })
    expect(await client.fails('move-to-local', { name: 'NOBODY' })).toMatchObject({ status: 404 })
  })

  it('says which line to write where it cannot', async () => {
    expect(await client.fails('move-to-local', { name: 'API_URL' })).toMatchObject({
      code: 'UNSUPPORTED',
      hint: expect.stringContaining("API_URL: 'local:API_URL'"),
    })
  })

  it('who did what is in the audit log', () => {
    const log = readFileSync(join(project.root, '.secrets/audit.jsonl'), 'utf8')
    const actions = log
      .split('\n')
      .flatMap((line) => (line ? [JSON.parse(line) as { action: string; path?: string }] : []))
    for (const action of ['write', 'remove', 'reveal'])
      expect(actions).toContainEqual(expect.objectContaining({ action, path: 'MAPS_KEY' }))
    expect(actions).toContainEqual(expect.objectContaining({ action: 'write', path: 'STRIPE_KEY' }))
  })
})

describe('a project that cannot be read', () => {
  it('shows why, and comes to life when that is mended', async () => {
    const other = makeProject()
    other.write({ 'package.json': '{}', 'secrets.config.json': '{ "secrets": { "A": "nowhere:A" } }' })
    const started = await start(other.root)
    expect((await started.client.get('state')).problem).toMatchObject({ code: 'PROVIDER_UNKNOWN' })
    expect(await started.client.fails('refresh', {})).toMatchObject({ status: 400 })
    const events = started.client.events()
    other.write({
      'secrets.config.json':
        '{ "providers": { "local": { "type": "local" } }, "secrets": { "A": "local:A" } }',
    })
    await vi.waitFor(() => expect(events.states.at(-1)?.problem).toMatchObject({ code: 'NOT_FOUND' }), {
      timeout: 20_000,
    })
    events.end()
    const state = await started.client.does('set', { name: 'A', value: secret() })
    expect(state.problem).toBeUndefined()
    expect(secretOf(state, 'A')).toMatchObject({ masked: '••••••••', isLocal: true })
    await started.server.close()
    seen.push(...started.client.seen)
    expect(canaryFiles(other.root, values)).toEqual([])
    other.remove()
  })

  it('without any configuration takes new names', async () => {
    const other = makeProject()
    other.write({ 'package.json': '{}' })
    const started = await start(other.root)
    expect(await started.client.get('state')).toMatchObject({ canAdd: true, secrets: [] })
    const state = await started.client.does('set', { name: 'FIRST', value: secret() })
    expect(state.secrets).toMatchObject([{ name: 'FIRST', isLocal: true, reference: 'local:*#FIRST' }])
    expect(await started.client.fails('set', { name: '1ST', value: secret() })).toMatchObject({ status: 400 })
    const events = started.client.events()
    other.write({
      'secrets.config.json':
        '{ "secrets": { "MINE": "local:FIRST" }, "providers": { "local": { "type": "local" } } }',
    })
    await vi.waitFor(() => expect(events.states.at(-1)?.secrets).toMatchObject([{ name: 'MINE' }]), {
      timeout: 20_000,
    })
    events.end()
    await started.server.close()
    seen.push(...started.client.seen)
    rmSync(join(other.root, '..'), { recursive: true })
  })
})

describe('the gate', () => {
  it('takes this machine only, by its own names; others only where that is allowed', () => {
    const token = createToken()
    const gate = (remote: boolean): GateOptions => ({
      token,
      hosts: () => ['.dev.test'],
      remote: () => remote,
    })
    const request = (remoteAddress: string | undefined, headers: Record<string, string>): IncomingMessage =>
      ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage
    const local = { host: 'localhost:1' }
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', undefined])
      expect(refusalOf(request(address, local), gate(false))).toBeUndefined()
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '127.0.0.1.9', ''])
      expect(refusalOf(request(address, local), gate(false))?.status).toBe(403)
    expect(refusalOf(request('10.0.0.1', local), gate(true))).toBeUndefined()
    for (const host of ['dev.test', 'a.dev.test', '192.0.2.1', '[2001:db8::1]:3'])
      expect([host, refusalOf(request('10.0.0.1', { host }), gate(true))]).toEqual([host, undefined])
    for (const host of ['notdev.test', 'dev.test.evil', '192.0.2', 'a b'])
      expect([host, refusalOf(request('10.0.0.1', { host }), gate(true))?.status]).toEqual([host, 403])
    expect(
      refusalOf(request('::1', { host: 'localhost', ':authority': 'evil.test' }), gate(false))?.status,
    ).toBe(403)
    expect(hasToken(request('::1', { authorization: `bearer ${token}` }), token)).toBe(true)
  })
})

describe('secrets dashboard', () => {
  const main = buildPackage('dashboard-cli-package')
  const place = async (): Promise<CliPlace> => {
    const folder = await main
    mkdirSync(join(folder, 'dist/dashboard'), { recursive: true })
    for (const [path, { content }] of PAGE)
      writeFileSync(join(folder, 'dist/dashboard', path || 'index.html'), content)
    return new CliPlace('dashboard-cli', folder)
  }

  it('prints its address, answers this machine, and gives everything back when it is ended', async () => {
    const cli = await place()
    await cli.run(['set', 'KEY'], { input: cli.secret(secret()) })
    const child = cli.start(['dashboard', '--port', '0'])
    let output = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    const url = await vi.waitFor(() => /http:\S+/.exec(output)![0], { timeout: 30_000 })
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/__secrets\/#token=[\w-]{43}$/)
    const own = new DashboardClient(url)
    expect((await own.raw('/__secrets/')).status).toBe(200)
    expect((await own.get('state')).secrets).toMatchObject([{ name: 'KEY', isLocal: true }])
    const events = own.events()
    await vi.waitFor(() => expect(events.states).toHaveLength(1), { timeout: 15_000 })
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    seen.push(output, ...own.seen)
  })

  it('says what is wrong with its port and its page', async () => {
    const cli = await place()
    const flag = await cli.run(['dashboard', '--port', 'x'])
    expect([flag.code, flag.stderr]).toEqual([2, expect.stringContaining('--port must be a number')])
    const { port } = new URL(server.url)
    const taken = await cli.run(['dashboard', '--port', port])
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining(`Cannot listen on port ${port}`)])
    rmSync(join(await main, 'dist/dashboard'), { recursive: true })
    const missing = await cli.run(['dashboard'])
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('page is not there')])
  })
})
