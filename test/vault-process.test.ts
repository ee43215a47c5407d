import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { beforeAll, expect, inject, test } from 'vitest'
import { Bao, certificates, scratch, startBao } from './support/bao.ts'
import { canariesIn, canary } from './support/canary.ts'

const { bao: server } = inject('servers')
const mount = `process-${randomBytes(4).toString('hex')}`
const value = canary()
const folder = scratch('vault-process')

/** As the package is built: each module a file, so that what is imported is seen. */
beforeAll(async () => {
  const root = new Bao(server)
  await root.mount(mount, 2)
  await root.write2(mount, 'app', { value })
  await build({
    entryPoints: [fileURLToPath(new URL('../src/providers/vault/index.ts', import.meta.url))],
    outdir: join(folder, 'dist'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  })
})

async function run(name: string, code: string, env: Record<string, string> = {}) {
  const file = join(folder, `${name}.mjs`)
  const index = pathToFileURL(join(folder, 'dist/index.mjs')).href
  const context = `{ name: 'vault', root: '.', environment: 'test', profile: undefined, signal: new AbortController().signal,
    concurrency: 4, userAgent: 'test', debug() {} }`
  writeFileSync(file, `import { vault } from '${index}'\nconst context = ${context}\n${code}`)
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  return { stdout, stderr }
}

const READ = `
const [document] = await provider.read([{ path: 'app', options: {} }], context)
const [missing] = await provider.read([{ path: 'missing', options: {} }], context)
console.log(document.version, missing)
await provider.close()`

test('making a provider loads neither node-vault nor an HTTP client; a read does', async () => {
  const loaded = `
import { createRequire } from 'node:module'
const loaded = () => {
  const files = Object.keys(createRequire(import.meta.url).cache)
  const builtin = process.moduleLoadList.filter((name) => /^NativeModule (https?|tls|net|_http_client)$/.test(name))
  return { nodeVault: files.some((file) => file.includes('/node-vault/')), builtin: builtin.length > 0 }
}
const provider = vault({ url: ${JSON.stringify(server.url)}, mount: '${mount}', auth: { method: 'token', token: process.env.T } })
provider.validate({ provider: 'vault', path: 'app', options: {}, field: undefined, source: 'vault:app' })
await provider.close()
const before = loaded()
await provider.read([{ path: 'app', options: {} }], context)
console.log(JSON.stringify([before, loaded()]))
await provider.close()`
  const { stdout } = await run('lazy', loaded, { T: server.token })
  expect(JSON.parse(stdout)).toEqual([
    { nodeVault: false, builtin: false },
    { nodeVault: true, builtin: true },
  ])
})

test('DEBUG=* prints nothing, and the process ends by itself', async () => {
  const code = `const provider = vault({ url: ${JSON.stringify(server.url)}, mount: '${mount}' })${READ}`
  const { stdout, stderr } = await run('debug', code, { DEBUG: '*', VAULT_TOKEN: server.token })
  expect(stdout).toBe('1 undefined\n')
  expect(stderr).toBe('')
})

test('timers that renew a login keep no process from its end, closed or not', async () => {
  const root = new Bao(server)
  await root.policy(`${mount}-read`, `path "${mount}/data/*" { capabilities = ["read"] }`)
  const { roleId, secretId } = await root.approle('app', [`${mount}-read`], { mount: `${mount}-role` })
  const auth = `{ method: 'approle', roleId: '${roleId}', mount: '${mount}-role' }`
  const code = `const provider = vault({ url: ${JSON.stringify(server.url)}, mount: '${mount}', auth: ${auth} })${READ}`
  for (const text of [code, code.replace('await provider.close()', '')]) {
    const { stdout, stderr } = await run('timers', text, { VAULT_SECRET_ID: secretId, DEBUG: '*' })
    expect([stdout, stderr]).toEqual(['1 undefined\n', ''])
  }
})

test('NODE_DEBUG prints no token, no key and no value', async () => {
  const own = await startBao({ binary: server.binary, name: 'vault-process-debug', tls: true })
  const token = own.bao.options.token!
  await own.bao.mount(mount, 2)
  await own.bao.write2(mount, 'app', { value })
  const made = certificates(scratch('vault-process-client'))
  const read = (file: string) => readFileSync(file, 'utf8')
  const key = read(made.keyFile)
  const tls = { caFile: own.caFile, cert: read(made.certFile), key }
  const options = JSON.stringify({ url: own.url, mount, tls })
  const code = `const provider = vault(${options})${READ}`
  const { stdout, stderr } = await run('node-debug', code, {
    NODE_DEBUG: 'http,https,net,tls,stream,timer',
    VAULT_TOKEN: token,
  })
  await own.stop()
  expect(stdout).toBe('1 undefined\n')
  expect(stderr).toContain('HTTP')
  expect(canariesIn(stderr, [token, value, key.split('\n')[1]!])).toEqual([])
})

test('no environment variable turns the verification off', async () => {
  const own = await startBao({ binary: server.binary, name: 'vault-process-tls', tls: true })
  const code = `const provider = vault({ url: ${JSON.stringify(own.url)} })
try { await provider.read([{ path: 'app', options: {} }], context) } catch (error) { console.log(error.code) }`
  const env = {
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    VAULT_SKIP_VERIFY: '1',
    BAO_SKIP_VERIFY: '1',
    VAULT_TOKEN: own.bao.options.token!,
  }
  const { stdout, stderr } = await run('tls', code, env)
  await own.stop()
  expect(stdout).toBe('TLS_FAILED\n')
  expect(canariesIn(stderr, [own.bao.options.token!])).toEqual([])
})
