import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { Bao, certificates, type OwnBao, scratch, startBao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { may, Watch } from './support/vault.ts'

const { bao: server } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const secret = () => watch.secret(canary())
const { url } = server
const kv2 = `team-${id}/deep/kv2`
const withToken = (token: string, options = {}) => watch.withToken(url, token, options)
const lowToken = (...lines: string[]) => watch.lowToken(root, ...lines)

beforeAll(() => root.mount(kv2, 2))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => watch.finish())

describe('other states of a server', () => {
  let tls: OwnBao
  let sealed: OwnBao
  let empty: OwnBao
  beforeAll(async () => {
    const { binary } = server
    ;[tls, sealed, empty] = await Promise.all([
      startBao({ binary, name: 'vault-tls', tls: true }),
      startBao({ binary, name: 'vault-sealed', state: 'sealed' }),
      startBao({ binary, name: 'vault-empty', state: 'uninitialised' }),
    ])
    watch.secret(tls.bao.options.token!)
    watch.secret(sealed.bao.options.token!)
  })
  afterAll(() => Promise.all([tls, sealed, empty].map((own) => own?.stop())))

  test('a private authority is trusted when it is named, and only then', async () => {
    const value = secret()
    await tls.bao.mount('kv', 2)
    await tls.bao.write2('kv', 'app', { value })
    const options = {
      url: tls.url,
      mount: 'kv',
      auth: { method: 'token', token: tls.bao.options.token },
    } as const
    const caFile = tls.caFile!
    expect(await watch.value(watch.provider({ ...options, tls: { caFile } }), 'app')).toEqual({ value })
    expect(await watch.value(watch.provider({ ...options, tls: { ca: tls.bao.options.ca } }), 'app')).toEqual(
      { value },
    )
    vi.stubEnv('VAULT_CACERT', caFile)
    expect(await watch.value(watch.provider(options), 'app')).toEqual({ value })
    vi.stubEnv('VAULT_CACERT', '')
    vi.stubEnv('VAULT_SKIP_VERIFY', 'true')
    const error = await watch.error(watch.provider(options), 'app')
    expect(error.code).toBe('TLS_FAILED')
    expect(error.hint).toContain('caFile')
    const missing = await watch.error(watch.provider({ ...options, tls: { caFile: 'no-such.pem' } }), 'app')
    expect(missing.code).toBe('FILE_UNREADABLE')
    const plain = await watch.error(
      watch.provider({ ...options, url: tls.url.replace('https', 'http') }),
      'app',
    )
    expect(plain.code).toBe('RESPONSE_MALFORMED')
    expect(plain.hint).toContain('https')
    const wrong = await watch.error(watch.provider({ ...options, url: url.replace('http', 'https') }), 'app')
    expect(wrong.code).toBe('TLS_FAILED')
  })

  test('a certificate for another name is refused, even of the named authority', async () => {
    const client = certificates(scratch('vault-other-name'))
    const { certFile, keyFile, caFile } = client
    const stranger = createServer(
      { cert: readFileSync(certFile), key: readFileSync(keyFile) },
      (_, response) => {
        response.end('{}')
      },
    )
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.2', resolve))
    const address = `https://127.0.0.2:${(stranger.address() as AddressInfo).port}`
    const error = await watch.error(
      withToken(watch.secret(canary()), { url: address, tls: { caFile } }),
      'app',
    )
    expect([error.code, error.hint]).toEqual(['TLS_FAILED', expect.stringContaining('another host name')])
    await new Promise((resolve) => stranger.close(resolve))
  })

  test('verify: false works, warns and shows in the check', async () => {
    const warned: Error[] = []
    const listen = (warning: Error) => warned.push(warning)
    process.on('warning', listen)
    const auth = { method: 'token', token: tls.bao.options.token } as const
    const provider = watch.provider({ url: tls.url, mount: 'kv', auth, tls: { verify: false } })
    expect(await watch.read(provider, 'missing')).toBeUndefined()
    expect(await watch.read(provider, 'missing')).toBeUndefined()
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(warned.map(({ name }) => name)).toEqual(['SecurityWarning'])
    watch.seen.push(...warned.map(({ message }) => message))
    const [certificate] = await provider.check!([], watch.context())
    expect(certificate).toMatchObject({ label: 'certificate verified', ok: false })
  })

  test('sealed and uninitialised', async () => {
    const token = sealed.bao.options.token!
    const error = await watch.error(withToken(token, { url: sealed.url }), 'x')
    expect(error.code).toBe('SEALED')
    expect(error.transient).toBe(true)
    const [health, ...rest] = await withToken(token, { url: sealed.url }).check!([], watch.context())
    expect(rest).toEqual([])
    expect(health).toMatchObject({ ok: false, hint: expect.stringContaining('unseal') })
    const [uninitialised] = await withToken(token, { url: empty.url }).check!([], watch.context())
    expect(uninitialised).toMatchObject({ ok: false, hint: expect.stringContaining('operator init') })
  })
})

describe('check', () => {
  test('says what was found, with a hint for what is wrong', async () => {
    await root.write2(kv2, 'checked', { one: secret(), two: secret() })
    const requests = ['checked', 'missing', 'denied'].map((path) => ({ path, options: {} }))
    const policy = [may(`${kv2}/data/checked`), may(`${kv2}/data/missing`), may('auth/token/lookup-self')]
    const full = await withToken(await lowToken(...policy), { mount: kv2 }).check!(requests, watch.context())
    watch.seen.push(JSON.stringify(full))
    expect(full.map(({ label, ok }) => [label, ok])).toEqual([
      ['reachable', true],
      ['logged in', true],
      [`mount ${kv2}/`, true],
      ['read vault:checked', true],
      ['read vault:missing', false],
      ['read vault:denied', false],
    ])
    expect(full[0]!.detail).toContain('2.7.2, active')
    expect(full[1]!.detail).toMatch(/with token; policies low-\w+; ends in \d+ min/)
    expect(full[3]!.detail).toBe('2 fields, version 1')
    expect(full[5]!.hint).toContain('capabilities')
  })

  test('never throws for what it finds, and does not need lookup-self', async () => {
    await root.write2(kv2, 'quiet', { value: secret() })
    const weak = withToken(await lowToken(may(`${kv2}/data/quiet`)), { mount: kv2 })
    const results = await weak.check!([{ path: 'quiet', options: {} }], watch.context())
    expect(results.every(({ ok }) => ok)).toBe(true)
    const [nobody, ...rest] = await withToken(server.token, { url: 'http://127.0.0.1:1' }).check!(
      [],
      watch.context(),
    )
    expect(nobody).toMatchObject({ label: 'reachable', ok: false })
    expect(rest).toEqual([])
    const wrong = await withToken(watch.secret(canary('hvs'))).check!([], watch.context())
    expect(wrong.at(-1)).toMatchObject({ label: 'logged in', ok: false })
    watch.seen.push(JSON.stringify([results, nobody, wrong]))
  })
})
