import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { bundleScript, startScript } from './support/child.ts'
import { filesBelow, makeWorkspace, type Workspace } from './support/workspace.ts'

// Processes that start together, against a server that counts what it is asked.

const SCRIPT = `
import { createSecrets, defineProvider, SecretsError } from '../../src/index.ts'
const [root, url, mode, refresh] = process.argv.slice(2)
const place = {
  type: 'place', location: url,
  async read(requests, { signal }) {
    try {
      const answer = await fetch(url, { signal, method: 'POST', body: JSON.stringify(requests) })
      return (await answer.json()).map((value) => ({ value }))
    } catch { throw new SecretsError('UNREACHABLE', 'The place is gone.') }
  },
}
const run = async () => {
  const secrets = await createSecrets({
    root, configFile: false, environment: 'test', timeout: 20000,
    providers: { place }, secrets: { A: 'place:a', B: 'place:b' },
    cache: mode === 'none' ? false : { ttl: mode === 'never' ? 0 : '1h' },
  })
  const snapshot = await secrets.load(refresh ? { refresh: true } : {})
  await secrets.close()
  const text = snapshot.get('A').reveal() + snapshot.get('B').reveal()
  process.stdout.write(require('node:crypto').createHash('sha256').update(text).digest('hex'))
}
run().catch((error) => { process.stdout.write(String(error.code)); process.exitCode = 1 })
`

let place: Workspace
let script: string
let requests: number
let onRequest: (response: ServerResponse, answer: () => void) => void
let url: string
const values: [string, string] = [canary(), canary()]
const server = createServer((request, response) => {
  requests++
  request.resume().once('end', () => {
    onRequest(response, () => response.end(JSON.stringify(values)))
  })
})

beforeEach(async () => {
  place = makeWorkspace()
  requests = 0
  onRequest = (_response, answer) => void setTimeout(answer, 100)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  script = await bundleScript(place.folder, SCRIPT)
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
  expect(canaryFiles(place.folder, values)).toEqual([])
  vi.unstubAllEnvs()
  place.remove()
})

async function ended(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await once(child, 'close')
  expect(canariesIn(output, values)).toEqual([])
  return output
}

const start = (mode: string, refresh = ''): ChildProcess =>
  startScript(script, [place.root, url, mode, refresh])
const together = (count: number, mode: string, refresh?: string): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => ended(start(mode, refresh))))

it('ten processes at once make one round of requests', async () => {
  const printed = await together(10, 'cached')
  expect(new Set(printed).size).toBe(1)
  expect(printed[0]).toMatch(/^[0-9a-f]{64}$/)
  expect(requests).toBe(1)
  // One sealed file and no lock is left.
  expect(filesBelow(place.cache)).toHaveLength(1)
  expect(readdirSync(place.cache, { recursive: true }).join()).not.toContain('.lock')
})

it('also where nothing stays fresh: whoever waited takes what was asked for after it came', async () => {
  onRequest = (_response, answer) => void setTimeout(answer, 1500)
  const printed = await together(5, 'never')
  expect(new Set(printed).size).toBe(1)
  expect(requests).toBeLessThanOrEqual(2)
})

it('a refresh is never answered by what was fetched before it, and ten are two rounds at most', async () => {
  await ended(start('cached'))
  onRequest = (_response, answer) => void setTimeout(answer, 1500)
  const printed = await together(5, 'cached', 'refresh')
  expect(new Set(printed).size).toBe(1)
  expect(requests - 1).toBeGreaterThanOrEqual(1)
  expect(requests - 1).toBeLessThanOrEqual(2)
})

it('a holder that is killed does not block the rest', async () => {
  const first = new Promise<void>((resolve) => {
    onRequest = (_response, answer) => {
      // The first one waits for an answer that never comes.
      if (requests === 1) resolve()
      else answer()
    }
  })
  const holder = start('cached')
  await first
  const others = together(4, 'cached')
  // They are waiting by now, or will be: the lock is held.
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(requests).toBe(1)
  holder.kill('SIGKILL')
  const printed = await others
  expect(new Set(printed).size).toBe(1)
  expect(printed[0]).toMatch(/^[0-9a-f]{64}$/)
  expect(requests).toBe(2)
})

it('where no lock can be made each asks by itself', async () => {
  writeFileSync(place.cache, 'not a folder')
  expect(new Set(await together(2, 'cached')).size).toBe(1)
  expect(requests).toBe(2)
})

it('a process without a cache asks by itself', async () => {
  await together(3, 'none')
  expect(requests).toBe(3)
  expect(filesBelow(place.folder).filter((file) => file !== script)).toEqual([])
})
