import { createServer as createHttpServer, type Server } from 'node:http'
import { networkInterfaces } from 'node:os'
import type { Browser, Page } from 'playwright-core'
import { createServer, type InlineConfig, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { SecretsConfig } from '../src/core/types.ts'
import { serveDashboard } from '../src/dashboard/server.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { type CallOptions, DashboardClient, PAGE } from './support/dashboard-client.ts'
import { fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'

/** Names of other people's, which lead to this machine (DNS rebinding), in a browser that lets them. */
const RULES = [
  '--host-resolver-rules=MAP *.test 127.0.0.1',
  '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
]

let browser: Browser
let project: Project
let server: ViteDevServer
let client: DashboardClient
let hostile: Server
let page: Page
/** Everything that a page of this browser was sent from below `/__secrets`. */
const answered: { url: string; status: number; text: Promise<string> }[] = []
const serverValue = canary('server')
const clientValue = canary('client')
const values = [serverValue, clientValue]
const seen: string[] = []

const addressIn = (output: readonly string[]): string => {
  const [, url] = /dashboard: (\S+)/.exec(output.find((line) => line.includes('dashboard: ')) ?? '') ?? []
  if (url === undefined) throw new Error('The terminal has no address.')
  return url
}

const start = async (more: InlineConfig = {}, config: SecretsConfig = {}): Promise<void> => {
  project = await makeProject(
    {
      'index.html': '<!doctype html><p id="out"></p><script type="module" src="/src/main.ts"></script>',
      'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
        document.querySelector('#out').textContent = MAPS_KEY`,
    },
    { DATABASE_URL: serverValue, MAPS_KEY: clientValue },
  )
  server = await createServer(
    viteConfig(project, fromLocal(['DATABASE_URL', 'MAPS_KEY'], { client: ['MAPS_KEY'], ...config }), {
      ...more,
      server: { port: 0, host: '127.0.0.1', ...more.server },
    }),
  )
  await server.listen()
  await vi.waitFor(() => addressIn(project.output), { timeout: 15_000 })
  client = new DashboardClient(addressIn(project.output))
}

const newPage = async (): Promise<void> => {
  page = await (await browser.newContext()).newPage()
  page.on('response', (response) => {
    const url = response.url()
    if (new URL(url).pathname.startsWith('/__secrets'))
      answered.push({ url, status: response.status(), text: response.text().catch(() => '') })
  })
}

/** The status of each answer, and that none says anything of the project. */
const answers = async (): Promise<number[]> => {
  const texts = await Promise.all(answered.map(({ text }) => text))
  seen.push(...texts)
  expect(texts.join('\n')).not.toMatch(/DATABASE_URL|MAPS_KEY|local\.vault/)
  return [...new Set(answered.map(({ status }) => status))]
}

const bearer = (): Record<string, string> => ({ authorization: `Bearer ${client.token}` })

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium, RULES)
  hostile = createHttpServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>hostile</title><body></body>')
  })
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await page?.context().close()
  await server?.close()
  if (client) seen.push(...client.seen)
  seen.push(...project.output)
  answered.length = 0
  expect(canaryFiles(project.folder, values)).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

afterAll(async () => {
  await browser.close()
  hostile.close()
  expect(seen.length).toBeGreaterThan(0)
  expect(canariesIn(seen.join('\n'), values)).toEqual([])
})

describe('whoever asks without the page', () => {
  const status = async (headers: Record<string, string | undefined>, more: CallOptions = {}) => {
    const answer = await client.raw('/__secrets/api/state', { ...more, headers: { ...bearer(), ...headers } })
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    return answer.status
  }

  it('needs the name, the origin and the token of this server, whatever Vite allows others', async () => {
    await start({
      server: { cors: true, allowedHosts: true, headers: { 'access-control-allow-origin': '*' } },
    })
    const { port } = new URL(client.origin)
    expect(await status({})).toBe(200)
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `app.localhost:${port}`])
      expect([host, await status({ host })]).toEqual([host, 200])
    for (const host of [
      `evil.test:${port}`,
      'evil.test',
      `localhost.evil.test:${port}`,
      `127.0.0.1.evil.test:${port}`,
      `localhost.:${port}`,
      `evil.test@localhost:${port}`,
      `10.0.0.1:${port}`,
      '0.0.0.0',
    ])
      expect([host, await status({ host })]).toEqual([host, 403])
    expect(await status({ origin: client.origin })).toBe(200)
    for (const origin of [
      'null',
      'http://evil.test',
      'http://127.0.0.1:1',
      `https://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      `${client.origin}.evil.test`,
      'file://',
    ])
      expect([origin, await status({ origin })]).toEqual([origin, 403])
    for (const site of ['cross-site', 'same-site', 'nonsense'])
      expect([site, await status({ 'sec-fetch-site': site })]).toEqual([site, 403])
    for (const site of ['same-origin', 'none']) expect(await status({ 'sec-fetch-site': site })).toBe(200)
    for (const authorization of [
      undefined,
      'Bearer',
      `Bearer ${client.token.slice(1)}`,
      `Bearer ${client.token}x`,
      `Basic ${client.token}`,
      client.token,
    ])
      expect(await status({ authorization })).toBe(401)
    expect(await status({ origin: 'http://evil.test' }, { method: 'OPTIONS' })).toBe(403)
    for (const path of [`?token=${client.token}`, `#token=${client.token}`])
      expect((await client.raw(`/__secrets/api/state${path}`)).status).toBe(401)
    const cookie = await client.raw('/__secrets/api/state', { headers: { cookie: `token=${client.token}` } })
    expect(cookie.status).toBe(401)
    expect(client.token).toMatch(/^[\w-]{43}$/)
  })

  it('is told to the browser what the page may do, on every answer', async () => {
    await start()
    for (const path of ['/__secrets/', '/__secrets/api/state', '/__secrets/api/nothing']) {
      const { headers } = await client.raw(path)
      expect(headers).toMatchObject({
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cache-control': 'no-store',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
      })
      expect(headers['set-cookie']).toBeUndefined()
    }
    const all = await Promise.all(['/__secrets/', '/'].map((path) => client.raw(path)))
    expect(all.map(({ text }) => text).join()).not.toContain(client.token)
  })

  it('from another machine is refused, unless the configuration lets it in; its name is looked at all the same', async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
    await start({ server: { host: '0.0.0.0', allowedHosts: ['dev.test'] } })
    expect(await status({ host: 'dev.test' })).toBe(200)
    expect(await status({ host: 'dev.test', origin: 'https://dev.test' })).toBe(200)
    expect(await status({ host: 'sub.dev.test' })).toBe(403)
    if (own === undefined) return
    const near = client
    client = new DashboardClient(`${client.origin.replace('localhost', own)}/#token=${client.token}`)
    expect(await status({})).toBe(403)
    expect(await status({ host: 'localhost' })).toBe(403)
    client = near
    await server.close()
    project.remove()
    await start({ server: { host: '0.0.0.0', allowedHosts: ['dev.test'] } }, { dashboard: { remote: true } })
    client = new DashboardClient(`${client.origin.replace('localhost', own)}/#token=${client.token}`)
    expect(await status({})).toBe(200)
    expect(await status({ authorization: undefined })).toBe(401)
    expect(await status({ host: 'dev.test' })).toBe(200)
    expect(await status({ host: 'evil.test' })).toBe(403)
  })
})

/** What a page of somebody else's tries, in its own words. @returns what it got */
const ATTACK = `async (target) => {
  const got = {}
  const settle = (work) => Promise.race([work, new Promise((done) => setTimeout(done, 20000, 'nothing'))])
  const text = async (name, work) => { got[name] = await settle(work.then((r) => r.text()).then((t) => 'read: ' + t, (e) => e.name)) }
  const state = target + '/__secrets/api/state'
  await text('fetch', fetch(state))
  await text('credentials', fetch(state, { credentials: 'include' }))
  await text('bearer', fetch(state, { headers: { authorization: 'Bearer guess' } }))
  await text('opaque', fetch(state, { mode: 'no-cors' }))
  await text('page', fetch(target + '/__secrets/'))
  const json = JSON.stringify({ name: 'MAPS_KEY', value: 'hostile' })
  await text('post', fetch(target + '/__secrets/api/set', { method: 'POST', mode: 'no-cors', body: json }))
  await text('json', fetch(target + '/__secrets/api/set', { method: 'POST', headers: { 'content-type': 'application/json' }, body: json }))
  got.beacon = navigator.sendBeacon(target + '/__secrets/api/set', new Blob([json], { type: 'text/plain' }))
  const tag = (name, make) => settle(new Promise((done) => {
    const element = document.createElement(name)
    element.onload = () => done('loaded')
    element.onerror = () => done('failed')
    make(element)
    document.body.append(element)
  }))
  got.script = await tag('script', (script) => { script.src = target + '/__secrets/app.js' })
  got.module = await tag('script', (script) => { script.type = 'module'; script.src = target + '/__secrets/app.js' })
  got.style = await tag('link', (link) => { link.rel = 'stylesheet'; link.href = target + '/__secrets/app.css' })
  got.image = await tag('img', (image) => { image.src = state })
  const frames = [target + '/__secrets/', state].map(async (address) => {
    const frame = document.createElement('iframe')
    frame.src = address
    const loaded = new Promise((done) => { frame.onload = done })
    document.body.append(frame)
    await settle(loaded)
    try { return 'read: ' + frame.contentWindow.document.body.innerHTML } catch (e) { return e.name }
  })
  got.frames = await Promise.all(frames)
  const form = document.createElement('form')
  const target_ = document.createElement('iframe')
  target_.name = 'into'
  Object.assign(form, { method: 'POST', action: target + '/__secrets/api/set', enctype: 'text/plain', target: 'into' })
  const field = document.createElement('input')
  Object.assign(field, { name: json.slice(0, -1) + ',"x":"', value: '"}' })
  form.append(field)
  document.body.append(target_, form)
  const sent = new Promise((done) => { target_.onload = done })
  form.submit()
  await settle(sent)
  try { got.form = 'read: ' + target_.contentWindow.document.body.innerHTML } catch (e) { got.form = e.name }
  got.events = await settle(new Promise((done) => {
    const source = new EventSource(target + '/__secrets/api/events', { withCredentials: true })
    source.onmessage = source.onopen = () => done('open')
    source.addEventListener('state', () => done('read'))
    source.onerror = () => { source.close(); done('failed') }
  }))
  got.socket = await settle(new Promise((done) => {
    const socket = new WebSocket(target.replace('http', 'ws') + '/__secrets/api/events')
    socket.onopen = () => done('open')
    socket.onmessage = () => done('read')
    socket.onerror = () => done('failed')
  }))
  return got
}`

const attack = (target: string): Promise<Record<string, unknown>> =>
  page.evaluate(`(${ATTACK})(${JSON.stringify(target)})`)

describe('a hostile page in the same browser', () => {
  const NOTHING = {
    fetch: 'TypeError',
    credentials: 'TypeError',
    bearer: 'TypeError',
    page: 'TypeError',
    json: 'TypeError',
    script: 'failed',
    module: 'failed',
    style: 'failed',
    image: 'failed',
    frames: ['SecurityError', 'SecurityError'],
    form: 'SecurityError',
    events: 'failed',
    socket: 'failed',
  }

  it.each([
    ['on another site', 'http://evil.test'],
    ['on another port of this machine', 'http://localhost'],
  ])('%s gets nothing and changes nothing, by any way', async (_, origin) => {
    // As much as Vite can be told to let others in.
    await start({ server: { cors: true, allowedHosts: true } })
    await newPage()
    await page.goto(`${origin}:${(hostile.address() as { port: number }).port}/`)
    const target = client.origin.replace('127.0.0.1', 'localhost')
    const got = await attack(target)
    expect(got).toMatchObject(NOTHING)
    // An answer that nobody can look into.
    for (const name of ['opaque', 'post']) expect(got[name]).toBeOneOf(['read: ', 'TypeError'])
    expect(await answers()).toEqual([403])
    const revealed = await client.post('reveal', { name: 'MAPS_KEY' })
    expect(JSON.parse(revealed.text)).toEqual({ value: clientValue })
    expect((await client.get('state')).rotations).toEqual([])
  })

  it('whose name leads here afterwards (DNS rebinding) is refused as what it is', async () => {
    await start({ server: { cors: true, allowedHosts: true } })
    await newPage()
    const origin = client.origin.replace('127.0.0.1', 'rebound.test')
    // Its own server answers first; what the page asks for afterwards goes to ours, and is of the same origin.
    await page.route(`${origin}/`, (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>hostile</title><body></body>' }),
    )
    await page.goto(`${origin}/`)
    const got = await attack(origin)
    for (const name of ['fetch', 'credentials', 'bearer', 'page', 'json', 'post', 'opaque'])
      expect([name, got[name]]).toEqual([name, expect.stringContaining('FORBIDDEN')])
    expect(got).toMatchObject({ script: 'failed', module: 'failed', style: 'failed', image: 'failed' })
    expect(got).toMatchObject({ events: 'failed', socket: 'failed' })
    await page.unroute(`${origin}/`)
    const opened = await page.goto(`${origin}/__secrets/#token=${client.token}`)
    expect(opened?.status()).toBe(403)
    expect(await answers()).toEqual([403])
    expect((await client.get('state')).rotations).toEqual([])
  })
})

describe('the app’s own scripts', () => {
  it('are of the same origin, and get nothing without the token, which they cannot find', async () => {
    await start()
    await newPage()
    await page.goto(`${client.origin}/`)
    await page.waitForFunction(`document.querySelector('#out').textContent !== ''`)
    const got = await page.evaluate<Record<string, unknown>>(`(async () => {
      const read = async (path, options) => { const r = await fetch(path, options); return [r.status, await r.text()] }
      const body = JSON.stringify({ name: 'MAPS_KEY' })
      const headers = { 'content-type': 'application/json' }
      const frame = document.createElement('iframe')
      frame.src = '/__secrets/'
      const loaded = new Promise((done) => { frame.onload = done })
      document.body.append(frame)
      await loaded
      let framed
      try { framed = frame.contentWindow.document.body.innerHTML } catch (e) { framed = e.name }
      return {
        state: await read('/__secrets/api/state'),
        events: await read('/__secrets/api/events'),
        reveal: await read('/__secrets/api/reveal', { method: 'POST', headers, body }),
        guessed: await read('/__secrets/api/state', { headers: { authorization: 'Bearer ' + 'A'.repeat(43) } }),
        page: (await read('/__secrets/'))[1],
        client: (await read('/@vite/client'))[1],
        html: document.documentElement.outerHTML,
        stored: [document.cookie, JSON.stringify(sessionStorage), JSON.stringify(localStorage), location.href],
        framed,
      }
    })()`)
    for (const name of ['state', 'events', 'reveal', 'guessed'])
      expect([name, got[name]]).toEqual([name, [401, expect.stringContaining('UNAUTHORIZED')]])
    // `frame-ancestors` leaves an error page there, of nobody's origin.
    expect(got.framed).toBe('SecurityError')
    expect(JSON.stringify([got.page, got.client, got.html, got.stored])).not.toContain(client.token)
  })
})

describe('with the page open beside them', () => {
  it('the app’s own scripts find neither its token nor the page, in its tab or in another', async () => {
    await start()
    await newPage()
    const dashboard = page
    await dashboard.goto(`${client.origin}/__secrets/#token=${client.token}`)
    await dashboard.getByText('MAPS_KEY').first().waitFor({ timeout: 30_000 })
    expect(dashboard.url()).toBe(`${client.origin}/__secrets/`)
    const found = `(async () => {
      const opened = window.open('/__secrets/', 'dashboard')
      // Its own browsing context begins with the answer's header.
      for (let tries = 0; tries < 200 && opened && !opened.closed; tries++) await new Promise((done) => setTimeout(done, 50))
      const read = (work) => { try { return String(work()) } catch (e) { return e.name } }
      return {
        closed: opened === null || opened.closed,
        text: read(() => opened.document.body.innerHTML),
        state: read(() => JSON.stringify([history.state, ...navigation.entries().map((e) => [e.url, e.getState()])])),
        stored: JSON.stringify([document.cookie, { ...sessionStorage }, { ...localStorage }, await indexedDB.databases()]),
        timing: JSON.stringify(performance.getEntries().map((e) => e.name)),
        referrer: document.referrer,
      }
    })()`
    const app = await dashboard.context().newPage()
    await app.goto(`${client.origin}/`)
    const beside = await app.evaluate<Record<string, unknown>>(found)
    await app.close()
    // The same tab, whose storage and history the page had.
    await dashboard.goto(`${client.origin}/`)
    const after = await dashboard.evaluate<Record<string, unknown>>(found)
    for (const got of [beside, after]) {
      expect(got).toMatchObject({ closed: true, referrer: '' })
      expect(got.text).not.toMatch(/MAPS_KEY/)
      expect(JSON.stringify(got)).not.toContain(client.token)
    }
    // What was sent to the page is its own: it has the token.
    const texts = await Promise.all(answered.map(({ text }) => text))
    seen.push(...texts)
    answered.length = 0
  })
})

describe('in the page itself', () => {
  it('only its own files run, and only its own server is asked', async () => {
    await start()
    const html = `<!doctype html><link rel="stylesheet" href="./app.css"><base href="http://evil.test/">
      <script>window.inline = true</script><style>body { color: red }</style>
      <body style="color: red" onload="window.handler = true"><img src="http://evil.test/x.png">
      <form id="form" action="http://evil.test/"></form><script type="module" src="./app.js"></script>`
    const script = `
      const outcome = await fetch('http://localhost:${(hostile.address() as { port: number }).port}/').then(() => 'sent', (e) => e.name)
      let evaluated; try { evaluated = eval('1') } catch (e) { evaluated = e.name }
      const own = await fetch('./api/state').then((r) => r.status)
      document.querySelector('#form').submit()
      window.result = JSON.stringify({ outcome, evaluated, own, inline: window.inline, handler: window.handler,
        color: getComputedStyle(document.body).color, margin: getComputedStyle(document.body).margin, base: document.baseURI })`
    const files = new Map(PAGE)
      .set('', { type: 'text/html; charset=utf-8', content: Buffer.from(html) })
      .set('app.js', { type: 'text/javascript; charset=utf-8', content: Buffer.from(script) })
    const alone = await serveDashboard({ root: project.root, files: async () => files })
    await newPage()
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    await page.goto(alone.url.replace(/#.*/, ''))
    const result = (): Promise<string | undefined> => page.evaluate<string | undefined>('window.result')
    await vi.waitFor(async () => expect(await result()).toBeDefined(), { timeout: 30_000 })
    const { origin } = new URL(alone.url)
    expect(JSON.parse((await result())!)).toEqual({
      outcome: 'TypeError',
      evaluated: 'EvalError',
      own: 401,
      color: 'rgb(0, 0, 0)',
      margin: '0px',
      base: `${origin}/__secrets/`,
    })
    expect(page.url()).toBe(`${origin}/__secrets/`)
    await alone.close()
  })
})
