import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { createServer, type InlineConfig, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, expect, inject, vi } from 'vitest'
import type { SecretsConfig } from '../../src/core/types.ts'
import { local } from '../../src/providers/index.ts'
import { launchBrowser } from './browser.ts'
import { canariesIn, canary } from './canary.ts'
import { makeProject, type Project, viteConfig } from './project.ts'
import { contextFor } from './workspace.ts'

export const PAGE =
  '<!doctype html><p id="out"></p><div id="root"></div><script type="module" src="/src/main.ts"></script>'
/** Counts its loads in what survives them. */
export const COUNT = `sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1\n`
/** Shows `A`, and takes its next value without a reload. */
export const ACCEPTING = `${COUNT}import { A } from 'virtual:secrets/client'
  const show = (value) => { document.querySelector('#out').textContent = value }
  show(A)
  import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`

/** For a machine that does other things meanwhile. ms */
const LONG = 40_000
/** Frameworks that pages of the tests import. */
const PACKAGES = ['react', 'react-dom', 'vue']

/**
 * One Vite dev server with one page in Chromium for each case of a file; made once, outside of the cases.
 * After each, nothing that reached the browser or the terminal may hold a value that had no business there.
 */
export class DevPage {
  browser!: Browser
  project!: Project
  server!: ViteDevServer
  page!: Page
  /** How many lines about restarts Vite is to say in this case; `undefined`: the case looks itself. */
  mayRestart: number | undefined = 0
  /** What went wrong in the page. */
  readonly errors: string[] = []
  /** Frames of the websocket. */
  readonly frames: string[] = []
  /** Everything that reached the browser. */
  readonly seen: string[] = []
  readonly serverValues: string[] = []
  readonly clientValues: string[] = []

  constructor() {
    beforeAll(async () => {
      this.browser = await launchBrowser(inject('servers').chromium)
    })
    afterEach(async () => {
      await this.page?.close()
      await this.server?.close()
      const { mayRestart } = this
      this.mayRestart = 0
      expect(this.restarts()).toHaveLength(mayRestart ?? this.restarts().length)
      const { output } = this.project
      expect(canariesIn([...this.seen, ...output].join('\n'), this.serverValues)).toEqual([])
      expect(canariesIn(output.join('\n'), this.clientValues)).toEqual([])
      this.project.remove()
      vi.unstubAllEnvs()
    })
    afterAll(() => this.browser.close())
  }

  /** A value that only servers may have. */
  readonly secret = (): string => {
    const value = canary('server')
    this.serverValues.push(value)
    return value
  }

  /** A value of the client list. */
  readonly open = (): string => {
    const value = canary('client')
    this.clientValues.push(value)
    return value
  }

  /** Changes a value of the local vault. */
  readonly set = (name: string, value: string): Promise<unknown> =>
    local().write!({ path: name, value }, contextFor(this.project.root))

  /** A project, a server with this configuration, and a page that is not opened yet. */
  readonly start = async (
    files: Record<string, string>,
    values: Record<string, string>,
    config: SecretsConfig | undefined,
    more: InlineConfig = {},
  ): Promise<void> => {
    await this.prepare(files, values)
    this.server = await this.serve(config, more)
    this.page = await this.newPage()
  }

  readonly prepare = async (files: Record<string, string>, values: Record<string, string>): Promise<void> => {
    this.project = await makeProject({ 'index.html': PAGE, ...files }, values)
    mkdirSync(join(this.project.root, 'node_modules'))
    for (const name of PACKAGES)
      symlinkSync(
        fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)),
        join(this.project.root, 'node_modules', name),
      )
    this.errors.length = 0
  }

  readonly newPage = async (): Promise<Page> => {
    const page = await this.browser.newPage()
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => {
        this.frames.push(String(payload))
        this.seen.push(String(payload))
      })
    })
    page.on('pageerror', ({ message }) => void this.errors.push(message))
    page.on('response', (response) => {
      void response.text().then(
        (text) => this.seen.push(text),
        () => {},
      )
    })
    return page
  }

  /** One more server on the project. */
  readonly serve = async (
    config: SecretsConfig | undefined,
    more: InlineConfig = {},
  ): Promise<ViteDevServer> => {
    const server = { port: 0, host: '127.0.0.1', ...more.server }
    const made = await createServer(viteConfig(this.project, config, { ...more, server }))
    return made.listen()
  }

  readonly visit = async (): Promise<void> => {
    await this.page.goto(this.server.resolvedUrls!.local[0]!)
  }

  readonly shows = async (text: string, selector = '#out', page = this.page): Promise<void> => {
    const shown = `document.querySelector(${JSON.stringify(selector)})?.textContent`
    try {
      await page.waitForFunction(`${shown} === ${JSON.stringify(text)}`, undefined, { timeout: LONG })
    } catch {
      expect([await page.evaluate(shown), ...this.errors]).toEqual([text])
    }
  }

  /** An edit in the moment in which Vite's watcher takes its first look is one that it never hears of: so again. */
  readonly edits = (
    files: Record<string, string>,
    follows: (timeout: number) => Promise<unknown>,
  ): Promise<void> =>
    vi.waitFor(
      async () => {
        this.project.write(files)
        await follows(5000)
      },
      { timeout: LONG },
    )

  /** As `edits`, until the page shows the text. */
  readonly editsTo = (files: Record<string, string>, text: string): Promise<void> =>
    this.edits(files, (timeout) =>
      this.page.waitForFunction(
        `document.querySelector('#out')?.textContent === ${JSON.stringify(text)}`,
        undefined,
        { timeout },
      ),
    )

  /** Waits for what comes by itself. */
  readonly until = (condition: () => unknown): Promise<void> =>
    vi.waitFor(async () => void (await condition()), { timeout: LONG })

  readonly loads = (): Promise<number> => this.page.evaluate<number>('Number(sessionStorage.loads)')

  readonly overlay = (): Promise<string | null> =>
    this.page.evaluate<string | null>(
      `document.querySelector('vite-error-overlay')?.shadowRoot.querySelector('.message').textContent ?? null`,
    )

  readonly overlayComes = (timeout = LONG): Promise<unknown> =>
    this.page.waitForSelector('vite-error-overlay', { timeout })

  readonly overlayGoes = async (timeout = LONG): Promise<void> => {
    await this.page.waitForSelector('vite-error-overlay', { state: 'detached', timeout })
  }

  readonly restarts = (): string[] => this.project.output.filter((line) => /restart/.test(line))
}
