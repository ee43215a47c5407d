import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { Dashboard } from '../src/dashboard/dashboard.ts'
import { pageFiles } from '../src/dashboard/files.ts'
import { dashboardHandler } from '../src/dashboard/handler.ts'
import { ProjectHost } from '../src/dashboard/project.ts'
import { type DashboardServer, serveDashboard } from '../src/dashboard/server.ts'
import { createToken } from '../src/dashboard/token.ts'
import { local } from '../src/providers/index.ts'
import { Bao } from './support/bao.ts'
import { launchBrowser } from './support/browser.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { DashboardPage, Wire } from './support/dashboard-page.ts'
import { makeProject, type Project } from './support/project.ts'
import { freePort } from './support/servers.ts'
import { contextFor } from './support/workspace.ts'

// The page as it is built, on the real server, over the real local vault and OpenBao.
const dist = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))
const run = `d${randomBytes(4).toString('hex')}`
const values: string[] = []
const value = (prefix?: string): string => {
  const made = canary(prefix)
  values.push(made)
  return made
}
const { url: baoUrl, token: baoToken } = inject('servers').bao
/** A busy machine takes its time. */
const SOON = { timeout: 20_000, interval: 50 }
const silent = { info: () => {}, warn: () => {}, debug: () => {} }
const bao = new Bao({ url: baoUrl, token: baoToken })
let browser: Browser
let project: Project
let server: DashboardServer
let opened: DashboardPage[] = []
const closing: (() => unknown)[] = []

const set = (name: string, text: string): Promise<unknown> =>
  local().write!({ path: name, value: text }, contextFor(project.root))
const stored = async (name: string): Promise<string | undefined> => {
  const [found] = await local().read([{ path: name, options: {} }], contextFor(project.root))
  return found && 'value' in found ? String(found.value) : undefined
}

async function open(options?: BrowserContextOptions, url: string | undefined = server.url) {
  const page = await DashboardPage.open(browser, url, options)
  opened.push(page)
  return page
}
/** With the list there, and the stream open. */
async function openList(options?: BrowserContextOptions, url?: string) {
  const page = await open(options, url)
  await page.page.locator('.live.on').waitFor()
  return page
}

/** An app with the dashboard below it, which it may show in a frame. */
async function startApp(): Promise<{ origin: string; token: string }> {
  const host = new ProjectHost({ root: project.root, logger: silent })
  await host.open()
  const dashboard = new Dashboard(host)
  const token = createToken()
  const handle = dashboardHandler({
    dashboard,
    token,
    hosts: () => [],
    remote: () => false,
    framed: () => true,
    files: () => pageFiles(),
  })
  const around = createServer((request, response) => {
    handle(request, response, () => {
      response.setHeader('content-type', 'text/html').end('<title>App</title><iframe src="/__secrets/">')
    })
  })
  await new Promise<void>((resolve) => around.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    around.closeAllConnections()
    around.close()
    dashboard.close()
    await host.close()
  })
  return { origin: `http://127.0.0.1:${(around.address() as AddressInfo).port}`, token }
}

beforeAll(async () => {
  browser = await launchBrowser(inject('servers').chromium)
  const mapsKey = value('maps')
  project = await makeProject(
    {
      'index.html': '<script type="module" src="/src/main.ts"></script>',
      'src/main.ts': 'console.log(import.meta.env.MAPS_KEY)',
      'src/map.ts': `import { MAPS_KEY } from 'virtual:secrets/client'\nconsole.log(MAPS_KEY)`,
      'src/server/db.ts': `import { DATABASE_URL } from 'virtual:secrets/server'\nconsole.log(DATABASE_URL)`,
    },
    { MAPS_KEY: mapsKey, API_TOKEN: value(), STAGING_TOKEN: value('staging'), MAIL_PASSWORD: value() },
  )
  vi.stubEnv('VAULT_TOKEN', baoToken)
  await bao.write2('secret', `${run}/db`, { url: value('db'), taken: value('taken') })
  const vault = { type: 'vault', auth: { method: 'token' } }
  project.write({
    'secrets.config.json': JSON.stringify({
      providers: {
        local: { type: 'local' },
        vault: { ...vault, url: baoUrl },
        down: { ...vault, url: `http://127.0.0.1:${await freePort()}` },
      },
      import: ['local:*'],
      secrets: {
        MAPS_KEY: { from: 'local:MAPS_KEY', description: 'For the map of stores' },
        API_TOKEN: 'local:API_TOKEN',
        DATABASE_URL: `vault:${run}/db#url`,
        TAKEN: `vault:${run}/db#taken`,
        MAPS_URL: { template: 'https://maps.example.com/?key={{vault:MAPS_KEY}}' },
      },
      client: ['MAPS_KEY', 'MAPS_URL'],
      profiles: { staging: { secrets: { API_TOKEN: 'local:STAGING_TOKEN' } } },
      cache: false,
      // So that nothing but what a case does changes anything.
      watch: { interval: '1h' },
    }),
  })
  server = await serveDashboard({ root: project.root, logger: silent })
})

afterEach(async () => {
  const pages = opened
  opened = []
  for (const page of pages) {
    expect(await page.leaks(values)).toEqual([])
    expect(page.said.filter((line) => /^(violation|error): |Content Security Policy/.test(line))).toEqual([])
    await page.close()
  }
  for (const close of closing.splice(0).reverse()) await close()
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
  // Not in clear in any file of the project or the caches.
  expect(canaryFiles(project.folder, values)).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

describe('the list', () => {
  it('tells everything of each secret but its value', async () => {
    const ui = await openList()
    expect(await ui.names()).toEqual([
      'API_TOKEN',
      'DATABASE_URL',
      'MAIL_PASSWORD',
      'MAPS_KEY',
      'MAPS_URL',
      'STAGING_TOKEN',
      'TAKEN',
    ])
    const row = ui.page.getByRole('row', { name: 'DATABASE_URL' })
    expect(await row.textContent()).toMatch(/••••••••.*vault:d\w+\/db#url.*1.*server.*1 module/)
    const client = ui.page.getByRole('row', { name: 'MAPS_KEY' })
    expect(await client.textContent()).toMatch(/For the map of stores.*browser.*2 modules/)
    await client.getByRole('button', { name: /2 modules/ }).click()
    await ui.page.getByText('src/map.ts').waitFor()
    // It counts on.
    const age = await row.locator('time').textContent()
    await vi.waitFor(async () => expect(await row.locator('time').textContent()).not.toBe(age), SOON)
    await ui.page.keyboard.press('3')
    await ui.page.getByText('Only these reach a browser; the other 5 stay on the server.').waitFor()
    expect(await ui.page.locator('main .name').allTextContents()).toEqual(['MAPS_KEY', 'MAPS_URL'])
  })

  it('takes the token out of the address and asks nobody else', async () => {
    const ui = await openList()
    const { origin, hash } = new URL(server.url)
    expect(ui.page.url()).toBe(`${origin}/__secrets/`)
    expect(ui.requested.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))).toEqual([])
    expect(ui.requested.filter((url) => url.includes('/api/')).join()).not.toContain(hash.slice(7))
  })

  it('keeps the token over a reload, but not for the app, which is of the same origin', async () => {
    const { origin, token } = await startApp()
    const ui = await openList({}, `${origin}/__secrets/#token=${token}`)
    await ui.page.reload()
    await ui.page.locator('.live.on').waitFor()
    await ui.page.goto(`${origin}/`)
    const found = await ui.page.evaluate<string>(`JSON.stringify([
      { ...sessionStorage }, { ...localStorage }, document.cookie, document.referrer, history.state,
      navigation.entries().map((entry) => [entry.url, entry.getState()]),
    ])`)
    expect(found).not.toContain(token)
    await ui.page.goBack()
    await ui.page.locator('.live.on').waitFor()
  })

  it('is searched and filtered', async () => {
    const ui = await openList()
    await ui.page.keyboard.press('/')
    await ui.page.keyboard.type('map.ts')
    expect(await ui.names()).toEqual(['MAPS_KEY'])
    expect(await ui.page.locator('.filters output').textContent()).toBe('1 of 7')
    await ui.page.keyboard.press('Escape')
    expect(await ui.names()).toHaveLength(7)
    await ui.page.getByLabel('Provider').selectOption('vault')
    expect(await ui.names()).toEqual(['DATABASE_URL', 'TAKEN'])
    await ui.page.locator('.sides').getByText('Browser').click()
    await ui.page.getByText('Nothing matches').waitFor()
    await ui.button('Show all 7').click()
    await ui.page.locator('.sides').getByText('Browser').click()
    expect(await ui.names()).toEqual(['MAPS_KEY', 'MAPS_URL'])
    await ui.page.locator('.sides').getByText('All').click()
    await ui.page.getByLabel('Only problems (0)').check()
    await ui.page.getByText('Nothing matches').waitFor()
  })
})

describe('the keyboard', () => {
  it('moves in the list, into the details and back', async () => {
    const ui = await openList()
    await ui.page.keyboard.press('j')
    await ui.page.keyboard.press('ArrowDown')
    await vi.waitFor(async () => expect(await ui.focused()).toBe('row-DATABASE_URL'), SOON)
    await ui.page.keyboard.press('k')
    await vi.waitFor(async () => expect(await ui.focused()).toBe('row-API_TOKEN'), SOON)
    await ui.page.keyboard.press('Enter')
    await vi.waitFor(async () => expect(await ui.focused()).toBe('details-title'), SOON)
    await ui.page.keyboard.press('Escape')
    await vi.waitFor(async () => expect(await ui.focused()).toBe('row-API_TOKEN'), SOON)
    expect(await ui.details.count()).toBe(0)
    await ui.page.keyboard.press('?')
    await ui.dialog.getByText('Next and previous secret').waitFor()
    await ui.page.keyboard.press('Escape')
    await ui.dialog.waitFor({ state: 'detached' })
    // What is typed into a field is no command.
    await ui.page.keyboard.press('/')
    await ui.page.keyboard.type('r?1j')
    expect(await ui.page.locator('#search').inputValue()).toBe('r?1j')
  })

  it('reaches everything by Tab, and shows where it is', async () => {
    const ui = await openList()
    await ui.row('API_TOKEN').click()
    await ui.page.evaluate(`document.body.tabIndex = -1; document.body.focus()`)
    const all = await ui.page.evaluate<number>(
      `document.querySelectorAll('button, select, input:not([type=radio]), input[type=radio]:checked').length`,
    )
    const reached = new Set<string>()
    for (let press = 0; press < all; press++) {
      await ui.page.keyboard.press('Tab')
      const [label, outline] = await ui.page.evaluate<[string, string]>(`(() => {
        const element = document.activeElement
        const drawn = element.type === 'radio' ? element.nextElementSibling : element
        return [element.outerHTML.slice(0, 300), getComputedStyle(drawn).outlineStyle]
      })()`)
      expect([label, outline]).toEqual([label, expect.stringMatching(/solid|auto/)])
      reached.add(label)
    }
    expect(reached.size).toBe(all)
  })
})

describe('local secrets', () => {
  it('are set without an echo, changed and removed', async () => {
    const ui = await openList()
    const [first, second] = [value(), `${value()}\n${value()}\n`]
    await ui.button('Add local secret').click()
    await ui.dialog.getByLabel('Name').fill('NEW_KEY')
    const field = ui.dialog.getByLabel('Value', { exact: true })
    expect(await field.getAttribute('type')).toBe('password')
    await field.fill(first)
    expect(await ui.page.evaluate(`document.documentElement.outerHTML`)).not.toContain(first)
    await ui.dialog.getByRole('button', { name: 'Save' }).click()
    await ui.told('NEW_KEY is set.')
    await ui.row('NEW_KEY').click()
    expect(await stored('NEW_KEY')).toBe(first)

    await ui.button('Edit…').click()
    // As a key is pasted: its lines stay.
    // A field of a dialog that is not shown yet takes no focus; a click waits for it.
    await ui.dialog.getByLabel('New value').click()
    await ui.page.evaluate(`{
      const clipboardData = new DataTransfer()
      clipboardData.setData('text', ${JSON.stringify(second)})
      const paste = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
      document.activeElement.dispatchEvent(paste)
    }`)
    const area = ui.dialog.locator('textarea')
    await area.waitFor()
    await vi.waitFor(async () => expect(await area.inputValue()).toBe(second), SOON)
    expect(
      await ui.page.evaluate(`getComputedStyle(document.querySelector('textarea')).webkitTextSecurity`),
    ).toBe('disc')
    await ui.dialog.getByRole('button', { name: 'Save' }).click()
    await vi.waitFor(async () => expect(await stored('NEW_KEY')).toBe(second), SOON)

    await ui.button('Remove…').click()
    await ui.dialog.getByText('cannot be brought back').waitFor()
    await ui.page.keyboard.press('Escape')
    expect(await stored('NEW_KEY')).toBe(second)
    await ui.button('Remove…').click()
    await ui.dialog.getByRole('button', { name: 'Remove' }).click()
    await ui.told('NEW_KEY is removed.')
    await ui.row('NEW_KEY').waitFor({ state: 'detached' })
    expect(await stored('NEW_KEY')).toBeUndefined()
    await ui.view('Log')
    expect(await ui.page.locator('.log tbody tr').first().textContent()).toMatch(/NEW_KEY.*made here/)
  })

  it('says in the dialog why a name is refused', async () => {
    const ui = await openList()
    await ui.button('Add local secret').click()
    await ui.dialog.getByLabel('Name').fill('DATABASE_URL')
    await ui.dialog.getByText(/comes from vault:/).waitFor()
    await ui.dialog.getByLabel('Value', { exact: true }).fill(value())
    await ui.dialog.getByRole('button', { name: 'Save' }).click()
    await ui.dialog.getByText('move it to local first').waitFor()
    await ui.page.keyboard.press('Escape')
    await ui.dialog.waitFor({ state: 'detached' })
  })

  it('are revealed for a while, and hidden when the window is left', async () => {
    const ui = await open({ permissions: ['clipboard-read', 'clipboard-write'] }, undefined)
    await ui.page.clock.install()
    await ui.page.goto(server.url)
    await ui.row('API_TOKEN').click()
    const shown = ui.page.locator('.revealed')
    const secret = (await stored('API_TOKEN'))!
    expect(await ui.leaks(values)).toEqual([])

    await ui.button('Reveal').click()
    await shown.waitFor()
    expect(await shown.textContent()).toBe(secret)
    expect(await ui.leaks([secret])).toEqual(['document'])
    await ui.button('Copy').click()
    await ui.told('API_TOKEN is in the clipboard.')
    expect(await ui.page.evaluate(`navigator.clipboard.readText()`)).toBe(secret)
    await ui.page.clock.fastForward(16_000)
    await shown.waitFor({ state: 'detached' })

    await ui.button('Reveal').click()
    await shown.waitFor()
    await ui.page.evaluate(`window.dispatchEvent(new Event('blur'))`)
    await shown.waitFor({ state: 'detached' })

    await ui.button('Reveal').click()
    await shown.waitFor()
    await ui.row('DATABASE_URL').click()
    await shown.waitFor({ state: 'detached' })
    // Only what is in the embedded vault.
    await ui.details.getByText('DATABASE_URL').first().waitFor()
    expect(await ui.button('Reveal').count()).toBe(0)
  })
})

describe('what changes', () => {
  it('outside is shown at once, and logged by name', async () => {
    const ui = await openList()
    const row = ui.page.getByRole('row', { name: 'MAPS_KEY' })
    const version = await row.locator('.version').textContent()
    await set('MAPS_KEY', value())
    await vi.waitFor(async () => expect(await row.locator('.version').textContent()).not.toBe(version), SOON)
    await ui.view('Log')
    expect(await ui.page.locator('.log tbody tr').first().textContent()).toMatch(
      /MAPS_KEY.*changed at its provider/,
    )
  })

  it('at a provider comes with Refresh, of one and of all', async () => {
    const ui = await openList()
    const version = ui.page.getByRole('row', { name: 'DATABASE_URL' }).locator('.version')
    const write = (): Promise<number> => bao.write2('secret', `${run}/db`, { url: value(), taken: value() })
    const shows = (text: number): Promise<unknown> =>
      vi.waitFor(async () => expect(await version.textContent()).toBe(String(text)), SOON)
    await ui.row('DATABASE_URL').click()
    await ui.page.keyboard.press('r')
    await ui.told('DATABASE_URL is up to date.')
    await ui.page.keyboard.press('Escape')
    const second = await write()
    await ui.button('Refresh').click()
    // The watch looks at the same time, and may have been first.
    await ui.told(/^DATABASE_URL (has changed|is up to date)\.$/)
    await shows(second)
    await ui.button('Close details').click()

    await ui.page.evaluate(`new MutationObserver((changes) => {
      for (const { addedNodes } of changes)
        for (const node of addedNodes) if (node.localName === 'progress') console.log('bar: ' + node.ariaLabel)
    }).observe(document, { subtree: true, childList: true })`)
    const third = await write()
    await ui.button('Refresh all').click()
    await ui.told(/^(Changed: .*DATABASE_URL|Nothing has changed)/)
    await shows(third)
    expect(ui.said).toContain('bar: Refreshing every secret')
    await ui.page.getByRole('progressbar').waitFor({ state: 'detached' })
  })

  it('is the profile, too', async () => {
    const ui = await openList()
    const reference = ui.page.getByRole('row', { name: 'API_TOKEN' }).locator('.from')
    await ui.page.getByLabel('Profile').selectOption('staging')
    await ui.told('Profile staging.')
    expect(await reference.textContent()).toBe('local:STAGING_TOKEN')
    await ui.page.getByLabel('Profile').selectOption('none')
    await ui.told('Without a profile now.')
    expect(await reference.textContent()).toBe('local:API_TOKEN')
  })

  it('is a secret of a provider that becomes local, with its last value', async () => {
    const ui = await openList()
    const kept = value()
    await set('TAKEN', kept)
    await ui.row('TAKEN').click()
    await ui.button('Move to local…').click()
    await ui.dialog.getByRole('button', { name: 'Move to local' }).click()
    await ui.dialog.getByText('has a value already').waitFor()
    expect(await stored('TAKEN')).toBe(kept)
    await ui.dialog.getByRole('button', { name: 'Replace the local value' }).click()
    await ui.told('TAKEN is local now.')
    expect(await stored('TAKEN')).toBe(values.at(-2))
    await ui.button('Reveal').waitFor()
    const config = readFileSync(join(project.root, 'secrets.config.json'), 'utf8')
    expect(JSON.parse(config).secrets.TAKEN).toBe('local:TAKEN')
  })
})

describe('a frame, as in a dock', () => {
  it('takes a token that is pasted, and leaves it in no storage that the app around it could read', async () => {
    const { origin, token } = await startApp()
    const ui = await open({}, `${origin}/`)
    const frame = ui.page.frameLocator('iframe')
    await frame.getByLabel('The link from the terminal, or its token').fill(token)
    await frame.getByRole('button', { name: 'Open' }).click()
    await frame.locator('.live.on').waitFor()
    await frame.getByRole('button', { name: 'API_TOKEN', exact: true }).click()
    await frame.getByRole('button', { name: 'Edit…' }).click()
    await frame.getByRole('dialog', { name: 'Edit API_TOKEN' }).waitFor()
    expect(await ui.page.evaluate(`sessionStorage.length + localStorage.length`)).toBe(0)
  })
})

describe('environments', () => {
  it('are linked after a push, with a choice where values differ, and unlinked', async () => {
    const [here, there] = [value(), value()]
    const document = `${run}/staging`
    await bao.write2('secret', document, { LINKED_KEY: there })
    const config = {
      providers: { vault: { type: 'vault', url: baoUrl, auth: { method: 'token' } } },
      secrets: {},
      cache: false,
    }
    project.write({
      'linked/secrets.config.json': JSON.stringify(config),
      'linked/.env.staging': `LINKED_KEY=${here}\n`,
    })
    closing.push(() => rmSync(join(project.root, 'linked/.env.staging')))
    const other = await serveDashboard({ root: join(project.root, 'linked'), logger: silent })
    closing.push(() => other.close())
    const ui = await openList({}, other.url)
    await ui.view('Environments')
    await ui.button('Link staging').click()
    await ui.dialog.getByText('first pushes what the environment already has').waitFor()
    await ui.dialog.getByLabel('Document of a provider').fill(`vault:${document}`)
    await ui.dialog.getByRole('button', { name: 'Link' }).click()
    await ui.dialog.getByText('CONFLICT').waitFor()
    expect(await ui.violations()).toEqual([])
    await ui.dialog.getByLabel('Push this machine’s').check()
    await ui.dialog.getByRole('button', { name: 'Link' }).click()
    await ui.told('staging is linked.')
    await ui.page.locator('.card', { hasText: 'staging' }).getByText(`vault:${document}`).waitFor()
    const { data } = await bao.call<{ data: { data: object } }>('GET', `secret/data/${document}`)
    expect(data.data).toEqual({ LINKED_KEY: here })

    await ui.button('Unlink staging').click()
    await ui.dialog.getByText('cleared from this machine’s disk').waitFor()
    await ui.dialog.getByRole('button', { name: 'Unlink' }).click()
    await ui.told('staging is unlinked.')
    await ui.button('Link staging').waitFor()
  })
})

describe('what goes wrong', () => {
  it('is a provider: Test Connection has each step with its hint', async () => {
    const ui = await openList()
    await ui.view('Providers')
    const card = ui.page.getByRole('article', { name: 'down' })
    await card.getByRole('button', { name: 'Test connection of down' }).click()
    await ui.told(/^down: \d+ of \d+ checks failed\.$/)
    expect(await card.locator('.failed').first().textContent()).toMatch(/^✗Failed: /)
    expect(await card.locator('.failed .hint').first().textContent()).not.toBe('')
    await ui.button('Test connection of vault').click()
    await ui.told(/^vault: all \d+ checks passed\.$/)
    await ui.page.getByRole('article', { name: 'vault' }).getByRole('button', { name: '1 secret' }).click()
    expect(await ui.names()).toEqual(['DATABASE_URL'])
  })

  it('is a provider that a secret needs: cause and hint, and no value', async () => {
    const config = {
      providers: {
        down: { type: 'vault', url: `http://127.0.0.1:${await freePort()}`, auth: { method: 'token' } },
      },
      secrets: { LOST: 'down:team/app#key' },
      cache: false,
      timeout: 1000,
      watch: false,
    }
    project.write({ 'lost/secrets.config.json': JSON.stringify(config) })
    const other = await serveDashboard({ root: join(project.root, 'lost'), logger: silent })
    closing.push(() => other.close())
    const ui = await openList({}, other.url)
    await ui.page
      .locator('.banner')
      .getByText('is failing')
      .or(ui.page.locator('.banner .problem'))
      .first()
      .waitFor()
    expect(await ui.page.locator('.banners').textContent()).toMatch(/down|127\.0\.0\.1/)
    const row = ui.page.getByRole('row', { name: 'LOST' })
    expect(await row.textContent()).toMatch(/error.*none/)
    await ui.page.getByLabel('Only problems (1)').check()
    await ui.row('LOST').click()
    expect(await ui.details.locator('.problem .code').textContent()).toBe('UNREACHABLE')
    expect(await ui.violations()).toEqual([])
    await ui.button('Refresh all').click()
    await ui.page.getByRole('alert').getByText('Could not refresh.').waitFor()
    await ui.page.keyboard.press('Escape')
    await ui.page.getByRole('alert').getByText('Could not refresh.').waitFor({ state: 'detached' })
  })

  it('is the wire: the last state stays, and comes back by itself', async () => {
    const wire = new Wire(Number(new URL(server.url).port))
    const port = await wire.listen()
    closing.push(() => wire.close())
    const ui = await openList({}, server.url.replace(/:\d+/, `:${port}`))
    wire.cut()
    await ui.told('The server does not answer.')
    expect(await ui.names()).toContain('API_TOKEN')
    await ui.button('Refresh all').click()
    await ui.page.getByRole('alert').getByText('Start it again, then repeat this.').waitFor()
    await set('MAPS_KEY', value())
    wire.mend()
    await ui.page.locator('.live.on').waitFor()
    await ui.page.getByText('was known last').waitFor({ state: 'detached' })
    await ui.view('Log')
    expect(await ui.page.locator('.log tbody tr').first().textContent()).toContain('MAPS_KEY')
  })

  it('is a server that was started again: its new link is asked for', async () => {
    const own = { root: project.root, port: await freePort(), logger: silent }
    const before = await serveDashboard(own)
    const ui = await openList({}, before.url)
    await before.close()
    await ui.told('The server does not answer.')
    const after = await serveDashboard(own)
    closing.push(() => after.close())
    await ui.told('This page’s token is no longer valid,')
    expect(await ui.names()).toContain('API_TOKEN')
    await ui.page.getByLabel('The link from the terminal, or its token').fill(after.url)
    await ui.button('Open').click()
    await ui.page.locator('.live.on').waitFor()
    await ui.page.getByText('was known last').waitFor({ state: 'detached' })
  })

  it('is no token, or another one: the page says where it is, and takes it from a new link', async () => {
    const [address, token] = server.url.split('#') as [string, string]
    for (const wrong of [address, `${address}#token=${randomBytes(32).toString('base64url')}`]) {
      const ui = await open({}, wrong)
      await ui.page.getByText('Open this page from the terminal').waitFor()
      await ui.page.getByText('npx secrets dashboard').waitFor()
      expect(await ui.violations()).toEqual([])
      expect(await ui.names()).toEqual([])
      await ui.page.evaluate(`location.hash = ${JSON.stringify(token)}`)
      await ui.page.locator('.live.on').waitFor()
      expect(ui.page.url()).toBe(address)
    }
  })

  it('is that there is nothing yet: the page has the command', async () => {
    project.write({ 'new/package.json': '{ "name": "new" }' })
    const other = await serveDashboard({ root: join(project.root, 'new'), logger: silent })
    closing.push(() => other.close())
    const ui = await openList({}, other.url)
    await ui.page.getByText('No secrets yet').waitFor()
    await ui.page.getByText('npx secrets set API_TOKEN').waitFor()
    expect(await ui.violations()).toEqual([])
    await ui.button('Add a local secret').click()
    await ui.dialog.getByLabel('Name').fill('FIRST')
    await ui.dialog.getByLabel('Value', { exact: true }).fill(value())
    await ui.dialog.getByRole('button', { name: 'Save' }).click()
    await ui.row('FIRST').waitFor()
  })
})

describe('how it looks', () => {
  it.each([
    ['light', 1280],
    ['dark', 360],
  ] as const)(
    '%s, %i px: no rule of accessibility broken, nothing sticks out',
    async (colorScheme, width) => {
      const ui = await openList({ colorScheme, viewport: { width, height: 740 }, reducedMotion: 'reduce' })
      const fine = async (what: string): Promise<void> => {
        expect([what, await ui.violations(), await ui.overflow()]).toEqual([what, [], 0])
      }
      await fine('list')
      await ui.page.getByRole('button', { name: /2 modules/ }).click()
      await fine('modules')
      await ui.row('API_TOKEN').click()
      await fine('details')
      await ui.button('Edit…').click()
      await fine('edit')
      await ui.page.keyboard.press('Escape')
      await ui.button('Close details').click()
      for (const view of ['Providers', 'Browser', 'Environments', 'Log']) {
        await ui.view(view)
        await fine(view)
      }
      await ui.page.keyboard.press('?')
      await fine('keys')
    },
  )

  it('follows the system, until a person decides', async () => {
    const ui = await openList({ colorScheme: 'dark' })
    const background = (): Promise<string> =>
      ui.page.evaluate(`getComputedStyle(document.documentElement).backgroundColor`)
    const dark = await background()
    await ui.button('Colours: auto').click()
    const light = await background()
    expect(light).not.toBe(dark)
    await ui.page.reload()
    await ui.button('Colours: light').click()
    expect(await background()).toBe(dark)
    await ui.button('Colours: dark').click()
    await ui.page.emulateMedia({ colorScheme: 'light' })
    expect(await background()).toBe(light)
  })

  it('is three small files that need nothing else', () => {
    const pages = fileURLToPath(new URL('../src/dashboard/page/', import.meta.url))
    for (const file of readdirSync(pages, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.tsx?$/.test(name),
    ))
      expect(readFileSync(join(pages, file), 'utf8')).not.toMatch(
        /innerHTML|outerHTML|insertAdjacent|document\.write|console\./i,
      )
    const [html, js, css] = ['index.html', 'app.js', 'app.css'].map((file) =>
      readFileSync(join(dist, file), 'utf8'),
    ) as [string, string, string]
    expect(html.length + js.length + css.length).toBeLessThan(64_000)
    expect(html).not.toMatch(/<style|<script(?! type="module" src="app\.js"><)|\son\w+=|style=/)
    expect(html.match(/(?:href|src)="(?!data:)[^"]*"/g)).toEqual(['href="app.css"', 'src="app.js"'])
    expect(css).not.toMatch(/url\(|@import/)
  })
})
