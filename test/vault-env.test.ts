import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createSecrets } from '../src/index.ts'
import { vaultEnv } from '../src/providers/vault-env/index.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { ODD_VALUES, testProvider } from '../src/testing/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'
import { contextFor, makeWorkspace } from './support/workspace.ts'

const place = makeWorkspace()
vi.stubEnv('HOME', place.folder)
let server: RunningVaultServer
let client: WireClient
const faults: Server[] = []
const values: string[] = []
const fresh = (): string => {
  const value = canary()
  values.push(value)
  return value
}
const printed: string[] = []
for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const)
  vi.spyOn(console, name).mockImplementation((...parts) => void printed.push(parts.map(String).join(' ')))

beforeAll(async () => {
  server = await serve({ port: 0, databaseUrl: `file:${join(place.folder, 'vault.db')}`, rateLimit: 0 })
  client = await new WireClient(server.url).start()
})
afterAll(async () => {
  for (const made of faults) {
    made.closeAllConnections()
    made.close()
  }
  await server.close()
  vi.unstubAllEnvs()
  place.remove()
})

const provider = (url = server.url, key = client.key) => vaultEnv({ url, key })
const context = () => contextFor(place.root)

async function fault(body: string | undefined, status = 200): Promise<string> {
  const made = createServer((request, response) => {
    request.resume()
    if (body !== undefined) response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  faults.push(made)
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

testProvider({
  name: 'vaultEnv',
  create: () => provider(),
  async seed(documents) {
    for (const [path, value] of Object.entries(documents)) {
      if (typeof value === 'string' && value.length > 16) values.push(value)
      await provider().write!({ path, value }, context())
    }
  },
  oddPaths: ['with space', 'a.b-c_D.1', 'constructor', '__proto__'],
  oddValues: [...ODD_VALUES, ''],
  broken: {
    unreachable: async () => ({ provider: provider(`http://127.0.0.1:${await freePort()}`) }),
    refused: () => ({ provider: provider(server.url, `${client.key}0`), codes: ['LOGIN_REFUSED'] }),
    malformed: async () => ({ provider: provider(await fault('<html>')), codes: ['RESPONSE_MALFORMED'] }),
    slow: async () => ({ provider: provider(await fault(undefined)) }),
  },
  versionsTogether: true,
  forbidden: () => [client.key],
})

describe('vaultEnv', () => {
  test('gives a whole environment to a configuration', async () => {
    const value = fresh()
    const at = { ...context(), environment: 'staging' }
    await provider().write!({ path: 'API_TOKEN', value }, at)
    const secrets = await createSecrets({
      root: place.root,
      environment: 'staging',
      providers: { team: provider() },
      import: ['team:*'],
      cache: false,
    })
    const snapshot = await secrets.load()
    expect(snapshot.names()).toEqual(['API_TOKEN'])
    expect(snapshot.get('API_TOKEN')?.reveal()).toBe(value)
    await secrets.close()
  })

  test('knows versions, and goes back to one', async () => {
    const at = { ...context(), environment: 'history' }
    const asks = provider()
    expect(await asks.versions!([{ path: 'A', options: {} }], at)).toEqual([undefined])
    expect(await asks.write!({ path: 'A', value: 'one', expected: null }, at)).toEqual({ version: '1' })
    expect(await asks.write!({ path: 'A', value: 'two', expected: '1' }, at)).toEqual({ version: '2' })
    await expect(asks.write!({ path: 'A', value: 'three', expected: '1' }, at)).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(await asks.rollback!({ path: 'A', version: '1' }, at)).toEqual({ version: '3' })
    expect(await asks.read([{ path: 'A', options: {} }], at)).toEqual([{ value: 'one', version: '3' }])
    await expect(asks.rollback!({ path: 'A', version: '9' }, at)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await asks.remove!({ path: 'A' }, at)).toBe(true)
    expect(await asks.remove!({ path: 'A' }, at)).toBe(false)
    expect((await asks.history!('A', at))?.map(({ version, state }) => [version, state])).toEqual([
      ['4', 'current'],
      ['3', 'previous'],
      ['2', 'previous'],
      ['1', 'previous'],
    ])
  })

  test('checks, with what mends it', async () => {
    const lines = await provider().check!([{ path: 'NOT_THERE', options: {} }], context())
    expect(lines.map(({ ok }) => ok)).toEqual([true, false])
    const down = await provider(`http://127.0.0.1:${await freePort()}`).check!([], context())
    expect(down).toMatchObject([{ ok: false, hint: expect.stringContaining('VAULT_URL') }])
  })

  test.each([
    [429, 'RATE_LIMITED'],
    [500, 'SERVER_ERROR'],
    [503, 'SERVER_ERROR'],
    [400, 'REQUEST_REFUSED'],
  ])('tells %i as %s, without the answer', async (status, code) => {
    const said = fresh()
    const asking = provider(await fault(JSON.stringify({ error: said }), status))
    const error = await asking.read([{ path: 'A', options: {} }], context()).catch((caught) => caught)
    expect(error).toMatchObject({ code })
    expect(error.format()).not.toContain(said)
  })
})

test('nothing that was written or printed holds a value or a key', () => {
  const all = [...values, client.key, client.key.split('_')[2]!]
  expect(values.length).toBeGreaterThan(5)
  expect(canaryFiles(place.folder, all)).toEqual([])
  expect(canariesIn(printed.join('\n'), all)).toEqual([])
})
