import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer, type Socket } from 'node:net'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { canariesIn } from './canary.ts'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A page of the dashboard in a browser context of its own, and everything that it said and asked for. */
export class DashboardPage {
  readonly page: Page
  readonly #context: BrowserContext
  /** Console lines and errors, and violations of the content security policy. */
  readonly said: string[] = []
  readonly requested: string[] = []

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context
    this.page = page
  }

  static async open(
    browser: Browser,
    url: string | undefined,
    options: BrowserContextOptions = {},
  ): Promise<DashboardPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    context.setDefaultTimeout(20_000)
    const page = await context.newPage()
    const opened = new DashboardPage(context, page)
    page.on('console', (message) => opened.said.push(message.text()))
    page.on('pageerror', (error) => opened.said.push(`error: ${error.message}`))
    page.on('request', (request) => opened.requested.push(request.url()))
    await page.addInitScript(`addEventListener('securitypolicyviolation', (event) => {
      console.log('violation: ' + event.violatedDirective + ' ' + event.blockedURI)
    })`)
    if (url !== undefined) await page.goto(url)
    return opened
  }

  /** The button of a row, which is the name of the secret. */
  row(name: string) {
    return this.page.getByRole('button', { name, exact: true })
  }

  button(name: string | RegExp) {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' })
  }

  view(name: string) {
    return this.page.locator('nav').getByRole('button', { name }).click()
  }

  get details() {
    return this.page.locator('#details')
  }

  get dialog() {
    return this.page.locator('dialog')
  }

  /** What a screen reader is told, good news and bad. */
  told(text: string | RegExp) {
    return this.page.locator('.notices, .banners').getByText(text).first().waitFor()
  }

  names(): Promise<string[]> {
    return this.page.locator('.row .name').allTextContents()
  }

  focused(): Promise<string> {
    return this.page.evaluate(
      `document.activeElement?.id || document.activeElement?.textContent || document.activeElement?.tagName`,
    )
  }

  /** Rules of WCAG 2.2 A and AA, and good practice, that what is shown now breaks. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(`${axeSource};0`)
    return this.page.evaluate<string[]>(`axe.run(document).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 200)).join(' ')))`)
  }

  /** How many pixels stick out to the side. */
  overflow(): Promise<number> {
    return this.page.evaluate(`document.documentElement.scrollWidth - innerWidth`)
  }

  /** Where one of the values stands that should stand nowhere: in the document, fields, address, storage or console. */
  async leaks(values: readonly string[]): Promise<string[]> {
    const state = await this.page.evaluate<Record<string, string>>(`({
      document: document.documentElement.outerHTML,
      fields: [...document.querySelectorAll('input, textarea')].map(({ value }) => value).join('\\n'),
      title: document.title,
      address: location.href + JSON.stringify(history.state),
      session: JSON.stringify(sessionStorage),
      local: JSON.stringify(localStorage),
    })`)
    const all = { ...state, console: this.said.join('\n'), requests: this.requested.join('\n') }
    return Object.entries(all)
      .filter(([, text]) => canariesIn(text, values).length > 0)
      .map(([where]) => where)
  }

  close(): Promise<void> {
    return this.#context.close()
  }
}

/** A wire to a server that can be cut and mended. */
export class Wire {
  readonly #sockets = new Set<Socket>()
  #cut = false
  readonly #server = createServer((from) => {
    if (this.#cut) return void from.destroy()
    const to = connect(this.target, '127.0.0.1')
    for (const socket of [from, to]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        from.destroy()
        to.destroy()
      })
    }
    from.pipe(to).pipe(from)
  })
  /** The server's port; may be another one later. */
  target: number

  constructor(target: number) {
    this.target = target
  }

  /** @returns the port of this end */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address ? address.port : 0)
      })
    })
  }

  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#cut = false
  }

  close(): Promise<void> {
    this.cut()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
