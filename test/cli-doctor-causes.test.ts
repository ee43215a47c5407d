import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { deviceHash, makeDeviceSecret } from '../src/core/crypto/vault-env.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { Bao, certificates, type OwnBao, scratch, startBao } from './support/bao.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { silentServer } from './support/cli-faults.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'

const { bao: server, moto } = inject('servers')
const { url, token } = server
const id = randomBytes(4).toString('hex')
const PATH = `doctor/${id}`
const bao = new Bao(server)
let place: CliPlace
const closing: (() => unknown)[] = []

beforeAll(async () => {
  place = new CliPlace('cli-doctor-causes', await buildPackage('cli-doctor-causes-package'))
  place.secret(token)
  await bao.write2('secret', PATH, { url: place.secret(canary()), todo: 'REPLACE_WITH_TODO' })
})

afterAll(async () => {
  for (const close of closing) await close()
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

interface Line {
  readonly group: string
  readonly label: string
  readonly ok: boolean
  readonly detail?: string
  readonly hint?: string
}

/** @returns what needs somebody's attention: problems and warnings */
async function doctor(config: object, env: Record<string, string> = {}): Promise<Line[]> {
  place.write('secrets.config.json', JSON.stringify({ timeout: 5000, cache: false, ...config }))
  return look(env)
}

async function look(env: Record<string, string> = {}): Promise<Line[]> {
  const { stdout, stderr, code } = await place.run(['doctor', '--json'], {
    env: { VAULT_TOKEN: token, ...env },
  })
  expect(stderr).toBe('')
  const { ok, groups } = JSON.parse(stdout) as { ok: boolean; groups: { title: string; checks: Line[] }[] }
  expect(code).toBe(ok ? 0 : 1)
  return groups.flatMap(({ title, checks }) =>
    checks.filter((each) => !each.ok || each.hint).map((each) => ({ ...each, group: title })),
  )
}

const vault = (options: object = {}, path = `${PATH}#url`) => ({
  providers: { vault: { type: 'vault', url, ...options } },
  secrets: { ONE: `vault:${path}` },
})

/** The one thing that is found. */
function only(lines: Line[], detail: RegExp, hint: RegExp): void {
  expect(lines).toEqual([
    expect.objectContaining({ detail: expect.stringMatching(detail), hint: expect.stringMatching(hint) }),
  ])
}

function listening(listen: {
  listen(port: number, host: string, then: () => void): unknown
  address(): unknown
  close(): unknown
}) {
  closing.push(() => listen.close())
  return new Promise<number>((resolve) =>
    listen.listen(0, '127.0.0.1', () => resolve((listen.address() as AddressInfo).port)),
  )
}
const httpServer = async (answer: RequestListener) =>
  `http://127.0.0.1:${await listening(createHttp(answer))}`
const httpsServer = async (
  options: ServerOptions,
  answer: RequestListener = (_, response) => response.end('{}'),
) => `https://127.0.0.1:${await listening(createHttps(options, answer))}`

describe('Vault: the place', () => {
  it('no engine at the mount', async () => {
    only(await doctor(vault({ mount: 'nowhere' })), /no(thing| engine)/, /mount/)
  })

  it('a path as the API has it', async () => {
    for (const path of [`secret/data/${PATH}#url`, `data/${PATH}#url`, `secret/${PATH}#url`])
      only(await doctor(vault({}, path)), /has the mount or data\//, new RegExp(`vault:${PATH}`))
  })

  it('another version of KV than the options say', async () => {
    const mount = `doctor-v1-${id}`
    await bao.mount(mount, 1)
    await bao.write1(mount, PATH, { url: 'x' })
    only(await doctor(vault({ mount, kv: 2 })), /KV v1, and the options say kv: 2/, /Remove kv/)
    only(await doctor(vault({ kv: 1 })), /KV v2, and the options say kv: 1/, /Remove kv/)
    expect(await doctor(vault({ mount }))).toEqual([])
  })

  it('a namespace that is not there', async () => {
    only(
      await doctor(vault({ namespace: `none-${id}` })),
      /namespace does not exist/,
      /namespace option and VAULT_NAMESPACE/,
    )
  })
})

describe('Vault: who asks', () => {
  it('a token that has expired, and one that was never there', async () => {
    await bao.policy(`doctor-${id}`, 'path "secret/data/*" { capabilities = ["read"] }')
    const short = place.secret(await bao.token([`doctor-${id}`], { ttl: '1s' }))
    const own = new Bao({ url, token: short })
    while ((await own.raw('GET', `secret/data/${PATH}`)).status === 200) await sleep(100)
    for (const dead of [short, place.secret(`s.${canary()}`)])
      only(
        await doctor(vault(), { VAULT_TOKEN: dead }),
        /does not know the token: it is expired/,
        /vault login|VAULT_TOKEN/,
      )
  })

  it('a missing capability', async () => {
    await bao.policy(`doctor-low-${id}`, 'path "secret/data/other" { capabilities = ["read"] }')
    const low = place.secret(await bao.token([`doctor-low-${id}`]))
    const line = `path "secret/data/${PATH}" { capabilities = ["read"] }`
    only(
      await doctor(vault(), { VAULT_TOKEN: low }),
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
    closing.push(sealed.stop, empty.stop)
  })

  it('sealed, not initialised, a standby that serves nothing', async () => {
    only(await doctor(vault({ url: sealed.url })), /sealed/, /operator unseal/)
    only(await doctor(vault({ url: empty.url })), /not initialised/, /operator init/)
    const standby = await httpServer((_, response) => response.writeHead(472).end('{}'))
    only(await doctor(vault({ url: standby })), /standby/, /active node/)
  })

  it('another time', async () => {
    const late = await httpServer((_, response) => {
      response.setHeader('Date', new Date(Date.now() + 600_000).toUTCString())
      response.writeHead(503).end('{}')
    })
    const lines = await doctor(vault({ url: late }))
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
    only(await doctor(vault({ url: 'http://vault.invalid:8200' })), /ENOTFOUND|EAI_AGAIN/, /DNS/)
    only(
      await doctor(vault({ url: `http://127.0.0.1:${await freePort()}` })),
      /ECONNREFUSED/,
      /Nothing listens/,
    )
    const silent = await silentServer()
    closing.push(silent.close)
    only(await doctor({ ...vault({ url: silent.url }), timeout: 800 }), /did not answer in time/, /timeout/)
  })

  it('something else that answers', async () => {
    const page = await httpServer((_, response) => response.end('<html>'))
    only(await doctor(vault({ url: page })), /cannot be read/, /Vault or OpenBao/)
  })

  it('proxies, which nobody uses', async () => {
    const password = place.secret(canary())
    const lines = await doctor(vault(), { HTTPS_PROXY: `http://u:${password}@127.0.0.1:1`, no_proxy: '*' })
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
    only(await doctor(vault({ url: await httpsServer(own) })), /not trusted/, /caFile/)
  })

  it('a certificate for another name', async () => {
    const address = await httpsServer(own)
    const other = address.replace('127.0.0.1', '127.0.0.2').replace(/:\d+$/, '')
    const port = await new Promise<number>((resolve) => {
      const second = createHttps(own, (_, response) => response.end('{}'))
      closing.push(() => second.close())
      second.listen(0, '127.0.0.2', () => resolve((second.address() as AddressInfo).port))
    })
    only(await doctor(vault({ url: `${other}:${port}`, ...trusting })), /ALTNAME/, /another host name/)
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
    const address = await httpsServer({ ...own, cert: readFileSync(join(folder, 'old.pem')) })
    only(await doctor(vault({ url: address, ...trusting })), /CERT_HAS_EXPIRED/, /Renew/)
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
      const address = await httpsServer(options, (_, response) => response.end('{"initialized":true}'))
      only(await doctor(vault({ url: address, ...trusting })), /not trusted: ERR_SSL/, /VAULT_CLIENT_CERT/)
      const tls = { caFile, certFile, keyFile }
      // It answers then, and is no Vault.
      expect((await doctor(vault({ url: address, tls }))).map(({ label }) => label)).not.toContain(
        'reachable',
      )
    },
  )

  it('https where http is spoken, and the other way round', async () => {
    only(await doctor(vault({ url: url.replace('http:', 'https:') })), /not trusted/, /write http:\/\//)
    const address = await httpsServer(own)
    only(
      await doctor(vault({ url: address.replace('https:', 'http:') })),
      /no HTTP|ECONNRESET|cannot be read/,
      /https/,
    )
  })
})

describe('AWS', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' }
  const aws = (options: object = {}) => ({
    providers: {
      aws: {
        type: 'aws',
        region: 'eu-central-1',
        endpoint: moto.url,
        auth: { method: 'default' },
        ...options,
      },
    },
    secrets: { ONE: `aws:doctor-${id}` },
  })

  it('another region', async () => {
    const client = new SecretsManagerClient({
      region: 'eu-west-1',
      endpoint: moto.url,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    await client.send(new CreateSecretCommand({ Name: `doctor-${id}`, SecretString: place.secret(canary()) }))
    client.destroy()
    only(
      await doctor(aws(), keys),
      /none of this name in eu-central-1/,
      /It is in eu-west-1: aws\(\{ region: 'eu-west-1' \}\)/,
    )
    expect(await doctor(aws({ region: 'eu-west-1' }), keys)).toEqual([])
  })

  it('no credentials, an endpoint that is closed', async () => {
    only(
      await doctor(aws(), { AWS_EC2_METADATA_DISABLED: 'true' }),
      /no AWS credentials/,
      /AWS_ACCESS_KEY_ID/,
    )
    only(
      await doctor(aws({ endpoint: `http://127.0.0.1:${await freePort()}` }), keys),
      /ECONNREFUSED/,
      /endpoint/,
    )
  })

  it.each([
    [
      'InvalidSignatureException',
      'Signature expired: 20200101T000000Z is now earlier than',
      /because of its time/,
      /clock/,
    ],
    ['RequestTimeTooSkewed', '', /because of its time/, /clock/],
    ['SignatureDoesNotMatch', '', /does not accept the credentials/, /get-caller-identity/],
    ['ExpiredTokenException', '', /has expired/, /AWS_SESSION_TOKEN/],
    ['AccessDeniedException', 'no kms', /denies|may not/, /Allow/],
  ])('%s', async (type, message, detail, hint) => {
    const endpoint = await httpServer((_, response) => {
      response.writeHead(400, { 'Content-Type': 'application/x-amz-json-1.1' })
      response.end(JSON.stringify({ __type: type, message }))
    })
    const lines = await doctor(aws({ endpoint }), keys)
    expect(lines[0]).toMatchObject({
      ok: false,
      detail: expect.stringMatching(detail),
      hint: expect.stringMatching(hint),
    })
  })
})

describe('the local vault', () => {
  const config = { providers: { local: { type: 'local' } }, secrets: { LOCAL: 'local:LOCAL' } }

  it('a name that is not set, another key, half a file', async () => {
    only(await doctor(config), /not set/, /secrets set LOCAL/)
    await place.run(['set', 'LOCAL'], { input: place.secret(canary()) })
    expect(await look()).toEqual([])
    const key = join(place.root, '.secrets/project.key')
    const right = readFileSync(key)
    writeFileSync(key, `${randomBytes(32).toString('hex')}\n`)
    only(await look(), /key/, /./)
    writeFileSync(key, right)
    truncateSync(join(place.root, '.secrets/local.vault'), 40)
    only(await look(), /local\.vault/, /./)
    place.write('.secrets/local.vault', '')
  })
})

describe('vaultEnv', () => {
  let hosted: RunningVaultServer
  let wire: WireClient
  const config = (address: string) => ({
    providers: { vaultEnv: { type: 'vaultEnv', url: address } },
    secrets: { SHARED: 'vaultEnv:SHARED' },
  })
  const send = (key: string, more: Record<string, string> = {}) =>
    doctor(config(wire.url), { VAULT_KEY: place.secret(key), ...more })

  beforeAll(async () => {
    hosted = await serve({ port: 0, rateLimit: 0, databaseUrl: 'file::memory:' })
    closing.push(() => hosted.close())
    wire = await new WireClient(hosted.url).start()
  })

  it('no key, another key, another project', async () => {
    only(await doctor(config(wire.url)), /needs VAULT_KEY/, /vk_/)
    only(
      await send(wire.key.replace(/[^_]+$/, randomBytes(32).toString('hex'))),
      /refuses the signature/,
      /not the key of this project/,
    )
    only(
      await send(`vk_${randomBytes(6).toString('hex')}_${randomBytes(32).toString('hex')}`),
      /no project|refuses the signature/,
      /VAULT_KEY/,
    )
  })

  it('a name that was not pushed', async () => {
    only(await send(wire.key), /not there for development/, /vault-env push/)
  })

  it('a device that waits, and one that was revoked', async () => {
    const register = (secret: string) =>
      wire.signed('devices/register', { device_name: 'x', device_hash: deviceHash(secret) })
    await register(makeDeviceSecret())
    const secret = place.secret(makeDeviceSecret())
    const { body } = await register(secret)
    only(await send(wire.key, { VAULT_DEVICE_SECRET: secret }), /waits for its approval/, /approve-device/)
    await wire.signed('devices/revoke', { device_id: body.device_id })
    only(
      await send(wire.key, { VAULT_DEVICE_SECRET: secret }),
      /not registered .*or was revoked/,
      /register-device/,
    )
  })

  it('another time', async () => {
    const late = await httpServer((_, response) => {
      response.writeHead(401, { Date: new Date(Date.now() - 900_000).toUTCString() })
      response.end('{"error":"Signature expired"}')
    })
    only(
      await doctor(config(late), { VAULT_KEY: wire.key }),
      /refuses the signature/,
      /clock is (89\d|90\d) s ahead/,
    )
  })
})

describe('the project', () => {
  it('a placeholder, a field that is not there, a value that a schema refuses', async () => {
    only(await doctor(vault({}, `${PATH}#todo`)), /placeholder|REPLACE_WITH/i, /./)
    only(await doctor(vault({}, `${PATH}#nothing`)), /nothing/, /./)
    place.write(
      'secrets.config.ts',
      `const refuse = () => ({ issues: [{ message: 'no' }] })
      const schema = { '~standard': { version: 1, vendor: 'test', validate: refuse } }
      export default { providers: ${JSON.stringify(vault().providers)}, secrets: { ONE: { from: 'vault:${PATH}#url', schema } } }`,
    )
    execFileSync('rm', [join(place.root, 'secrets.config.json')])
    only(await look(), /ONE/, /./)
    execFileSync('rm', [join(place.root, 'secrets.config.ts')])
  })

  it('a configuration beside the one that counts', async () => {
    place.write('secrets.config.json', '{}')
    place.write('secrets.config.mjs', 'export default {}')
    place.write('secrets.config.ts', `export default ${JSON.stringify(vault())}`)
    const lines = await look()
    expect(lines.map(({ detail }) => detail)).toEqual([
      expect.stringContaining('secrets.config.mjs is not read'),
      expect.stringContaining('secrets.config.json is not read'),
    ])
    const { stderr, code } = await place.run(['list'], { env: { VAULT_TOKEN: token } })
    expect(code).toBe(0)
    expect(stderr.match(/is not read, because .*secrets\.config\.ts is there/g)).toHaveLength(2)
    for (const kind of ['mjs', 'ts']) execFileSync('rm', [join(place.root, `secrets.config.${kind}`)])
  })

  it('a key that git has, or would take', async () => {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: place.root, stdio: 'pipe' })
    git('init', '--quiet')
    expect(await doctor(vault())).toEqual([])
    writeFileSync(join(place.root, '.secrets/.gitignore'), '')
    only(await look(), /git does not ignore .*project\.key/, /\.gitignore/)
    git('add', '--force', '.secrets/project.key')
    only(await look(), /git has .*project\.key/, /git rm --cached/)
  })

  it('names that browsers get, and a cache that has grown old', async () => {
    execFileSync('rm', ['-rf', join(place.root, '.git')])
    const config = { ...vault(), client: ['ONE'], cache: { ttl: '1ms', maxStale: '1ms' } }
    place.write('secrets.config.json', JSON.stringify(config))
    await place.run(['list'], { env: { VAULT_TOKEN: token } })
    only(await look(), /the oldest .* old/, /secrets refresh/)
    const { stdout } = await place.run(['doctor'], { env: { VAULT_TOKEN: token } })
    expect(stdout).toMatch(/for browsers: ONE: everybody/)
    expect(stdout).toMatch(/! cache: /)
    expect(stdout).toMatch(/Everything is in order\. 1 warning\.$/m)
  })
})
