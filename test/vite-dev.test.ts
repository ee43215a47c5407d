import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { createServer, preview, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'

const PAGE =
  '<!doctype html><title>%TITLE%</title><p id="out"></p><script type="module" src="/src/main.ts"></script>'
const DATABASE_URL = canary('db')
const MAPS_KEY = canary('maps')
const config = () => fromLocal(['DATABASE_URL', 'MAPS_KEY', 'TITLE'], { client: ['MAPS_KEY', 'TITLE'] })

let browser: Browser
let project: Project
let server: ViteDevServer
/** Everything that came over the wire or was thrown. */
const seen: string[] = []

const start = async (files: Record<string, string>): Promise<string> => {
  project = await makeProject({ 'index.html': PAGE, ...files }, { DATABASE_URL, MAPS_KEY, TITLE: 'Dev shop' })
  server = await createServer(viteConfig(project, config(), { server: { port: 0, host: '127.0.0.1' } }))
  await server.listen()
  return server.resolvedUrls!.local[0]!
}
const get = async (url: string, path: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(new URL(path, url))
  const text = await response.text()
  seen.push(text)
  return { status: response.status, text }
}

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
})
afterEach(async () => {
  expect(canariesIn([...seen, ...project.output].join('\n'), [DATABASE_URL])).toEqual([])
  await server?.close()
  project.remove()
  vi.unstubAllEnvs()
})
afterAll(() => browser.close())

describe('the dev server', () => {
  it('serves a page its values, and the server its own, without a value in its code', async () => {
    const url = await start({
      'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
        const worker = new Worker(new URL('./w.ts', import.meta.url), { type: 'module' })
        worker.onmessage = ({ data }) => { document.querySelector('#out').textContent = MAPS_KEY + '|' + import.meta.env.TITLE + '|' + data }`,
      'src/w.ts': `postMessage(import.meta.env.TITLE)`,
      'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'
        export const read = () => ({ url: DATABASE_URL, same: import.meta.env.DATABASE_URL, all: process.env.DATABASE_URL })`,
    })
    const page = await browser.newPage()
    await page.goto(url)
    await page.waitForFunction(`document.querySelector('#out').textContent !== ''`)
    expect(await page.textContent('#out')).toBe(`${MAPS_KEY}|Dev shop|Dev shop`)
    expect(await page.title()).toBe('Dev shop')
    await page.close()

    const { read } = await server.ssrLoadModule('/src/server.ts')
    expect(read()).toEqual({ url: DATABASE_URL, same: DATABASE_URL, all: undefined })
    for (const { modules } of [server.environments.ssr.moduleGraph].map(({ idToModuleMap }) => ({
      modules: idToModuleMap,
    }))) {
      for (const module of modules.values()) seen.push(JSON.stringify(module.transformResult))
    }
  })

  it('fails a denied import in the overlay and the terminal, with name, chain, frame and fix', async () => {
    const url = await start({
      'src/main.ts': `import './db.ts'`,
      'src/db.ts': `export const a = 1\nexport const url: string = import.meta.env.DATABASE_URL\n`,
    })
    const page = await browser.newPage()
    await page.goto(url)
    await page.waitForSelector('vite-error-overlay')
    const overlay = await page.evaluate<string>(
      `document.querySelector('vite-error-overlay').shadowRoot.textContent`,
    )
    await page.close()
    const terminal = project.output.join('\n')
    for (const text of [overlay, terminal]) {
      expect(text).toContain('Client code reads DATABASE_URL, which is a server secret.')
      expect(text).toMatch(/src\/db\.ts:2:28\s+imported by src\/main\.ts/)
      expect(text).toContain('> 2 | export const url: string = import.meta.env.DATABASE_URL')
      expect(text).toContain("client: ['DATABASE_URL']")
    }
    seen.push(overlay)

    // The next answer after the mistake is mended is a good one, without a restart.
    project.write({ 'src/db.ts': 'export const url = 1\n' })
    await vi.waitFor(async () => expect((await get(url, '/src/db.ts')).status).toBe(200), { timeout: 10_000 })
  })

  it.each([
    '/@id/__x00__virtual:secrets/server',
    '/@id/__x00__virtual:secrets/server?x',
    '/@id/__x00__virtual:secrets/server?import&raw',
    '/@id/__x00__virtual:secrets/server?t=1',
    '/@id/virtual:secrets/server',
    '/@id/virtual:secrets/server?url',
    '/@id/__x00__virtual:secrets/runtime',
    '/@id/__x00__virtual:secrets/server%3Fx',
  ])('gives nothing to %s', async (path) => {
    const url = await start({ 'src/main.ts': '', 'src/server.ts': `import 'virtual:secrets/server'` })
    // Also when the server's own graph has the module already.
    await server.ssrLoadModule('/src/server.ts')
    const { status, text } = await get(url, path)
    expect(status).not.toBe(200)
    expect(text).not.toMatch(/"from":|local:DATABASE_URL/)
  })

  it('denies a package that asks for the server module, though it is bundled before it is served', async () => {
    const url = await start({
      'src/main.ts': `import { url } from 'dependency'\ndocument.querySelector('#out')!.textContent = String(url)`,
      'node_modules/dependency/package.json':
        '{ "name": "dependency", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
      'node_modules/dependency/index.js': `export { DATABASE_URL as url } from 'virtual:secrets/server'`,
    })
    const page = await browser.newPage()
    const answers: Promise<unknown>[] = []
    page.on('response', (answer) => void answers.push(answer.text().then((text) => seen.push(text), String)))
    await page.goto(url)
    await page.waitForSelector('vite-error-overlay')
    const overlay = await page.evaluate<string>(
      `document.querySelector('vite-error-overlay').shadowRoot.textContent`,
    )
    await Promise.all(answers)
    await page.close()
    expect(overlay).toContain('Client code imports virtual:secrets/server, which holds server secrets.')
    expect(canaryFiles(join(project.root, 'node_modules'), [DATABASE_URL])).toEqual([])
    for (const path of ['/node_modules/.vite/deps/dependency.js', '/@id/__x00__virtual:secrets/server'])
      expect((await get(url, path)).text).not.toMatch(/"from":|local:DATABASE_URL/)
  })

  it('keeps key and vault from being fetched, and what Vite denies by itself', async () => {
    const url = await start({ 'src/main.ts': '', '.env.local': 'A=1', 'a.pem': 'x' })
    for (const path of [
      '/.secrets/project.key',
      '/.secrets/local.vault',
      '/.env.local',
      '/a.pem',
      '/.secrets/local.vault?raw',
      '/.secrets/project.key?import&raw',
    ]) {
      expect([path, (await get(url, path)).status]).toEqual([path, 403])
    }
  })

  it('stops before it starts when the policy or a secret is wrong', async () => {
    project = await makeProject({ 'index.html': PAGE, 'src/main.ts': '' }, { DATABASE_URL })
    const text = await failure(
      createServer(viteConfig(project, fromLocal(['DATABASE_URL', 'MISSING'], { client: ['DATABASE_URI'] }))),
    )
    expect(text).toContain(
      'client names DATABASE_URI, which is no declared secret. Did you mean DATABASE_URL?',
    )
    const missing = await failure(createServer(viteConfig(project, fromLocal(['DATABASE_URL', 'MISSING']))))
    expect(missing).toContain('MISSING is not there at local:MISSING')
    expect(missing).toContain('npx secrets set MISSING')
  })
})

describe('vite preview', () => {
  it('serves what was built without asking for any secret', async () => {
    project = await makeProject(
      { 'index.html': PAGE, 'src/main.ts': 'console.log(import.meta.env.MAPS_KEY)' },
      { DATABASE_URL, MAPS_KEY, TITLE: 'x' },
    )
    await buildClient(project, config())
    writeFileSync(join(project.root, '.secrets/local.vault'), 'damaged')
    mkdirSync(join(project.root, 'other'))
    const shown = await preview(viteConfig(project, config(), { preview: { port: 0, host: '127.0.0.1' } }))
    expect((await get(shown.resolvedUrls!.local[0]!, '/')).text).toContain('<title>x</title>')
    await shown.close()
  })
})
