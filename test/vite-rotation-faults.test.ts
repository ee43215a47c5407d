import { randomBytes } from 'node:crypto'
import { createServer } from 'vite'
import { describe, expect, inject, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { Json, Provider, SecretsConfig } from '../src/core/types.ts'
import { vault } from '../src/providers/index.ts'
import { buildEntries } from './bundlers/built.ts'
import { Bao } from './support/bao.ts'
import { ACCEPTING, COUNT, DevPage } from './support/dev-page.ts'
import { fromLocal } from './support/project.ts'

const dev = new DevPage()
const { secret, open, set, start, visit, shows, edits, editsTo, loads } = dev
const { overlay, overlayComes, overlayGoes, until } = dev
const built = await buildEntries(['bundlers/vite', 'runtime/index'])

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
    const configure = (client: readonly string[], secrets: Record<string, string>) => ({
      'secrets.config.json': file(client, secrets),
    })
    const both = { A: 'local:A', B: 'local:B' }
    await editsTo(configure(['A', 'B'], both), `${a},${b}`)
    // Denied now: the overlay has the chain, and goes when it is allowed again.
    await edits(configure(['A'], both), overlayComes)
    expect(await overlay()).toContain('Client code reads B, which is a server secret.')
    await editsTo(configure(['A', 'B'], both), `${a},${b}`)
    expect(await overlay()).toBeNull()

    const before = await loads()
    await edits(configure(['A', 'C'], both), overlayComes)
    expect(await overlay()).toContain('client names C, which is no declared secret.')
    await edits(configure(['A', 'B'], both), overlayGoes)
    expect(await loads()).toBe(before)

    await editsTo(configure(['A'], { A: 'local:A' }), `${a},`)
    // The watch is on the configuration of now.
    const next = open()
    await set('A', next)
    await shows(`${next},`)
  })
})

describe('a link', () => {
  it('made and taken back under a running server moves the values to the document and home again', async () => {
    const [own, linked] = [open(), open()]
    const { bao: place } = inject('servers')
    const bao = new Bao(place)
    const mount = `link-${randomBytes(4).toString('hex')}`
    await bao.mount(mount, 2)
    await bao.write2(mount, 'app', { A: linked })
    vi.stubEnv('VAULT_TOKEN', place.token)
    const config = {
      providers: { local: { type: 'local' }, vault: { type: 'vault', url: place.url, mount } },
      secrets: { A: 'local:A' },
      client: ['A'],
    }
    await start(
      {
        'secrets.config.json': JSON.stringify(config),
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = import.meta.env.A`,
      },
      { A: own },
      undefined,
    )
    await visit()
    await shows(own)
    await editsTo({ 'secrets.links.json': '{ "links": { "development": "vault:app" } }' }, linked)
    await edits({ 'secrets.links.json': '{ "links"' }, overlayComes)
    expect(await overlay()).toContain('secrets.links.json is not JSON.')
    await edits({ 'secrets.links.json': '{ "links": {} }' }, overlayGoes)
    await shows(own)
  })
})

describe('a denied import', () => {
  it('is told with name, chain, frame and fix in overlay and terminal, and goes when it is mended', async () => {
    const [first, second] = [open(), open()]
    const pay = `export const pay = () => 'paid'
`
    await start(
      {
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          import { pay } from './pay'
          document.querySelector('#out').textContent = A + pay()`,
        'src/pay.ts': pay,
      },
      { A: first, TOKEN: secret() },
      fromLocal(['A', 'TOKEN'], { client: ['A'] }),
    )
    await visit()
    await shows(`${first}paid`)
    const denied = `import { TOKEN } from 'virtual:secrets/server'
export const pay = () => TOKEN
`
    await edits({ 'src/pay.ts': denied }, overlayComes)
    const terminal = (): string => dev.project.output.join('\n')
    const whole = await dev.page.evaluate<string>(
      `document.querySelector('vite-error-overlay').shadowRoot.textContent`,
    )
    for (const text of [whole, terminal()]) {
      expect(text).toContain('virtual:secrets/server')
      expect(text).toContain('src/pay.ts:1')
      expect(text).toContain('imported by src/main.ts')
      expect(text).toMatch(/1 +\| +import \{ TOKEN \} from .virtual:secrets\/server/)
    }
    await editsTo({ 'src/pay.ts': pay }, `${first}paid`)
    await overlayGoes()
    // And what was watched is watched on.
    await set('A', second)
    await shows(`${second}paid`)
  })
})

it('a change that comes before the page listens is not lost', async () => {
  const [first, second] = [open(), open()]
  await start({ 'src/main.ts': ACCEPTING }, { A: first }, fromLocal(['A'], { client: ['A'] }))
  let listen = (): void => {}
  const held = new Promise<void>((resolve) => {
    listen = resolve
  })
  await dev.page.routeWebSocket(/.*/, (socket) => {
    // Until then the page talks to nobody, and nobody to it.
    const early: (string | Buffer)[] = []
    socket.onMessage((message) => void early.push(message))
    void held.then(() => {
      const server = socket.connectToServer()
      socket.onMessage((message) => server.send(message))
      for (const message of early) server.send(message)
    })
  })
  await visit()
  await shows(first)
  await set('A', second)
  await until(() => expect(dev.project.output.join()).toContain('A changed'))
  listen()
  await shows(second)
  expect(await loads()).toBe(1)
})

describe('servers', () => {
  it('several on one project: each page has the new value, and one that ends takes nothing away', async () => {
    const [first, second, third] = [open(), open(), open()]
    const config = fromLocal(['A'], { client: ['A'] })
    await start({ 'src/main.ts': ACCEPTING }, { A: first }, config)
    const others = [await dev.serve(config), await dev.serve(config)]
    const pages = await Promise.all(others.map(() => dev.newPage()))
    await visit()
    await shows(first)
    for (const [index, page] of pages.entries()) {
      await page.goto(others[index]!.resolvedUrls!.local[0]!)
      await shows(first, '#out', page)
    }
    await set('A', second)
    for (const page of [dev.page, ...pages]) await shows(second, '#out', page)
    await pages[0]!.close()
    await others[0]!.close()
    await set('A', third)
    for (const page of [dev.page, pages[1]!]) await shows(third, '#out', page)
    expect(dev.project.output.filter((line) => line.includes('A changed'))).toHaveLength(5)
    await pages[1]!.close()
    await others[1]!.close()
  })

  it('one that restarts for its configuration follows on, and the one before is heard of no more', async () => {
    const [first, second] = [open(), open()]
    const settings = (count: number): string => `import secrets from '${built.url('bundlers/vite')}'
      export default {
        define: { COUNT: ${count} },
        plugins: [secrets({
          providers: { local: { type: 'local' } }, secrets: { A: 'local:A' }, client: ['A'],
        })],
      }`
    const main = `${COUNT}import { A } from 'virtual:secrets/client'
      const show = (value) => { document.querySelector('#out').textContent = value + COUNT }
      show(A)
      import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`
    await dev.prepare({ 'src/main.ts': main, 'vite.config.mjs': settings(1) }, { A: first })
    dev.server = await createServer({
      root: dev.project.root,
      customLogger: dev.project.logger,
      server: { port: 0, host: '127.0.0.1' },
    })
    await dev.server.listen()
    dev.page = await dev.newPage()
    await visit()
    await shows(`${first}1`)
    // Once for each edit, of which a slow machine may need more than one.
    dev.mayRestart = undefined
    await edits({ 'vite.config.mjs': settings(2) }, (timeout) =>
      vi.waitFor(() => expect(dev.restarts()).not.toEqual([]), { timeout }),
    )
    await shows(`${first}2`)
    await set('A', second)
    await shows(`${second}2`)
    expect(dev.project.output.filter((line) => line.includes('A changed'))).toHaveLength(1)
    // Vite says that it does, and that it has.
    expect(await loads()).toBeLessThanOrEqual(1 + dev.restarts().length / 2)
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
    'src/main.ts': ACCEPTING,
  }

  it('starts without its provider, says why in overlay and terminal, and heals when it is back', async () => {
    const place = new Place()
    place.put(open())
    place.down = true
    await start(main, {}, placeConfig(place))
    await visit()
    await overlayComes()
    expect(await overlay()).toContain('Cannot reach the place.')
    expect(dev.project.output.join('\n')).toContain('Cannot reach the place.')
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
    await until(() => expect(dev.project.output.join('\n')).toContain('Cannot reach the place.'))
    expect(await dev.page.textContent('#out')).toBe(place.value)
    expect(await overlay()).toBeNull()
    place.put(open())
    place.down = false
    await shows(String(place.value))
    expect(await loads()).toBe(1)
    const lines = (part: string): string[] => dev.project.output.filter((line) => line.includes(part))
    expect(lines('Cannot reach the place.')).toHaveLength(1)
    expect(lines('values of before stay in use')).toHaveLength(1)
    await until(() => expect(lines('The provider answers again.')).toHaveLength(1))
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
    await overlayComes()
    expect(await overlay()).toContain('A does not fit its schema')
    expect(await dev.page.textContent('#out')).toBe(first)
    place.put(open())
    await shows(String(place.value))
    await overlayGoes()
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
        'src/main.ts': ACCEPTING,
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
    await overlayComes()
    expect(await overlay()).toContain('vault:web')
    // A page that is opened now is told as well, and works with the last value.
    const other = await dev.browser.newPage()
    await other.goto(dev.server.resolvedUrls!.local[0]!)
    await other.waitForSelector('vite-error-overlay')
    expect(await other.textContent('#out')).toBe(second)
    await other.close()
    await write(third)
    await shows(third)
    await overlayGoes()
    expect(await loads()).toBe(1)
    expect(dev.project.output.join('\n')).not.toContain(place.token)
  })
})
