import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { rspack } from '@rspack/core'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import webpack from 'webpack'
import type { Provider } from '../../src/core/types.ts'
import { launchBrowser } from '../support/browser.ts'
import { canariesIn, canary, canaryFiles } from '../support/canary.ts'
import { makeProject, type Project } from '../support/project.ts'
import { type CompilerLike, pluginOf, watch } from './compilers.ts'

const PAGE = '<!doctype html><p id="out"></p><script src="/main.js"></script>'
/** As the client of a dev server does, which is told when to look. */
const MAIN = `import { A } from 'virtual:secrets/client'
  sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
  const show = () => { document.querySelector('#out').textContent = A }
  show()
  import.meta.webpackHot.accept('virtual:secrets/client', show)
  setInterval(() => { if (import.meta.webpackHot.status() === 'idle') import.meta.webpackHot.check(true).catch(() => {}) }, 100)`

let browser: Browser
let project: Project
let server: Server

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
afterEach(async () => {
  await new Promise((done) => server.close(done))
  project.remove()
  vi.unstubAllEnvs()
})
afterAll(() => browser.close())

describe.each(['webpack', 'rspack'] as const)('%s', (name) => {
  it('replaces the module of the values in a running page', async () => {
    project = await makeProject({ 'src/main.js': MAIN }, {})
    const server1 = canary('server')
    let [value, version] = [canary('first'), 1]
    const remote: Provider = {
      type: 'remote',
      location: 'test',
      read: async (requests) =>
        requests.map(({ path }) => ({ value: path === 'a' ? value : server1, version: String(version) })),
      versions: async (requests) => requests.map(() => String(version)),
    }
    const secrets = await pluginOf(name)
    const plugin = secrets({
      providers: { remote },
      secrets: { A: 'remote:a', B: 'remote:b' },
      client: ['A'],
      types: false,
      watch: { interval: '100ms' },
    })
    const Hot = name === 'webpack' ? webpack.HotModuleReplacementPlugin : rspack.HotModuleReplacementPlugin
    const dist = join(project.root, 'dist')
    const config = {
      context: project.root,
      mode: 'development',
      target: 'web',
      entry: './src/main.js',
      output: { path: dist },
      infrastructureLogging: { level: 'none' },
      plugins: [plugin, new Hot()],
    }
    const make = (name === 'webpack' ? webpack : rspack) as unknown as (config: object) => CompilerLike
    const watching = watch(make(config))
    server = createServer(({ url }, response) => {
      const file = join(dist, url!.replace(/\?.*/, ''))
      if (url === '/') response.setHeader('content-type', 'text/html').end(PAGE)
      else if (existsSync(file)) response.setHeader('content-type', 'text/javascript').end(readFileSync(file))
      else response.writeHead(404).end()
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const page = await browser.newPage()
    try {
      await watching.next()
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      const shows = (): Promise<unknown> =>
        page.waitForFunction(`document.querySelector('#out').textContent === '${value}'`, undefined, {
          timeout: 20_000,
        })
      await shows()
      for (let round = 0; round < 2; round++) {
        ;[value, version] = [canary('next'), version + 1]
        await shows()
      }
      expect(await page.evaluate('Number(sessionStorage.loads)')).toBe(1)
      expect(canaryFiles(project.root, [server1])).toEqual([])
      expect(canariesIn(project.output.join('\n'), [server1, value])).toEqual([])
    } finally {
      await page.close()
      await watching.close()
    }
  })
})
