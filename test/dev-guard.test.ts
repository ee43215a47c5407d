import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { brotliCompressSync, createGzip, gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { createServer, type Plugin, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { local } from '../src/providers/index.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary } from './support/canary.ts'
import { fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'
import { contextFor } from './support/workspace.ts'

const PAGE = '<!doctype html><p id="out"></p><script type="module" src="/src/main.ts"></script>'
const TOKEN = canary('token')
const SIGNED = `sk "live" \\ ${canary('signed')}`
const MAPS_KEY = canary('maps')

let project: Project
let server: ViteDevServer
let outer: Server | undefined
/** Everything that came over the wire. */
const seen: string[] = []

async function start(
  answer?: RequestListener,
  more: Partial<Parameters<typeof viteConfig>[2]> = {},
): Promise<string> {
  project = await makeProject({ 'index.html': PAGE, 'src/main.ts': '' }, { TOKEN, SIGNED, MAPS_KEY })
  const app: Plugin = {
    name: 'app',
    configureServer: (vite) => void vite.middlewares.use('/app', (req, res) => answer?.(req, res)),
  }
  const config = fromLocal(['TOKEN', 'SIGNED', 'MAPS_KEY'], { client: ['MAPS_KEY'] })
  server = await createServer(
    viteConfig(project, config, { plugins: [app], server: { port: 0, host: '127.0.0.1' }, ...more }),
  )
  if (more.server?.middlewareMode) return ''
  await server.listen()
  return server.resolvedUrls!.local[0]!
}

async function get(url: string, path = '/app', init?: RequestInit) {
  const response = await fetch(new URL(path, url), init)
  const text = await response.text()
  seen.push(text, JSON.stringify([...response.headers]))
  return { status: response.status, headers: response.headers, text }
}

afterEach(async () => {
  expect(canariesIn([...seen, ...project.output].join('\n'), [TOKEN, SIGNED])).toEqual([])
  await server?.close()
  outer?.close()
  outer = undefined
  project.remove()
  vi.unstubAllEnvs()
})

const stopped = (name: string, path = '/app/', encoding = 'plain') =>
  `The response to ${path.replace(/\/$/, '')} carries the value of ${name} (${encoding})`

describe('stops what carries a value', () => {
  const forms: [string, string, string, string][] = [
    ['plain', TOKEN, 'TOKEN', 'plain'],
    ['base64', Buffer.from(`x${TOKEN}`).toString('base64'), 'TOKEN', 'base64'],
    ['hex', Buffer.from(TOKEN).toString('hex'), 'TOKEN', 'hex'],
    ['JSON', JSON.stringify({ key: SIGNED }), 'SIGNED', 'escaped'],
    ['URL', encodeURIComponent(SIGNED), 'SIGNED', 'percent'],
    ['HTML', SIGNED.replaceAll('"', '&quot;'), 'SIGNED', 'html entities'],
  ]
  it.each(forms)('%s, in one piece', async (_, form, name, encoding) => {
    const url = await start((_req, res) =>
      res.writeHead(200, { 'content-type': 'text/html' }).end(`<p>${form}</p>`),
    )
    const { status, text, headers } = await get(url, '/app?x=1')
    expect(status).toBe(500)
    expect(text).toContain(stopped(name, '/app', encoding))
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(project.output.join('\n')).toContain(stopped(name, '/app', encoding))
  })

  it.each([
    ['a header', (res) => res.setHeader('x-key', TOKEN).end('ok')],
    ['a header of writeHead', (res) => res.writeHead(200, ['x-key', TOKEN]).end('ok')],
    ['a header alone', (res) => res.writeHead(302, { location: `/?k=${TOKEN}` }).end()],
    [
      'a flushed head',
      (res) => {
        res.setHeader('x-key', TOKEN)
        res.flushHeaders()
        res.end()
      },
    ],
    [
      'the first of several pieces',
      (res) => {
        res.write(`<p>${TOKEN}</p>`)
        res.end('<p>more</p>')
      },
    ],
    ['bytes', (res) => res.end(Buffer.from(`\0\0${TOKEN}`))],
    ['a text in another encoding', (res) => res.end(Buffer.from(TOKEN).toString('base64'), 'base64')],
    ['a compressed body', (res) => res.setHeader('content-encoding', 'gzip').end(gzipSync(TOKEN))],
    [
      'a body in Brotli',
      (res) => res.setHeader('content-encoding', 'br').end(brotliCompressSync(Buffer.from(TOKEN))),
    ],
    [
      'a body that is not compressed, as it says',
      (res) => res.setHeader('content-encoding', 'gzip').end(TOKEN),
    ],
  ] as [string, (res: Parameters<RequestListener>[1]) => void][])('in %s', async (_, answer) => {
    const url = await start((_req, res) => answer(res))
    const { status, text } = await get(url, '/app', { redirect: 'manual' })
    expect([status, text]).toEqual([500, expect.stringContaining(stopped('TOKEN', '/app'))])
  })

  it('a module that a plugin filled, a page, a file of public/', async () => {
    const url = await start()
    project.write({
      'src/main.ts': `export const key = ${JSON.stringify(TOKEN)}`,
      'index.html': `${PAGE}<!-- ${SIGNED} -->`,
      'public/robots.txt': Buffer.from(TOKEN).toString('base64url'),
    })
    for (const path of ['/', '/src/main.ts', '/src/main.ts?t=1', '/robots.txt', '/src/main.ts?raw'])
      expect([path, (await get(url, path)).status]).toEqual([path, 500])
    expect((await get(url, '/@vite/client')).status).toBe(200)
    // Mended, it is served again.
    project.write({ 'src/main.ts': 'export const key = 1' })
    await vi.waitFor(async () => expect((await get(url, '/src/main.ts')).status).toBe(200), {
      timeout: 10_000,
    })
  })

  it('the value from before a rotation, and not what browsers had or may have now', async () => {
    let answer = ''
    const url = await start((_req, res) => res.end(answer))
    const set = (path: string, value: string): Promise<unknown> =>
      local().write!({ path, value }, contextFor(project.root))
    const [second, third, maps] = [canary('token'), canary('token'), canary('maps')]
    const status = async (text: string): Promise<number> => {
      answer = text
      const response = await fetch(new URL('/app', url))
      await response.arrayBuffer()
      return response.status
    }
    for (const next of [second, third]) {
      await set('TOKEN', next)
      await vi.waitFor(async () => expect(await status(next)).toBe(500), { timeout: 20_000, interval: 200 })
    }
    expect([await status(TOKEN), await status(second), await status(third)]).toEqual([500, 500, 500])
    await set('MAPS_KEY', maps)
    await vi.waitFor(() => expect(project.output.join()).toContain('MAPS_KEY changed'), { timeout: 20_000 })
    expect([await status(MAPS_KEY), await status(maps)]).toEqual([200, 200])
    // What was a server's once may be a browser's, when it is on its list.
    await set('MAPS_KEY', TOKEN)
    await vi.waitFor(async () => expect(await status(TOKEN)).toBe(200), { timeout: 20_000 })
    expect(canariesIn(project.output.join('\n'), [second, third])).toEqual([])
  })

  it('the address is shown without query and without a value', async () => {
    const url = await start((_req, res) => res.end(TOKEN))
    const { text } = await get(url, `/app/${TOKEN}?${TOKEN}`)
    expect(text).toContain('The response to /app/[TOKEN] carries')
  })

  it('across the borders of pieces: cuts the connection before the value is whole', async () => {
    const pieces = [...TOKEN].map((char) => char)
    const url = await start(async (_req, res) => {
      res.write('data: begin\n\n')
      for (const piece of pieces) {
        res.write(piece)
        await new Promise(setImmediate)
      }
      res.end('\n\n')
    })
    const received: string[] = []
    const response = await fetch(new URL('/app', url))
    const reading = (async () => {
      for await (const piece of response.body!) received.push(Buffer.from(piece).toString())
    })()
    await expect(reading).rejects.toThrow()
    // What could begin a value was held back from its fourth character on.
    expect(received.join('').length).toBeLessThan('data: begin\n\n'.length + 8)
    expect(project.output.join('\n')).toContain(stopped('TOKEN', '/app'))
  })

  it('across the borders of compressed pieces', async () => {
    const url = await start(async (_req, res) => {
      res.setHeader('content-encoding', 'gzip')
      const gzip = createGzip()
      gzip.on('data', (piece) => res.write(piece))
      gzip.on('end', () => res.end())
      for (const piece of ['data: a\n\n', TOKEN.slice(0, 20), TOKEN.slice(20)]) {
        gzip.write(piece)
        await new Promise<void>((done) => gzip.flush(() => done()))
      }
      gzip.end()
    })
    await expect(fetch(new URL('/app', url)).then((response) => response.text())).rejects.toThrow()
    expect(project.output.join('\n')).toContain(stopped('TOKEN', '/app'))
  })

  it('what an app answers in middleware mode, compressed outside or not', async () => {
    await start(undefined, { server: { middlewareMode: true, ws: false }, appType: 'custom' })
    outer = createHttp((req, res) => {
      // As compression middlewares do: they wrap the response before Vite sees it.
      const end = res.end
      if (req.url?.includes('gzip'))
        res.end = ((body: string) => {
          res.setHeader('content-encoding', 'gzip')
          return end.call(res, gzipSync(body) as never, undefined as never)
        }) as typeof res.end
      server.middlewares(req, res, () => {
        res.setHeader('content-type', 'text/html')
        res.end(req.url?.includes('leak') ? `<p>${TOKEN}</p>` : '<p>fine</p>')
      })
    })
    await new Promise<void>((done) => outer!.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${(outer.address() as AddressInfo).port}`
    expect(await get(url, '/a')).toMatchObject({ status: 200, text: '<p>fine</p>' })
    expect(await get(url, '/a?gzip')).toMatchObject({ status: 200, text: '<p>fine</p>' })
    expect((await get(url, '/a?leak')).status).toBe(500)
    const both = await get(url, '/b?leak&gzip')
    expect([both.status, both.text]).toEqual([500, expect.stringContaining(stopped('TOKEN', '/b'))])
    expect(both.headers.get('content-encoding')).toBe('gzip')
  })
})

describe('leaves everything else as it was', () => {
  it('lengths, heads, states without a body', async () => {
    const url = await start((req, res) => {
      if (req.url?.startsWith('/304')) return void res.writeHead(304, { etag: '"a"' }).end()
      if (req.url?.startsWith('/204')) return void res.writeHead(204, 'Nothing').end()
      const sent = [res.headersSent]
      res.writeHead(201, 'Made', { 'x-a': ['1', '2'], 'content-length': 5 })
      sent.push(res.headersSent)
      res.end('hello', () => seen.push(JSON.stringify(sent)))
    })
    const made = await get(url)
    expect([made.status, made.text, made.headers.get('content-length'), made.headers.get('x-a')]).toEqual([
      201,
      'hello',
      '5',
      '1, 2',
    ])
    expect(seen).toContain('[false,true]')
    expect((await get(url, '/app', { method: 'HEAD' })).headers.get('content-length')).toBe('5')
    expect((await get(url, '/app/304')).status).toBe(304)
    expect((await get(url, '/app/204')).status).toBe(204)
    const module = await get(url, '/src/main.ts')
    const again = await get(url, '/src/main.ts', {
      headers: { 'if-none-match': module.headers.get('etag')! },
    })
    expect(again.status).toBe(304)
  })

  it('a stream comes piece by piece, also its last bytes', async () => {
    let next = () => {}
    const url = await start(async (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.flushHeaders()
      for (const event of ['one', `almost ${TOKEN.slice(0, 12)}\n`, 'three']) {
        res.write(`data: ${event}\n\n`)
        await new Promise<void>((done) => {
          next = done
        })
      }
      // The beginning of a value, and then nothing.
      res.write(TOKEN.slice(0, 15))
      res.end()
    })
    const response = await fetch(new URL('/app', url))
    const reader = response.body!.getReader()
    let all = ''
    for (const end of ['one\n\n', '\n\n\n', 'three\n\n']) {
      while (!all.endsWith(end)) all += Buffer.from((await reader.read()).value!).toString()
      next()
    }
    for (let part = await reader.read(); !part.done; part = await reader.read())
      all += Buffer.from(part.value).toString()
    expect(all).toBe(
      `data: one\n\ndata: almost ${TOKEN.slice(0, 12)}\n\n\ndata: three\n\n${TOKEN.slice(0, 15)}`,
    )
  })

  it('large bodies, compressed bodies, bytes', async () => {
    const large = Buffer.from(canary().repeat(50_000))
    const url = await start((req, res) => {
      if (req.url === '/gzip') return void res.setHeader('content-encoding', 'gzip').end(gzipSync(large))
      if (req.url === '/odd') return void res.setHeader('content-encoding', 'x-odd').end(large)
      res.write(large.subarray(0, 1000), () => res.end(large.subarray(1000)))
    })
    for (const path of ['/app', '/app/gzip'])
      expect((await get(url, path)).text === large.toString()).toBe(true)
    const odd = await fetch(new URL('/app/odd', url))
    expect((await odd.arrayBuffer()).byteLength).toBe(large.length)
  })

  it('values that browsers may have', async () => {
    const url = await start((_req, res) => res.end(MAPS_KEY))
    expect(await get(url)).toMatchObject({ status: 200, text: MAPS_KEY })
  })

  it('an upgrade of the connection', async () => {
    const url = await start()
    const { port } = new URL(url)
    const answer = await new Promise<string>((done, fail) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        const head = ['GET / HTTP/1.1', 'host: localhost', 'connection: Upgrade', 'upgrade: websocket']
        head.push('sec-websocket-version: 13', `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`)
        head.push('sec-websocket-protocol: vite-ping')
        socket.write(`${head.join('\r\n')}\r\n\r\n`)
      })
      socket.once('data', (data) => {
        socket.destroy()
        done(data.toString())
      })
      socket.once('error', fail)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 101 /)
  })
})

describe('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser(inject('servers').chromium)
  })
  afterAll(() => browser.close())

  it('the overlay says what was stopped', async () => {
    const url = await start()
    project.write({ 'src/main.ts': `import './config.ts'`, 'src/config.ts': `export default '${TOKEN}'` })
    const page = await browser.newPage()
    await page.goto(url)
    await page.waitForSelector('vite-error-overlay')
    const overlay = await page.evaluate<string>(
      `document.querySelector('vite-error-overlay').shadowRoot.textContent`,
    )
    await page.close()
    seen.push(overlay)
    expect(overlay).toContain(stopped('TOKEN', '/src/config.ts'))
  })
})
