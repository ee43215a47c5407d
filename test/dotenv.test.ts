import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { deviceHash, encryptBlob, encryptionKey, makeDeviceSecret } from '../src/core/crypto/vault-env.ts'
import { config, configSync, unwatch, watch } from '../src/dotenv/index.ts'
import { saveDeviceSecret } from '../src/providers/vault-env/device.ts'
import { vaultEnv } from '../src/providers/vault-env/index.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'
import { contextFor, makeWorkspace } from './support/workspace.ts'

const run = promisify(execFile)
const place = makeWorkspace()
const written: string[] = []
const fresh = (): string => {
  const value = canary()
  written.push(value)
  return value
}

let server: RunningVaultServer
let client: WireClient
let folder: string
let env: NodeJS.ProcessEnv
beforeAll(async () => {
  mkdirSync(join(place.folder, 'server'))
  server = await serve({
    port: 0,
    databaseUrl: `file:${join(place.folder, 'server/vault.db')}`,
    rateLimit: 0,
  })
})
afterAll(async () => {
  await server.close()
  vi.unstubAllEnvs()
  place.remove()
})
beforeEach(async () => {
  env = { ...process.env }
  process.env.HOME = mkdtempSync(join(place.folder, 'home-'))
  client = await new WireClient(server.url).start()
  folder = mkdtempSync(join(place.root, 'app-'))
})
afterEach(() => {
  unwatch()
  vi.restoreAllMocks()
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
})

const path = () => join(folder, '.env')
const write = (text: string) => writeFileSync(path(), text)
const push = (name: string, value: string, environment = 'development') =>
  vaultEnv({ url: server.url, key: client.key }).write!(
    { path: name, value },
    { ...contextFor(place.root), environment },
  )
const options = (more = {}) => ({ path: path(), environment: 'development', vaultUrl: server.url, ...more })

describe('without a key it is dotenv', () => {
  test('sets what the file has, and nothing that is set', async () => {
    write('PLAIN_A=1\nPLAIN_B="two # not a comment"\n')
    process.env.PLAIN_A = 'before'
    expect(await config({ path: path() })).toEqual({
      parsed: { PLAIN_A: '1', PLAIN_B: 'two # not a comment' },
    })
    expect([process.env.PLAIN_A, process.env.PLAIN_B]).toEqual(['before', 'two # not a comment'])
    expect(configSync({ path: path(), override: true }).parsed.PLAIN_A).toBe('1')
    expect(process.env.PLAIN_A).toBe('1')
  })

  test('a missing file is an empty one', async () => {
    expect(await config({ path: path() })).toEqual({ parsed: {} })
    expect(configSync({ path: path() })).toEqual({ parsed: {} })
  })
})

describe('with a key', () => {
  test('the server’s values are set; the file’s other names win; the key is not set', async () => {
    const [remote, shadowed] = [fresh(), fresh()]
    await push('DROP_REMOTE', remote)
    await push('DROP_LOCAL', shadowed)
    write(`VAULT_KEY=${client.key}\nDROP_LOCAL=local\n`)
    const { parsed, version } = await config(options())
    expect([parsed.DROP_REMOTE, version]).toEqual([remote, 2])
    expect([process.env.DROP_REMOTE, process.env.DROP_LOCAL]).toEqual([remote, 'local'])
    expect(process.env.VAULT_KEY).toBeUndefined()
    await config(options({ override: true }))
    expect(process.env.DROP_LOCAL).toBe(shadowed)
  })

  test('a key in the environment means that the file is not read', async () => {
    await push('DROP_ONLY', fresh())
    write('DROP_FILE=1\n')
    process.env.VAULT_KEY = client.key
    expect(Object.keys((await config(options())).parsed)).toEqual(['DROP_ONLY'])
    expect(process.env.DROP_FILE).toBeUndefined()
  })

  test('a server that is down is replaced by the cache of the same environment, with one warning', async () => {
    const value = fresh()
    await push('DROP_CACHED', value)
    write(`VAULT_KEY=${client.key}\n`)
    await config(options())
    expect(statSync(join(folder, '.vault-cache.development')).mode & 0o777).toBe(0o600)
    delete process.env.DROP_CACHED
    const down = options({ vaultUrl: `http://127.0.0.1:${await freePort()}` })
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    expect(await config(down)).toEqual({ parsed: { DROP_CACHED: value } })
    expect(warn.mock.calls).toEqual([['[vault-env] Remote fetch failed, using cached secrets']])
    expect(process.env.DROP_CACHED).toBe(value)
    delete process.env.DROP_CACHED
    expect(configSync(down)).toEqual({ parsed: { DROP_CACHED: value } })
    await expect(config({ ...down, cache: false })).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await expect(config({ ...down, environment: 'production' })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('Failed to fetch secrets and no cache available'),
    })
    writeFileSync(join(folder, '.vault-cache.development'), 'damaged')
    await expect(config(down)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(configSync(down)).toEqual({ parsed: {} })
    expect(warn).toHaveBeenLastCalledWith('[vault-env] No cache available, falling back to local .env')
  })

  test('each environment has a cache of its own, and the other clients’ common one is left alone', async () => {
    const [development, staging, foreign] = [fresh(), fresh(), fresh()]
    await push('DROP_WHERE', development)
    await push('DROP_WHERE', staging, 'staging')
    write(`VAULT_KEY=${client.key}\n`)
    const common = join(folder, '.vault-cache')
    const sealed = encryptBlob(JSON.stringify({ DROP_WHERE: foreign }), encryptionKey(client.key, undefined))
    writeFileSync(common, sealed)
    for (const environment of ['development', 'staging']) await config(options({ environment }))
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const of = (environment: string) => configSync(options({ environment, override: true })).parsed.DROP_WHERE
    expect([of('development'), of('staging'), of('production')]).toEqual([development, staging, undefined])
    expect(readFileSync(common, 'utf8')).toBe(sealed)
  })

  test('a revoked device loses its cache', async () => {
    const secret = makeDeviceSecret()
    await saveDeviceSecret(client.projectId, secret)
    const made = await client.signed('devices/register', {
      device_name: 'x',
      device_hash: deviceHash(secret),
    })
    await push('DROP_REVOKED', fresh())
    write(`VAULT_KEY=${client.key}\n`)
    await config(options())
    expect(existsSync(join(folder, '.vault-cache.development'))).toBe(true)
    await client.signed('devices/revoke', { device_id: made.body.device_id })
    await expect(config(options())).rejects.toMatchObject({ code: 'DEVICE_REVOKED' })
    expect(existsSync(join(folder, '.vault-cache.development'))).toBe(false)
  })

  test('text that is no key, and an environment without values, are told', async () => {
    write('VAULT_KEY=nonsense\n')
    await expect(config(options())).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    write(`VAULT_KEY=${client.key}\n`)
    await expect(config(options({ environment: 'empty' }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('watch', () => {
  const settled = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 10 })

  test('sets what changes, tells the names, and stops', async () => {
    await push('DROP_WATCHED', fresh())
    await push('DROP_SAME', fresh())
    write(`VAULT_KEY=${client.key}\n`)
    await config(options())
    // The key stands in the file only, and is enough.
    expect(process.env.VAULT_KEY).toBeUndefined()
    const changes: Record<string, string>[] = []
    watch({ interval: 15, onChange: (changed) => changes.push(changed) })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(changes).toEqual([])
    const next = fresh()
    await push('DROP_WATCHED', next)
    await settled(() => expect(changes).toEqual([{ DROP_WATCHED: next }]))
    expect(process.env.DROP_WATCHED).toBe(next)
    unwatch()
    await push('DROP_WATCHED', fresh())
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(changes).toHaveLength(1)
  })

  test('goes on after an error', async () => {
    write(`VAULT_KEY=${client.key}\n`)
    await push('DROP_ERROR', fresh())
    await config(options())
    const errors: unknown[] = []
    process.env.VAULT_KEY = client.key
    const down = options({ vaultUrl: `http://127.0.0.1:${await freePort()}` })
    vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    await config(down)
    watch({ interval: 10, onError: (error) => errors.push(error) })
    await settled(() => expect(errors.length).toBeGreaterThan(2))
    expect(errors[0]).toMatchObject({ code: 'UNREACHABLE' })
  })

  test('does not keep a process alive, and the preload form works', async () => {
    const value = fresh()
    await push('DROP_PRELOAD', value)
    write(`VAULT_KEY=${client.key}\n`)
    const { build } = await import('rolldown')
    const dist = join(folder, 'preload')
    await build({
      input: { config: 'src/dotenv/config.ts', index: 'src/dotenv/index.ts' },
      platform: 'node',
      external: ['dotenv'],
      output: { dir: dist, format: 'esm', entryFileNames: '[name].mjs' },
      logLevel: 'silent',
    })
    const app = join(folder, 'app.mjs')
    writeFileSync(
      app,
      `import { watch } from './preload/index.mjs'
watch({ interval: 10 })
console.log(process.env.DROP_PRELOAD.length)`,
    )
    const { NODE_OPTIONS: _, ...rest } = process.env
    // The package is found from the sources' own folder.
    const modules = join(folder, 'node_modules')
    mkdirSync(modules)
    const { symlinkSync } = await import('node:fs')
    symlinkSync(join(process.cwd(), 'node_modules/dotenv'), join(modules, 'dotenv'))
    const start = (url: string) =>
      run(process.execPath, ['--import', `file://${dist}/config.mjs`, app], {
        cwd: folder,
        env: { ...rest, VAULT_URL: url, NODE_ENV: '' },
      }).catch((error) => error)
    const well = await start(server.url)
    expect([well.stdout, well.stderr]).toEqual([`${value.length}\n`, ''])
    rmSync(join(folder, '.vault-cache.development'))
    const down = await start(`http://127.0.0.1:${await freePort()}`)
    expect([down.code, down.stdout]).toEqual([1, ''])
    expect(down.stderr).toMatch(/^error: \[vault-env\] Failed to fetch secrets and no cache available/)
    expect(down.stderr).not.toContain('    at ')
    const said = [well, down].flatMap(({ stdout, stderr }) => [stdout, stderr]).join('\n')
    expect(canariesIn(said, [...written, client.key])).toEqual([])
  })
})

test('nothing that was written holds a value', () => {
  expect(written.length).toBeGreaterThan(5)
  expect(canaryFiles(place.folder, written)).toEqual([])
})
