// Pages in Chromium that tell what they show; every arm of a benchmark pays for that alike.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { chromium } from 'playwright-core'
import { serverParts } from './servers.mjs'

export const fresh = () => `value_${randomBytes(12).toString('hex')}`

/** The script that a page's own begins with. */
export const SHOW = `const show = (text) => {
  document.querySelector('#out').textContent = text
  fetch('/__shown?' + encodeURIComponent(text))
}\n`

let shown = () => {}
/** Answers for `/__shown`, whatever the server. */
export function tell(request, response) {
  shown(decodeURIComponent(request.url.replace(/.*\?/, '')), performance.now())
  response.end()
}

/** @returns when the page has shown the value, on the clock of `performance.now()` */
export function until(value) {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error('The page never showed the new value.')), 20_000)
    shown = (text, at) => {
      if (text !== value) return
      clearTimeout(timer)
      done(at)
    }
  })
}

export function openBrowser() {
  return chromium.launch({
    executablePath: serverParts().chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })
}

/** Writes a project's files. @returns its root */
export function project(folder, files) {
  for (const [file, text] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  return folder
}

/** A provider in memory, whose values the benchmark decides. */
export class Memory {
  value = fresh()
  version = 1
  /** Tells the watch that something has changed. */
  changed = () => {}
  provider = {
    type: 'memory',
    location: 'memory',
    cached: false,
    read: async (requests) => requests.map(() => ({ value: this.value, version: String(this.version) })),
    versions: async (requests) => requests.map(() => String(this.version)),
    watch: (_, call) => {
      this.changed = call
      return () => {}
    },
  }

  /** @returns ms from the moment the change is known to the text in the page */
  async rotate() {
    const next = fresh()
    const seen = until(next)
    this.value = next
    this.version++
    const known = performance.now()
    this.changed()
    return (await seen) - known
  }

  /** The settings of a project with this one secret. */
  get settings() {
    return {
      providers: { memory: this.provider },
      secrets: { KEY: 'memory:key' },
      client: ['KEY'],
      types: false,
    }
  }
}
