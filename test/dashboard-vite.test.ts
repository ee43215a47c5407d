import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DevTools } from '@vitejs/devtools'
import type { Browser, Page } from 'playwright-core'
import { type CLIShortcut, createServer, type InlineConfig, preview, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { SecretsConfig } from '../src/core/types.ts'
import type { DashboardState, SecretView } from '../src/dashboard/api.ts'
import { Bao, certificates, scratch } from './support/bao.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { DashboardClient } from './support/dashboard-client.ts'
import { fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'

const FILES = {
  'index.html': '<!doctype html><p id="out"></p><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': `sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
    import './show.ts'`,
  'src/show.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
    document.querySelector('#out').textContent = MAPS_KEY
    import.meta.hot?.accept()`,
  'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'
    export const read = () => DATABASE_URL`,
}

let browser: Browser
let project: Project
let server: ViteDevServer
let client: DashboardClient
let page: Page | undefined
const serverValues: string[] = []
const clientValues: string[] = []
/** What the terminal said, and what came from the dashboard and by the page's socket. */
const seen: string[] = []
const frames: string[] = []
const secret = (): string => {
  const value = canary('server')
  serverValues.push(value)
  return value
}
const open = (): string => {
  const value = canary('client')
  clientValues.push(value)
  return value
}

const addresses = (): string[] => project.output.flatMap((line) => /dashboard: (\S+)/.exec(line)?.[1] ?? [])
const secretOf = ({ secrets }: DashboardState, name: string): SecretView =>
  secrets.find((each) => each.name === name)!
const shows = (text: string): Promise<unknown> =>
  page!.waitForFunction(
    `document.querySelector('#out')?.textContent === ${JSON.stringify(text)}`,
    undefined,
    {
      timeout: 20_000,
    },
  )
const loads = (): Promise<number> => page!.evaluate<number>('Number(sessionStorage.loads)')

const start = async (
  values: Record<string, string>,
  config: SecretsConfig | undefined,
  more: InlineConfig = {},
  files: Record<string, string> = {},
): Promise<void> => {
  project = await makeProject({ ...FILES, ...files }, values)
  server = await createServer(viteConfig(project, config, { ...more, server: { port: 0, ...more.server } }))
  if (!server.httpServer) return
  await server.listen()
  await vi.waitFor(() => expect(addresses()).toHaveLength(1), { timeout: 15_000 })
  client = new DashboardClient(addresses()[0]!)
}
const visit = async (path = ''): Promise<void> => {
  page = await browser.newPage()
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => void frames.push(String(payload))),
  )
  await page.goto(`${client.origin}/${path}`)
}

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
afterEach(async () => {
  await page?.close()
  page = undefined
  await server.close()
  seen.push(...project.output, ...client.seen, ...frames)
  expect(canariesIn(seen.join('\n'), [...serverValues, ...clientValues])).toEqual([])
  expect(canaryFiles(project.folder, [...serverValues, ...clientValues])).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})
afterAll(() => browser.close())

describe('a value that is set in the dashboard', () => {
  it('reaches the page by HMR, without a reload; one of the server leaves the page alone', async () => {
    const [first, second, third] = [open(), open(), open()]
    await start(
      { MAPS_KEY: first, DATABASE_URL: secret() },
      fromLocal(['MAPS_KEY', 'DATABASE_URL'], { client: ['MAPS_KEY'] }),
    )
    await visit()
    await shows(first)
    const events = client.events()
    const state = await client.does('set', { name: 'MAPS_KEY', value: second })
    await shows(second)
    expect(state.rotations).toMatchObject([{ names: ['MAPS_KEY'], cause: 'dashboard' }])
    expect(secretOf(state, 'MAPS_KEY')).toMatchObject({ usedIn: ['src/show.ts'], consumer: 'client' })
    const module = (await server.ssrLoadModule('/src/server.ts')) as { read(): string }
    const value = secret()
    const next = await client.does('set', { name: 'DATABASE_URL', value })
    expect(module.read()).toBe(value)
    expect(secretOf(next, 'DATABASE_URL').usedIn).toEqual(['src/server.ts'])
    await client.does('set', { name: 'MAPS_KEY', value: third })
    await shows(third)
    expect(await loads()).toBe(1)
    await vi.waitFor(() => expect(events.states.at(-1)?.rotations).toHaveLength(3), { timeout: 15_000 })
    events.end()
    expect(project.output.filter((line) => /restart/.test(line))).toEqual([])
  })

  it('and taken away keeps the last one running, says so, and heals with the next', async () => {
    const [first, second] = [open(), open()]
    await start({ MAPS_KEY: first }, fromLocal(['MAPS_KEY'], { client: ['MAPS_KEY'] }))
    await visit()
    await shows(first)
    const gone = await client.does('unset', { name: 'MAPS_KEY' })
    expect(secretOf(gone, 'MAPS_KEY')).toMatchObject({ masked: '••••••••', error: { code: 'NOT_FOUND' } })
    await shows(first)
    const back = await client.does('set', { name: 'MAPS_KEY', value: second })
    expect(secretOf(back, 'MAPS_KEY').error).toBeUndefined()
    await shows(second)
    expect(await loads()).toBe(1)
  })

  it('is new where the vault is imported as a whole', async () => {
    await start({ MAPS_KEY: open() }, { import: ['local:*'], providers: { local: { type: 'local' } } })
    const state = await client.does('set', { name: 'ADDED', value: secret() })
    expect(state).toMatchObject({ canAdd: true })
    expect(secretOf(state, 'ADDED')).toMatchObject({ isLocal: true, usedIn: [] })
    const removed = await client.does('unset', { name: 'ADDED' })
    expect(secretOf(removed, 'ADDED')).toBeUndefined()
  })
})

describe('a profile, a move and a link', () => {
  it('change the running app without a restart', async () => {
    const { url, token } = inject('servers').bao
    const bao = new Bao({ url, token })
    const mount = `dashv-${Date.now().toString(36)}`
    await bao.mount(mount, 2)
    const [first, staged, moved] = [open(), open(), open()]
    await bao.write2(mount, 'maps', { key: first, staged, moved })
    const vault = { type: 'vault', url, mount, auth: { method: 'token', token } }
    const config = {
      providers: { vault, local: { type: 'local' } },
      secrets: { MAPS_KEY: 'vault:maps#key', MOVED: 'vault:maps#moved' },
      client: ['MAPS_KEY'],
      profiles: { staging: { secrets: { MAPS_KEY: 'vault:maps#staged' } } },
    }
    await start({}, undefined, {}, { 'secrets.config.json': JSON.stringify(config, null, 2) })
    await visit()
    await shows(first)
    const staging = await client.does('profile', { name: 'staging' })
    await shows(staged)
    expect(staging).toMatchObject({
      profile: 'staging',
      rotations: [{ names: ['MAPS_KEY'], cause: 'profile' }],
    })
    expect(await client.fails('profile', { name: 'nobody' })).toMatchObject({
      status: 400,
      code: 'CONFIG_INVALID',
    })
    expect((await client.get('state')).profile).toBe('staging')
    await client.does('profile', { name: null })
    await shows(first)

    const after = await client.does('move-to-local', { name: 'MOVED' })
    expect(secretOf(after, 'MOVED')).toMatchObject({ isLocal: true, reference: 'local:MOVED' })

    expect(after.links).toEqual([{ environment: 'development' }])
    const linked = await client.does('link', {
      environment: 'development',
      reference: `vault:linked`,
    })
    expect(linked.links).toEqual([{ environment: 'development', reference: 'vault:linked' }])
    expect(secretOf(linked, 'MOVED').reference).toBe('vault:linked#MOVED')
    const { data } = await bao.call<{ data: { data: object } }>('GET', `${mount}/data/linked`)
    expect(data.data).toEqual({ MOVED: moved })
    expect(await client.fails('link', { environment: 'development', reference: 'vault:x' })).toMatchObject({
      status: 409,
    })
    const unlinked = await client.does('unlink', { environment: 'development' })
    expect(unlinked.links).toEqual([{ environment: 'development' }])
    expect(await client.fails('unlink', { environment: 'development' })).toMatchObject({ status: 404 })

    await bao.write2(mount, 'maps', { key: open(), staged, moved })
    const refreshed = await client.does('refresh', {})
    expect(refreshed.rotations[0]).toMatchObject({ names: ['MAPS_KEY'], cause: 'refresh' })
    await shows(clientValues.at(-1)!)
    expect(await loads()).toBe(1)
    expect(project.output.filter((line) => /restart/.test(line))).toEqual([])
  })
})

describe('the guard of the dev server', () => {
  it('lets a revealed value pass to who asked, and nothing else, nor anywhere else', async () => {
    const value = secret()
    const leak = {
      name: 'leak',
      configureServer: ({ middlewares }: ViteDevServer) =>
        void middlewares.use('/leak', (_, response) => void response.end(`<p>${value}`)),
    }
    const config = fromLocal(['DATABASE_URL', 'MAPS_KEY'])
    // A description is told, so a value in it would be.
    config.secrets!.MAPS_KEY = { from: 'local:MAPS_KEY', description: 'the keys' }
    await start({ DATABASE_URL: value, MAPS_KEY: secret() }, config, { plugins: [leak] })
    const revealed = await client.post('reveal', { name: 'DATABASE_URL' })
    expect([revealed.status, JSON.parse(revealed.text)]).toEqual([200, { value }])
    expect((await client.raw('/leak')).status).toBe(500)
    const refused = await client.raw(`/__secrets/api/reveal`, {
      method: 'POST',
      body: JSON.stringify({ name: 'DATABASE_URL' }),
    })
    expect(refused.status).toBe(401)
    expect((await client.get('state')).secrets).toHaveLength(2)
    const told = project.output.filter((line) => /which only servers may have/.test(line))
    expect(told).toHaveLength(1)
  })

  it('stops the dashboard’s own answers too, where the configuration tells a value', async () => {
    const value = secret()
    await start(
      { DATABASE_URL: value },
      {
        providers: { local: { type: 'local' } },
        secrets: { DATABASE_URL: { from: 'local:DATABASE_URL', description: `it is ${value}` } },
      },
    )
    const answer = await client.raw('/__secrets/api/state', {
      headers: { authorization: `Bearer ${client.token}` },
    })
    expect(answer.status).toBe(500)
    expect(answer.text).toContain('DATABASE_URL')
  })
})

describe('the address', () => {
  it('is one line in the terminal, stays through a restart, and can be asked for by a key', async () => {
    await start({ MAPS_KEY: open() }, fromLocal(['MAPS_KEY']))
    expect(addresses()[0]).toMatch(/^http:\/\/localhost:\d+\/__secrets\/#token=[\w-]{43}$/)
    await server.restart()
    expect((await client.get('state')).secrets).toHaveLength(1)
    expect(addresses()).toHaveLength(1)
  })

  it('has a shortcut only where the command line has its own', async () => {
    let given: readonly CLIShortcut<ViteDevServer>[] = []
    const cli = {
      name: 'cli',
      enforce: 'pre' as const,
      configureServer(dev: ViteDevServer) {
        dev.bindCLIShortcuts = (options) => {
          given = (options?.customShortcuts ?? []) as typeof given
        }
      },
    }
    await start({ MAPS_KEY: open() }, fromLocal(['MAPS_KEY']), { plugins: [cli] })
    expect(given).toEqual([])
    server.bindCLIShortcuts({ print: true })
    expect(given).toMatchObject([{ key: 's', description: expect.stringContaining('dashboard') }])
    await given[0]!.action?.(server)
    expect(addresses()).toHaveLength(2)
    expect(addresses()[1]).toBe(addresses()[0])
  })

  it('of an app’s own server is said when somebody asks for the page', async () => {
    await start({ MAPS_KEY: open() }, fromLocal(['MAPS_KEY']), {
      server: { middlewareMode: true },
      appType: 'custom',
    })
    expect(addresses()).toEqual([])
    const app = createHttpServer((request, response) => server.middlewares(request, response))
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
    const origin = `http://localhost:${(app.address() as AddressInfo).port}`
    client = new DashboardClient(`${origin}/#token=none`)
    await client.raw('/__secrets/')
    await vi.waitFor(() => expect(addresses()).toEqual([expect.stringContaining(`${origin}/__secrets/#`)]), {
      timeout: 15_000,
    })
    client = new DashboardClient(addresses()[0]!)
    expect((await client.get('state')).secrets).toHaveLength(1)
    app.close()
    app.closeAllConnections()
  })

  it('is not there with `dashboard: false`, nor in a preview', async () => {
    project = await makeProject(FILES, { MAPS_KEY: open() })
    server = await createServer(
      viteConfig(project, fromLocal(['MAPS_KEY'], { dashboard: false }), { server: { port: 0 } }),
    )
    await server.listen()
    client = new DashboardClient(server.resolvedUrls!.local[0]!)
    expect((await client.raw('/__secrets/api/state')).headers['content-security-policy']).toBeUndefined()
    expect(addresses()).toEqual([])
    const shown = await preview(viteConfig(project, fromLocal(['MAPS_KEY']), { preview: { port: 0 } }))
    const other = new DashboardClient(shown.resolvedUrls!.local[0]!)
    expect((await other.raw('/__secrets/api/state')).headers['content-security-policy']).toBeUndefined()
    await shown.close()
  })
})

describe('a dev server with TLS', () => {
  it('answers its page over HTTP/2, and its own origin only', async () => {
    const { certFile, keyFile } = certificates(scratch('dashboard-tls'))
    const value = open()
    await start({ MAPS_KEY: value }, fromLocal(['MAPS_KEY'], { client: ['MAPS_KEY'] }), {
      server: { https: { cert: readFileSync(certFile), key: readFileSync(keyFile) } },
    })
    expect(client.origin).toMatch(/^https:/)
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    page = await context.newPage()
    await page.goto(`${client.origin}/`)
    await shows(value)
    const ask = (token: string) =>
      page!.evaluate<[number, string, string]>(`(async () => {
        const response = await fetch('/__secrets/api/state', { headers: { authorization: 'Bearer ${token}' } })
        const text = await response.text()
        const [entry] = performance.getEntriesByName(location.origin + '/__secrets/api/state').slice(-1)
        return [response.status, entry.nextHopProtocol, text]
      })()`)
    expect(await ask(client.token)).toEqual([200, 'h2', expect.stringContaining('MAPS_KEY')])
    expect(await ask('guess')).toEqual([401, 'h2', expect.stringContaining('UNAUTHORIZED')])
    const changed = await page.evaluate<number>(`fetch('/__secrets/api/set', { method: 'POST',
      headers: { authorization: 'Bearer ${client.token}', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'MAPS_KEY', value: 'x'.repeat(1100000) }) }).then((response) => response.status)`)
    expect(changed).toBe(413)
    await context.close()
    page = undefined
  })
})

describe('a provider that cannot be reached when the server starts', () => {
  it('is shown with its reason, and everything comes with it', async () => {
    const config = {
      providers: {
        vault: { type: 'vault', url: 'http://127.0.0.1:9', auth: { method: 'token', token: 't' } },
      },
      secrets: { DATABASE_URL: 'vault:app#url' },
      // Long enough for the answer that nobody is there, on a busy machine too.
      timeout: 2000,
    }
    await start({ DATABASE_URL: secret() }, undefined, {}, { 'secrets.config.json': JSON.stringify(config) })
    const state = await client.get('state')
    expect(state.problem).toMatchObject({ code: 'UNREACHABLE' })
    expect(state.providers).toMatchObject([{ name: 'vault', health: 'failing', secrets: 1 }])
    expect(secretOf(state, 'DATABASE_URL')).toMatchObject({ error: { code: 'UNREACHABLE' } })
    expect(secretOf(state, 'DATABASE_URL').masked).toBeUndefined()
    expect(await client.fails('refresh', {})).toMatchObject({ status: 503, code: 'UNREACHABLE' })
    const tested = await client.does('test', { provider: 'vault' })
    expect(tested.providers[0]!.checks).toContainEqual(expect.objectContaining({ ok: false }))
    const events = client.events()
    project.write({
      'secrets.config.json': JSON.stringify({
        providers: { local: { type: 'local' } },
        secrets: { DATABASE_URL: 'local:DATABASE_URL' },
      }),
    })
    await vi.waitFor(() => expect(events.states.at(-1)?.providers).toMatchObject([{ name: 'local' }]), {
      timeout: 30_000,
    })
    events.end()
  })
})

describe('Vite DevTools', () => {
  it('has the page in its dock, without the token; nobody else may frame it', async () => {
    await start({ MAPS_KEY: open() }, fromLocal(['MAPS_KEY']), {
      plugins: [DevTools({ clientAuth: false })],
    })
    const answer = await client.raw('/__secrets/')
    expect(answer.headers['content-security-policy']).toContain("frame-ancestors 'self'")
    expect(answer.headers['x-frame-options']).toBe('SAMEORIGIN')
    await visit('__devtools/')
    await page!.getByRole('button', { name: 'Secrets' }).or(page!.getByTitle('Secrets')).first().click()
    const address = `${client.origin}/__secrets/`
    await vi.waitFor(() => expect(page!.frames().map((frame) => frame.url())).toContain(address), {
      timeout: 30_000,
    })
    // Framed, and not put off by its own policy.
    const frame = page!.frames().find((each) => each.url() === address)!
    await vi.waitFor(async () => expect(await frame.evaluate('document.body !== null')).toBe(true), {
      timeout: 30_000,
    })
    expect(await page!.content()).not.toContain(client.token)
  })
})
