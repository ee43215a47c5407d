import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import type { Browser, Page } from 'playwright-core'
import { createServer, type PluginOption, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { Json, Provider, SecretsConfig } from '../src/core/types.ts'
import { dotenv, local, vault } from '../src/providers/index.ts'
import { onSecretsChange } from '../src/runtime/index.ts'
import { Bao } from './support/bao.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary } from './support/canary.ts'
import { fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'
import { contextFor } from './support/workspace.ts'

const PAGE =
  '<!doctype html><p id="out"></p><div id="root"></div><script type="module" src="/src/main.ts"></script>'
/** Counts its loads in what survives them, and says what it shows. */
const COUNT = `sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1\n`

let browser: Browser
let project: Project
let server: ViteDevServer
let page: Page
/** How often Vite is to restart in this case. */
let mayRestart = 0
/** Frames of the websocket and everything else that reached the browser. */
const seen: string[] = []
const serverValues: string[] = []
const clientValues: string[] = []
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

const set = (name: string, value: string): Promise<unknown> =>
  local().write!({ path: name, value }, contextFor(project.root))

const start = async (
  files: Record<string, string>,
  values: Record<string, string>,
  config: SecretsConfig | undefined,
  plugins: PluginOption[] = [],
): Promise<void> => {
  project = await makeProject({ 'index.html': PAGE, ...files }, values)
  mkdirSync(join(project.root, 'node_modules'))
  for (const name of ['react', 'react-dom'])
    symlinkSync(
      fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)),
      join(project.root, 'node_modules', name),
    )
  server = await createServer(
    viteConfig(project, config, { plugins, server: { port: 0, host: '127.0.0.1' } }),
  )
  await server.listen()
  page = await browser.newPage()
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => void seen.push(String(payload)))
  })
  page.on('response', (response) => {
    void response.text().then(
      (text) => seen.push(text),
      () => {},
    )
  })
}
const visit = async (): Promise<void> => {
  await page.goto(server.resolvedUrls!.local[0]!)
}
const shows = (text: string, selector = '#out'): Promise<unknown> =>
  page.waitForFunction(
    `document.querySelector(${JSON.stringify(selector)})?.textContent === ${JSON.stringify(text)}`,
    undefined,
    { timeout: 15_000 },
  )
/** An edit in the moment in which Vite's watcher takes its first look is one that it never hears of: so again. */
const edits = (files: Record<string, string>, text: string): Promise<void> =>
  vi.waitFor(
    async () => {
      project.write(files)
      await page.waitForFunction(
        `document.querySelector('#out')?.textContent === ${JSON.stringify(text)}`,
        undefined,
        { timeout: 4000 },
      )
    },
    { timeout: 20_000 },
  )
const loads = (): Promise<number> => page.evaluate<number>('Number(sessionStorage.loads)')
const overlay = (): Promise<string | null> =>
  page.evaluate<string | null>(
    `document.querySelector('vite-error-overlay')?.shadowRoot.querySelector('.message').textContent ?? null`,
  )
const restarts = (): string[] => project.output.filter((line) => /restart/.test(line))

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
afterEach(async () => {
  await page?.close()
  await server?.close()
  expect(restarts()).toHaveLength(mayRestart)
  mayRestart = 0
  expect(canariesIn([...seen, ...project.output].join('\n'), serverValues)).toEqual([])
  expect(canariesIn(project.output.join('\n'), clientValues)).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})
afterAll(() => browser.close())

describe('a client secret', () => {
  it('is updated in a React component, whose state is kept, and in readers of import.meta.env', async () => {
    const [first, second, other] = [open(), open(), open()]
    await start(
      {
        'src/main.ts': `${COUNT}import './app.jsx'`,
        'src/app.jsx': `import { createRoot } from 'react-dom/client'
          import { Counter } from './counter.jsx'
          createRoot(document.querySelector('#root')).render(<Counter />)`,
        'src/counter.jsx': `import { useState } from 'react'
          import { MAPS_KEY } from 'virtual:secrets/client'
          export function Counter() {
            const [count, setCount] = useState(0)
            return <button onClick={() => setCount(count + 1)}>{MAPS_KEY} {import.meta.env.OTHER} {count}</button>
          }`,
      },
      { MAPS_KEY: first, OTHER: other },
      fromLocal(['MAPS_KEY', 'OTHER'], { client: ['MAPS_KEY', 'OTHER'] }),
      [react()],
    )
    await visit()
    await shows(`${first} ${other} 0`, 'button')
    for (let click = 0; click < 3; click++) await page.click('button')
    await shows(`${first} ${other} 3`, 'button')
    const before = await loads()
    await set('MAPS_KEY', second)
    await shows(`${second} ${other} 3`, 'button')
    const next = open()
    await set('OTHER', next)
    await shows(`${second} ${next} 3`, 'button')
    expect(await loads()).toBe(before)
    expect(project.output.filter((line) => /changed/.test(line))).toEqual([
      '[secrets] MAPS_KEY changed at the provider',
      '[secrets] OTHER changed at the provider',
    ])
  })

  it('reaches an importer that accepts it, with an event of names; fifty in a row lose none', async () => {
    const first = open()
    await start(
      {
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          const show = (value) => { document.querySelector('#out').textContent = value }
          show(A)
          import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))
          import.meta.hot.on('secrets:update', ({ names }) => { globalThis.told = names })`,
      },
      { A: first, B: secret() },
      fromLocal(['A', 'B'], { client: ['A'] }),
    )
    await visit()
    await shows(first)
    for (let round = 0; round < 50; round++) {
      const next = open()
      await Promise.all([set('A', next), set('B', secret())])
      if (round % 10 === 9) await shows(next)
    }
    expect(await page.evaluate('globalThis.told')).toEqual(['A'])
    expect(await loads()).toBe(1)
  })

  it('reloads the page once where nobody accepts it, and where the page itself shows it', async () => {
    const [first, second] = [open(), open()]
    await start(
      {
        'index.html': PAGE.replace('<p ', '<title>%TITLE%</title><p '),
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = import.meta.env.A`,
      },
      { A: first, TITLE: open() },
      fromLocal(['A', 'TITLE'], { client: ['A', 'TITLE'] }),
    )
    await visit()
    await shows(first)
    await set('A', second)
    await shows(second)
    expect(await loads()).toBe(2)
    const title = open()
    await set('TITLE', title)
    await page.waitForFunction(`document.title === '${title}'`)
    await shows(second)
    expect(await loads()).toBe(3)
  })
})

describe('a .env file', () => {
  it('updates by HMR where dotenv reads it; Vite restarts for what is not a secret', async () => {
    const [first, second, third] = [open(), open(), open()]
    await start(
      {
        '.env': `A=${first}\nVITE_OWN=one\n`,
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          const show = (value) => { document.querySelector('#out').textContent = value + import.meta.env.VITE_OWN }
          show(A)
          import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`,
      },
      {},
      { providers: { files: dotenv() }, secrets: { A: 'files:A' }, client: ['A'] },
    )
    await visit()
    await shows(`${first}one`)
    await edits({ '.env': `A=${second}\nVITE_OWN=one\n` }, `${second}one`)
    expect(await loads()).toBe(1)
    expect(restarts()).toEqual([])
    mayRestart = 1
    await edits({ '.env': `A=${second}\nVITE_OWN=two\n` }, `${second}two`)
    // The plugin object is the same as before, and follows on.
    await edits({ '.env': `A=${third}\nVITE_OWN=two\n` }, `${third}two`)
    expect(await loads()).toBe(2)
  })
})

describe('a server secret', () => {
  it('is in the live bindings at once, runs its importers anew, and leaves the page alone', async () => {
    const [first, second] = [secret(), secret()]
    await start(
      {
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = 'here'`,
        'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'
          globalThis.poolsMade = (globalThis.poolsMade ?? 0) + 1
          export const pool = DATABASE_URL
          export const read = () => [DATABASE_URL, import.meta.env.DATABASE_URL]`,
      },
      { DATABASE_URL: first },
      fromLocal(['DATABASE_URL']),
    )
    await visit()
    await shows('here')
    const before = await server.ssrLoadModule('/src/server.ts')
    expect(before.read()).toEqual([first, first])
    const frames = seen.length
    const told: (readonly string[])[] = []
    const stop = onSecretsChange((names) => told.push(names))
    await set('DATABASE_URL', second)
    await vi.waitFor(() => expect(before.read()).toEqual([second, second]), { timeout: 10_000 })
    const after = await server.ssrLoadModule('/src/server.ts')
    expect([before.pool, after.pool]).toEqual([first, second])
    expect(told).toEqual([['DATABASE_URL']])
    stop()
    const third = secret()
    await set('DATABASE_URL', third)
    await vi.waitFor(
      () =>
        expect([before.read(), after.read()]).toEqual([
          [third, third],
          [third, third],
        ]),
      {
        timeout: 10_000,
      },
    )
    expect(await loads()).toBe(1)
    expect(seen.slice(frames)).toEqual([])
    expect(project.output.join('\n')).not.toContain('reload')
    expect(told).toHaveLength(1)
  })

  it('that an import brings is there, and gone, as it is at its place', async () => {
    const value = secret()
    await start(
      {
        'tsconfig.json': '{}',
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = 'here'`,
        'src/server.ts': `export const read = () => import.meta.env.LATE`,
      },
      { EARLY: secret() },
      { providers: { local: local() }, import: ['local:*'] },
    )
    await visit()
    await shows('here')
    const read = async (): Promise<unknown> => (await server.ssrLoadModule('/src/server.ts')).read()
    expect(await read()).toBeUndefined()
    await set('LATE', value)
    await vi.waitFor(async () => expect(await read()).toBe(value), { timeout: 10_000 })
    await vi.waitFor(() =>
      expect(readFileSync(join(project.root, 'src/secrets-env.d.ts'), 'utf8')).toContain('LATE'),
    )
    await local().remove!({ path: 'LATE' }, contextFor(project.root))
    await vi.waitFor(async () => expect(await read()).toBeUndefined(), { timeout: 10_000 })
    // Both times names were other ones: a server that is closed under a page that loads may wait for it for ever.
    await vi.waitFor(async () => expect(await loads()).toBe(3), { timeout: 10_000 })
    await shows('here')
  })
})

describe('a configuration that is edited', () => {
  const file = (client: readonly string[], secrets: Record<string, string>): string =>
    JSON.stringify({ providers: { local: { type: 'local' } }, secrets, client })

  it('adds, denies and takes away names without a restart, and tells a mistake until it is mended', async () => {
    const [a, b] = [open(), open()]
    await start(
      {
        'secrets.config.json': file(['A'], { A: 'local:A' }),
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = [import.meta.env.A, import.meta.env.B].join()`,
      },
      { A: a, B: b },
      undefined,
    )
    await visit()
    await shows(`${a},`)
    project.write({ 'secrets.config.json': file(['A', 'B'], { A: 'local:A', B: 'local:B' }) })
    await shows(`${a},${b}`)
    // Denied now: the overlay has the chain, and goes when it is allowed again.
    project.write({ 'secrets.config.json': file(['A'], { A: 'local:A', B: 'local:B' }) })
    await page.waitForSelector('vite-error-overlay')
    expect(await overlay()).toContain('Client code reads B, which is a server secret.')
    project.write({ 'secrets.config.json': file(['A', 'B'], { A: 'local:A', B: 'local:B' }) })
    await shows(`${a},${b}`)
    expect(await overlay()).toBeNull()

    const before = await loads()
    project.write({ 'secrets.config.json': file(['A', 'C'], { A: 'local:A', B: 'local:B' }) })
    await page.waitForSelector('vite-error-overlay')
    expect(await overlay()).toContain('client names C, which is no declared secret.')
    project.write({ 'secrets.config.json': file(['A', 'B'], { A: 'local:A', B: 'local:B' }) })
    await page.waitForSelector('vite-error-overlay', { state: 'detached' })
    expect(await loads()).toBe(before)

    project.write({ 'secrets.config.json': file(['A'], { A: 'local:A' }) })
    await shows(`${a},`)
    // The watch is on the configuration of now.
    const next = open()
    await set('A', next)
    await shows(`${next},`)
  })
})

describe('what fails', () => {
  /** A place whose answers the test decides. */
  class Place {
    value: Json = ''
    version = 0
    down = false
    put(value: Json): void {
      this.value = value
      this.version++
    }
    get provider(): Provider {
      const answer = <T>(work: T): T => {
        if (this.down) throw new SecretsError('UNREACHABLE', 'Cannot reach the place.')
        return work
      }
      return {
        type: 'place',
        location: 'test',
        read: async (requests) =>
          requests.map(() => answer({ value: this.value as string, version: String(this.version) })),
        versions: async (requests) => requests.map(() => answer(String(this.version))),
      }
    }
  }
  const placeConfig = (place: Place, more: SecretsConfig = {}): SecretsConfig => ({
    providers: { place: place.provider },
    secrets: { A: 'place:a' },
    client: ['A'],
    cache: false,
    timeout: 300,
    watch: { interval: '100ms' },
    ...more,
  })
  const main = {
    'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
      const show = (value) => { document.querySelector('#out').textContent = value }
      show(A)
      import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`,
  }

  it('starts without its provider, says why in overlay and terminal, and heals when it is back', async () => {
    const place = new Place()
    place.put(open())
    place.down = true
    await start(main, {}, placeConfig(place))
    await visit()
    await page.waitForSelector('vite-error-overlay')
    expect(await overlay()).toContain('Cannot reach the place.')
    expect(project.output.join('\n')).toContain('Cannot reach the place.')
    place.down = false
    await shows(String(place.value))
    expect(await overlay()).toBeNull()
  })

  it('keeps the values when the provider goes away later, with one warning, and takes the next one', async () => {
    const place = new Place()
    place.put(open())
    await start(main, {}, placeConfig(place))
    await visit()
    await shows(String(place.value))
    place.down = true
    await vi.waitFor(() => expect(project.output.join('\n')).toContain('Cannot reach the place.'), {
      timeout: 10_000,
    })
    expect(await page.textContent('#out')).toBe(place.value)
    expect(await overlay()).toBeNull()
    place.put(open())
    place.down = false
    await shows(String(place.value))
    expect(await loads()).toBe(1)
    expect(project.output.filter((line) => line.includes('Cannot reach the place.'))).toHaveLength(1)
  })

  it('shows a value that fails its schema until there is a good one, without a reload', async () => {
    const place = new Place()
    place.put(open())
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          /^client_/.test(String(value)) ? { value } : { issues: [{ message: 'must begin with client_' }] },
      },
    }
    await start(main, {}, placeConfig(place, { secrets: { A: { from: 'place:a', schema } } }))
    await visit()
    const first = String(place.value)
    await shows(first)
    place.put(secret())
    await page.waitForSelector('vite-error-overlay')
    expect(await overlay()).toContain('A does not fit its schema')
    expect(await page.textContent('#out')).toBe(first)
    place.put(open())
    await shows(String(place.value))
    await page.waitForSelector('vite-error-overlay', { state: 'detached' })
    expect(await loads()).toBe(1)
  })
})

describe('OpenBao', () => {
  it('is followed to the page: a new version, a deletion, and what comes after it', async () => {
    const { bao: place } = inject('servers')
    const bao = new Bao(place)
    const mount = `rotation-${randomBytes(4).toString('hex')}`
    await bao.mount(mount, 2)
    const write = (value: string): Promise<unknown> => bao.write2(mount, 'web', { key: value })
    const [first, second, third] = [open(), open(), open()]
    await write(first)
    await start(
      {
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          const show = (value) => { document.querySelector('#out').textContent = value }
          show(A)
          import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`,
      },
      {},
      {
        providers: { vault: vault({ url: place.url, mount, auth: { method: 'token', token: place.token } }) },
        secrets: { A: 'vault:web#key' },
        client: ['A'],
        watch: { interval: '200ms' },
      },
    )
    await visit()
    await shows(first)
    await write(second)
    await shows(second)
    await bao.call('DELETE', `${mount}/data/web`)
    await page.waitForSelector('vite-error-overlay')
    expect(await overlay()).toContain('vault:web')
    // A page that is opened now is told as well, and works with the last value.
    const other = await browser.newPage()
    await other.goto(server.resolvedUrls!.local[0]!)
    await other.waitForSelector('vite-error-overlay')
    expect(await other.textContent('#out')).toBe(second)
    await other.close()
    await write(third)
    await shows(third)
    await page.waitForSelector('vite-error-overlay', { state: 'detached' })
    expect(await loads()).toBe(1)
    expect(project.output.join('\n')).not.toContain(place.token)
  })
})
