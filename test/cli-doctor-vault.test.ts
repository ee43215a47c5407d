import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { Bao, certificates, type OwnBao, scratch, startBao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { only, Practice } from './support/cli-doctor.ts'
import { silentServer } from './support/cli-faults.ts'
import { freePort } from './support/servers.ts'

const { bao: server } = inject('servers')
const { url, token } = server
const id = randomBytes(4).toString('hex')
const PATH = `doctor/${id}`
const bao = new Bao(server)
let practice: Practice

beforeAll(async () => {
  practice = await Practice.open('cli-doctor-vault', { VAULT_TOKEN: token })
  practice.place.secret(token)
  await bao.write2('secret', PATH, { url: practice.place.secret(canary()), todo: 'REPLACE_WITH_TODO' })
})

afterAll(() => practice.close())

const vault = (options: object = {}, path = `${PATH}#url`) => ({
  providers: { vault: { type: 'vault', url, ...options } },
  secrets: { ONE: `vault:${path}` },
})

describe('Vault: the place', () => {
  it('no engine at the mount', async () => {
    only(await practice.examine(vault({ mount: 'nowhere' })), /no(thing| engine)/, /mount/)
  })

  it('a path as the API has it', async () => {
    for (const path of [`secret/data/${PATH}#url`, `data/${PATH}#url`, `secret/${PATH}#url`])
      only(await practice.examine(vault({}, path)), /has the mount or data\//, new RegExp(`vault:${PATH}`))
  })

  it('another version of KV than the options say', async () => {
    const mount = `doctor-v1-${id}`
    await bao.mount(mount, 1)
    await bao.write1(mount, PATH, { url: 'x' })
    only(await practice.examine(vault({ mount, kv: 2 })), /KV v1, and the options say kv: 2/, /Remove kv/)
    only(await practice.examine(vault({ kv: 1 })), /KV v2, and the options say kv: 1/, /Remove kv/)
    expect(await practice.examine(vault({ mount }))).toEqual([])
  })

  it('a namespace that is not there', async () => {
    only(
      await practice.examine(vault({ namespace: `none-${id}` })),
      /namespace does not exist/,
      /namespace option and VAULT_NAMESPACE/,
    )
  })
})

describe('Vault: who asks', () => {
  it('a token that has expired, and one that was never there', async () => {
    await bao.policy(`doctor-${id}`, 'path "secret/data/*" { capabilities = ["read"] }')
    const short = practice.place.secret(await bao.token([`doctor-${id}`], { ttl: '1s' }))
    const own = new Bao({ url, token: short })
    while ((await own.raw('GET', `secret/data/${PATH}`)).status === 200) await sleep(100)
    for (const dead of [short, practice.place.secret(`s.${canary()}`)])
      only(
        await practice.examine(vault(), { VAULT_TOKEN: dead }),
        /does not know the token: it is expired/,
        /vault login|VAULT_TOKEN/,
      )
  })

  it('a missing capability', async () => {
    await bao.policy(`doctor-low-${id}`, 'path "secret/data/other" { capabilities = ["read"] }')
    const low = practice.place.secret(await bao.token([`doctor-low-${id}`]))
    const line = `path "secret/data/${PATH}" { capabilities = ["read"] }`
    only(
      await practice.examine(vault(), { VAULT_TOKEN: low }),
      /policies do not allow/,
      new RegExp(line.replace(/[[\]{}]/g, '\\$&')),
    )
  })
})

describe('Vault: the state of the server', () => {
  let sealed: OwnBao
  let empty: OwnBao
  beforeAll(async () => {
    const { binary } = server
    ;[sealed, empty] = await Promise.all([
      startBao({ binary, name: 'doctor-sealed', state: 'sealed' }),
      startBao({ binary, name: 'doctor-empty', state: 'uninitialised' }),
    ])
    practice.atEnd(() => Promise.all([sealed.stop(), empty.stop()]))
  })

  it('sealed, not initialised, a standby that serves nothing', async () => {
    only(await practice.examine(vault({ url: sealed.url })), /sealed/, /operator unseal/)
    only(await practice.examine(vault({ url: empty.url })), /not initialised/, /operator init/)
    const standby = await practice.http((_, response) => response.writeHead(472).end('{}'))
    only(await practice.examine(vault({ url: standby })), /standby/, /active node/)
  })

  it('another time', async () => {
    const late = await practice.http((_, response) => {
      response.setHeader('Date', new Date(Date.now() + 600_000).toUTCString())
      response.writeHead(503).end('{}')
    })
    const lines = await practice.examine(vault({ url: late }))
    expect(lines).toEqual([
      expect.objectContaining({
        label: 'clock',
        ok: true,
        detail: expect.stringMatching(/this machine is (59\d|60\d) s behind/),
      }),
      expect.objectContaining({ label: 'reachable', ok: false }),
    ])
  })
})

describe('Vault: the way', () => {
  it('a name that does not resolve, a closed port, no answer', async () => {
    only(await practice.examine(vault({ url: 'http://vault.invalid:8200' })), /ENOTFOUND|EAI_AGAIN/, /DNS/)
    only(
      await practice.examine(vault({ url: `http://127.0.0.1:${await freePort()}` })),
      /ECONNREFUSED/,
      /Nothing listens/,
    )
    const silent = await silentServer()
    practice.atEnd(silent.close)
    only(
      await practice.examine({ ...vault({ url: silent.url }), timeout: 800 }),
      /did not answer in time/,
      /timeout/,
    )
  })

  it('something else that answers', async () => {
    const page = await practice.http((_, response) => response.end('<html>'))
    only(await practice.examine(vault({ url: page })), /cannot be read/, /Vault or OpenBao/)
  })

  it('proxies, which nobody uses', async () => {
    const password = practice.place.secret(canary())
    const lines = await practice.examine(vault(), {
      HTTPS_PROXY: `http://u:${password}@127.0.0.1:1`,
      no_proxy: '*',
    })
    expect(lines).toEqual([
      expect.objectContaining({
        label: 'proxy',
        ok: true,
        detail: expect.stringContaining('HTTPS_PROXY set, and not used'),
      }),
    ])
  })
})

describe('TLS', () => {
  const folder = scratch('doctor-tls')
  const { caFile, certFile, keyFile } = certificates(folder)
  const own = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const trusting = { tls: { caFile } }

  it('an authority that nobody named', async () => {
    only(await practice.examine(vault({ url: await practice.https(own) })), /not trusted/, /caFile/)
  })

  it('a certificate for another name', async () => {
    const address = await practice.https(own, undefined, '127.0.0.2')
    only(await practice.examine(vault({ url: address, ...trusting })), /ALTNAME/, /another host name/)
  })

  it('a certificate that has expired', async () => {
    const config =
      '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n'
    writeFileSync(join(folder, 'ca.cnf'), config)
    writeFileSync(join(folder, 'index.txt'), '')
    writeFileSync(join(folder, 'serial'), '01\n')
    const args = [
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-in',
      'server.csr',
      '-cert',
      'ca.pem',
      '-keyfile',
      'ca.key',
      '-extfile',
      'server.ext',
    ]
    execFileSync(
      'openssl',
      [...args, '-out', 'old.pem', '-startdate', '200101000000Z', '-enddate', '200201000000Z'],
      { cwd: folder, stdio: 'pipe' },
    )
    const address = await practice.https({ ...own, cert: readFileSync(join(folder, 'old.pem')) })
    only(await practice.examine(vault({ url: address, ...trusting })), /CERT_HAS_EXPIRED/, /Renew/)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a client certificate that is asked for (%s)',
    async (maxVersion) => {
      const options = {
        ...own,
        requestCert: true,
        rejectUnauthorized: true,
        ca: readFileSync(caFile),
        maxVersion,
      }
      const address = await practice.https(options, (_, response) => response.end('{"initialized":true}'))
      only(
        await practice.examine(vault({ url: address, ...trusting })),
        /not trusted: ERR_SSL/,
        /VAULT_CLIENT_CERT/,
      )
      const tls = { caFile, certFile, keyFile }
      // It answers then, and is no Vault.
      expect((await practice.examine(vault({ url: address, tls }))).map(({ label }) => label)).not.toContain(
        'reachable',
      )
    },
  )

  it('https where http is spoken, and the other way round', async () => {
    only(
      await practice.examine(vault({ url: url.replace('http:', 'https:') })),
      /not trusted/,
      /write http:\/\//,
    )
    const address = await practice.https(own)
    only(
      await practice.examine(vault({ url: address.replace('https:', 'http:') })),
      /no HTTP|ECONNRESET|cannot be read/,
      /https/,
    )
  })
})
