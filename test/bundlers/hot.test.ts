import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { rspack } from '@rspack/core'
import { RspackDevServer } from '@rspack/dev-server'
import { context } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import webpack from 'webpack'
import WebpackDevServer from 'webpack-dev-server'
import { launchBrowser } from '../support/browser.ts'
import { canariesIn, canary, canaryFiles } from '../support/canary.ts'
import { makeProject, type Project } from '../support/project.ts'
import { RemotePlace } from '../support/remote-place.ts'
import { pluginOf } from './compilers.ts'

const PAGE = '<!doctype html><p id="out"></p><script src="/main.js"></script>'
const MAIN = `import { A } from 'virtual:secrets/client'
  sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
  const show = () => { document.querySelector('#out').textContent = A + ' ' + import.meta.env.C }
  show()
  import.meta.webpackHot.accept('virtual:secrets/client', show)`
/** For a machine that does other things meanwhile. ms */
const LONG = 40_000

/** What the two have in common. */
interface DevServer {
  start(): Promise<void>
  stop(): Promise<void>
  readonly server?: unknown
}
interface Compiler {
  readonly hooks: { readonly make: { tap(name: string, work: () => void): void } }
  close(done: () => void): void
}
type Make = (options: object, compiler: Compiler) => DevServer

const bundlers = {
  webpack: {
    compile: webpack as unknown as (config: object) => Compiler,
    serve: ((options, compiler) => new WebpackDevServer(options, compiler as never)) as Make,
    overlay: '#webpack-dev-server-client-overlay',
    cache: (folder: string): object => ({ type: 'filesystem', cacheDirectory: folder }),
  },
  rspack: {
    compile: rspack as unknown as (config: object) => Compiler,
    serve: ((options, compiler) =>
      new RspackDevServer(options, compiler as never) as unknown as DevServer) as Make,
    overlay: '#rspack-dev-server-client-overlay',
    cache: (folder: string): object => ({
      type: 'persistent',
      storage: { type: 'filesystem', directory: folder },
    }),
  },
}

let browser: Browser
let project: Project
let server: DevServer | undefined
let compiler: Compiler | undefined
let page: Page

const place = new RemotePlace()
const { secret, put, settings, serverValues } = place

/** The server does not end its compiler, which writes its cache only then. */
const close = async (): Promise<void> => {
  await server?.stop()
  await new Promise<void>((done) => (compiler ? compiler.close(() => done()) : done()))
  server = compiler = undefined
}

const shows = (): Promise<unknown> =>
  page.waitForFunction(
    `document.querySelector('#out').textContent === '${place.values.a} ${place.values.c}'`,
    undefined,
    { timeout: LONG },
  )

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
beforeEach(async () => {
  place.values = { a: canary('first'), b: secret(), c: canary('other') }
  project = await makeProject({ 'src/main.js': MAIN, 'public/index.html': PAGE }, {})
  page = await browser.newPage()
})
afterEach(async () => {
  await page.close()
  await close()
  expect(canaryFiles(project.root, serverValues)).toEqual([])
  expect(canariesIn(project.output.join('\n'), [...serverValues, ...Object.values(place.values)])).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})
afterAll(() => browser.close())

describe.each(['webpack', 'rspack'] as const)('the dev server of %s', (name) => {
  const { compile, serve, overlay, cache } = bundlers[name]

  /** Starts it, with a persistent cache, and opens its page. */
  const open = async (): Promise<void> => {
    const say = (...message: unknown[]): void => void project.output.push(message.join(' '))
    const secrets = await pluginOf(name)
    const plugin = secrets(settings)
    compiler = compile({
      context: project.root,
      mode: 'development',
      target: 'web',
      entry: './src/main.js',
      output: { path: join(project.root, 'dist') },
      cache: cache(join(project.root, 'cache')),
      stats: 'none',
      infrastructureLogging: {
        level: 'info',
        console: { ...console, log: say, info: say, warn: say, error: say },
      },
      plugins: [plugin],
    })
    server = serve(
      {
        host: '127.0.0.1',
        port: 'auto',
        hot: true,
        static: { directory: join(project.root, 'public'), watch: false },
        client: { logging: 'none', overlay: true },
        devMiddleware: { stats: 'none' },
      },
      compiler,
    )
    await server.start()
    const { port } = (server.server as { address(): { port: number } }).address()
    await page.goto(`http://127.0.0.1:${port}/`)
  }
  const loads = (): Promise<unknown> => page.evaluate('Number(sessionStorage.loads)')

  it('replaces the values in a running page, and begins with those of now from its cache', async () => {
    await open()
    await shows()
    for (let round = 0; round < 3; round++) {
      put({ a: canary('next'), b: secret() })
      await shows()
    }
    put({ c: canary('env') })
    await shows()
    expect(await loads()).toBe(1)
    await close()
    expect(existsSync(join(project.root, 'cache'))).toBe(true)
    put({ a: canary('later') })
    await open()
    await shows()
    put({ a: canary('last') })
    await shows()
    expect(await loads()).toBe(2)
    expect(project.output.join('\n')).toContain('A, B changed at the provider')
  })

  it('leaves the page alone when only a server secret has changed', async () => {
    await open()
    await shows()
    await page.evaluate('globalThis.mark = 1')
    put({ b: secret() })
    await vi.waitFor(() => expect(project.output.join('\n')).toContain('B changed at the provider'), {
      timeout: LONG,
    })
    // What would have come because of it comes before this.
    put({ a: canary('next') })
    await shows()
    expect([await loads(), await page.evaluate('globalThis.mark')]).toEqual([1, 1])
  })

  it('loses no change of two within one rebuild, and of one that comes while it builds', async () => {
    await open()
    await shows()
    let during = (): void => {}
    compiler!.hooks.make.tap('test', () => during())
    // The build that this begins has the second value; what comes while it runs is the next one's.
    put({ a: canary('lost') })
    put({ a: canary('second'), c: canary('with it') })
    await shows()
    let late = 3
    during = () => {
      if (late-- > 0) put({ a: canary(`late-${late}`) })
    }
    put({ c: canary('again') })
    await vi.waitFor(() => expect(late).toBeLessThan(0), { timeout: LONG })
    await shows()
    expect(await loads()).toBe(1)
  })

  it('shows a denied import over the page until it is mended', async () => {
    await open()
    await shows()
    project.write({ 'src/main.js': `import { B } from 'virtual:secrets/server'\nconsole.log(B)\n${MAIN}` })
    await page.waitForSelector(overlay, { timeout: LONG })
    const text = page.frameLocator(overlay).locator('body')
    await vi.waitFor(async () => expect(await text.textContent()).toMatch(/virtual:secrets\/server/), {
      timeout: LONG,
    })
    expect(await text.textContent()).toContain('src/main.js')
    project.write({ 'src/main.js': MAIN })
    await page.waitForSelector(overlay, { state: 'detached', timeout: LONG })
    put({ a: canary('next') })
    await shows()
  })
})

it('a page that esbuild serves is loaded again with the value of now', async () => {
  const { default: secrets } = await import('../../src/bundlers/esbuild.ts')
  project.write({
    'src/main.js': `document.querySelector('#out').textContent = import.meta.env.A + ' ' + import.meta.env.C
      new EventSource('/esbuild').addEventListener('change', () => location.reload())`,
  })
  const made = await context({
    absWorkingDir: project.root,
    entryPoints: ['src/main.js'],
    bundle: true,
    outdir: 'public',
    logLevel: 'silent',
    plugins: [secrets(settings)],
  })
  try {
    await made.watch()
    const { port } = await made.serve({ servedir: 'public', host: '127.0.0.1', port: 0 })
    await page.goto(`http://127.0.0.1:${port}/`)
    for (let round = 0; round < 3; round++) {
      await shows()
      put({ a: canary('next') })
    }
    await shows()
  } finally {
    await made.dispose()
  }
})
