import { createCompiler, createDevServer, Logger, resolveConfig, type Server } from '@farmfe/core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it, vi } from 'vitest'
import secrets from '../src/bundlers/farm.ts'
import type { SecretsConfig } from '../src/core/types.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary } from './support/canary.ts'
import { makeProject, type Project } from './support/project.ts'
import { RemotePlace } from './support/remote-place.ts'
import { freePort } from './support/servers.ts'

// Farm's dev server with a page in Chromium: changes of values, and what is kept from the page.
const HTML = '<!doctype html><p id="out"></p><script type="module" src="./src/main.ts"></script>'
const MAIN = `import { show } from './show'
  sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
  show()`
const SHOW = `import { A } from 'virtual:secrets/client'
  export const show = (): void => { document.querySelector('#out')!.textContent = A + ' ' + import.meta.env.C }`
/** For a machine that does other things meanwhile. ms */
const LONG = 40_000

let browser: Browser
let project: Project
let server: Server
let page: Page
/** Everything that reached the browser. */
let seen: string[] = []

const place = new RemotePlace()
const { secret, put, settings, serverValues } = place

async function serve(more: SecretsConfig = {}, persistentCache = false): Promise<void> {
  const say = (message: unknown): void => void project.output.push(String(message))
  const logger = Object.assign(new Logger(), { info: say, warn: say, error: say })
  const given = {
    root: project.root,
    configFile: false,
    clearScreen: false,
    plugins: [secrets({ ...settings, ...more })],
    compilation: { progress: false, persistentCache },
    server: { host: '127.0.0.1', port: await freePort(), strictPort: true, open: false },
  }
  const config = await resolveConfig(given as Parameters<typeof resolveConfig>[0], 'development', logger)
  server = await createDevServer(await createCompiler(config, logger), config, logger)
  await server.listen()
}

const address = (path = ''): string => `http://127.0.0.1:${server.config.port}/${path}`

/** Opens the page; what changes before its socket is open does not reach it. */
async function open(): Promise<void> {
  page = await browser.newPage()
  page.on('response', (response) => {
    void response.text().then(
      (text) => seen.push(text),
      () => {},
    )
  })
  const connected = new Promise<void>((resolve) => {
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => {
        seen.push(String(payload))
        if (String(payload).includes('"connected"')) resolve()
      })
    })
  })
  await page.goto(address())
  await connected
}

const shows = (): Promise<unknown> =>
  page.waitForFunction(
    `document.querySelector('#out').textContent === '${place.values.a} ${place.values.c}'`,
    undefined,
    { timeout: LONG },
  )
const loads = (): Promise<number> => page.evaluate('Number(sessionStorage.loads)')

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
beforeEach(async () => {
  place.values = { a: canary('first'), b: secret(), c: canary('other') }
  seen = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => project.output.push(String(text)) > 0)
  project = await makeProject({ 'index.html': HTML, 'src/main.ts': MAIN, 'src/show.ts': SHOW }, {})
})
afterEach(async () => {
  await page?.close()
  await server.watcher.getInternalWatcher().close()
  await server.close()
  expect(canariesIn([...seen, ...project.output].join('\n'), serverValues)).toEqual([])
  expect(canariesIn(project.output.join('\n'), Object.values(place.values))).toEqual([])
  project.remove()
  vi.restoreAllMocks()
})
afterAll(() => browser.close())

it('brings changes of values to a page, each with one reload', async () => {
  await serve()
  await open()
  await shows()
  for (let count = 1; count <= 5; count++) {
    put({ a: canary('next'), b: secret(), c: canary('next') })
    await shows()
    expect(await loads()).toBe(count + 1)
  }
  expect(project.output.filter((line) => line.includes('A, B, C changed'))).toHaveLength(5)
})

it('keeps what a module that takes updates has, and leaves the page alone for a server value', async () => {
  project.write({
    'src/main.ts': `${MAIN}\nif (import.meta.hot) import.meta.hot.accept('./show', (module) => module.show())`,
  })
  await serve()
  await open()
  await shows()
  put({ b: secret() })
  await expect.poll(() => project.output.join('\n'), { timeout: LONG }).toContain('B changed')
  put({ a: canary('next') })
  await shows()
  expect(await loads()).toBe(1)
})

it('stops responses and updates that carry a server value, and goes on', async () => {
  await serve()
  await open()
  await shows()
  project.write({ 'public/late.txt': `late ${place.values.b}` })
  const stopped = await fetch(address('late.txt'))
  expect(stopped.status).toBe(500)
  expect(await stopped.text()).toContain('The response to /late.txt carries the value of B (plain)')

  project.write({ 'src/show.ts': `${SHOW}\nconsole.log('${place.values.b}')` })
  await expect.poll(() => seen.join('\n'), { timeout: LONG }).toContain('An update carries the value of B')
  expect(project.output.join('\n')).toContain('An update carries the value of B (plain)')
  // Named in the page, which asks for it by a script.
  const script = async (): Promise<Response> => {
    const [name] = /index_\w+\.js/.exec(await (await fetch(address())).text())!
    return fetch(address(name))
  }
  await expect.poll(async () => (await script()).status, { timeout: LONG }).toBe(500)
  expect(await (await script()).text()).toMatch(/The response to .*\.js carries the value of B/)

  project.write({ 'src/show.ts': SHOW })
  await expect
    .poll(
      async () => {
        await page.reload()
        return page.locator('#out').textContent()
      },
      { timeout: LONG },
    )
    .toBe(`${place.values.a} ${place.values.c}`)
})

it('looks at modules anew when names come and go, those of its cache too', async () => {
  project.write({ 'src/show.ts': SHOW.replace("' '", "' ' + (import.meta.env.NEW ?? '')") })
  const said = (): string => project.output.join('\n')
  place.values = { ...place.values, doc: '{"OTHER":"1"}' }
  await serve({ import: ['remote:doc'] }, true)
  await open()
  await shows()
  put({ doc: JSON.stringify({ NEW: secret() }) })
  await expect.poll(said, { timeout: LONG }).toContain('Client code reads NEW, which is a server secret.')
  put({ doc: '{"OTHER":"1"}', a: canary('next') })
  await shows()
})
