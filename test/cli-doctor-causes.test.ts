import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { deviceHash, makeDeviceSecret } from '../src/core/crypto/vault-env.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { Bao, certificates, scratch } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { only, Practice } from './support/cli-doctor.ts'
import { freePort } from './support/servers.ts'
import { WireClient } from './support/vault-env.ts'

const { bao: server, moto } = inject('servers')
const { url, token } = server
const id = randomBytes(4).toString('hex')
const PATH = `doctor/${id}`
const bao = new Bao(server)
let practice: Practice

beforeAll(async () => {
  practice = await Practice.open('cli-doctor-causes', { VAULT_TOKEN: token })
  practice.place.secret(token)
  await bao.write2('secret', PATH, { url: practice.place.secret(canary()), todo: 'REPLACE_WITH_TODO' })
})

afterAll(() => practice.close())

const vault = (options: object = {}, path = `${PATH}#url`) => ({
  providers: { vault: { type: 'vault', url, ...options } },
  secrets: { ONE: `vault:${path}` },
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
    await client.send(
      new CreateSecretCommand({ Name: `doctor-${id}`, SecretString: practice.place.secret(canary()) }),
    )
    client.destroy()
    only(
      await practice.examine(aws(), keys),
      /none of this name in eu-central-1/,
      /It is in eu-west-1: aws\(\{ region: 'eu-west-1' \}\)/,
    )
    expect(await practice.examine(aws({ region: 'eu-west-1' }), keys)).toEqual([])
  })

  it('no credentials, an endpoint that is closed', async () => {
    only(
      await practice.examine(aws(), { AWS_EC2_METADATA_DISABLED: 'true' }),
      /no AWS credentials/,
      /AWS_ACCESS_KEY_ID/,
    )
    only(
      await practice.examine(aws({ endpoint: `http://127.0.0.1:${await freePort()}` }), keys),
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
    const endpoint = await practice.http((_, response) => {
      response.writeHead(400, { 'Content-Type': 'application/x-amz-json-1.1' })
      response.end(JSON.stringify({ __type: type, message }))
    })
    const lines = await practice.examine(aws({ endpoint }), keys)
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
    only(await practice.examine(config), /not set/, /secrets set LOCAL/)
    await practice.place.run(['set', 'LOCAL'], { input: practice.place.secret(canary()) })
    expect(await practice.look()).toEqual([])
    const key = join(practice.place.root, '.secrets/project.key')
    const right = readFileSync(key)
    writeFileSync(key, `${randomBytes(32).toString('hex')}\n`)
    only(await practice.look(), /key/, /./)
    writeFileSync(key, right)
    truncateSync(join(practice.place.root, '.secrets/local.vault'), 40)
    only(await practice.look(), /local\.vault/, /./)
    practice.place.write('.secrets/local.vault', '')
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
    practice.examine(config(wire.url), { VAULT_KEY: practice.place.secret(key), ...more })

  beforeAll(async () => {
    hosted = await serve({ port: 0, rateLimit: 0, databaseUrl: 'file::memory:' })
    practice.atEnd(() => hosted.close())
    wire = await new WireClient(hosted.url).start()
  })

  it('no key, another key, another project', async () => {
    only(await practice.examine(config(wire.url)), /needs VAULT_KEY/, /vk_/)
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

  it('an authority that this machine does not know', async () => {
    const { certFile, keyFile } = certificates(scratch('doctor-vault-env-tls'))
    const address = await practice.https({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
    only(
      await practice.examine(config(address), { VAULT_KEY: wire.key }),
      /not trusted/,
      /authority that signed .*NODE_EXTRA_CA_CERTS/,
    )
  })

  it('a name that was not pushed', async () => {
    only(await send(wire.key), /not there for development/, /vault-env push/)
  })

  it('a device that waits, and one that was revoked', async () => {
    const register = (secret: string) =>
      wire.signed('devices/register', { device_name: 'x', device_hash: deviceHash(secret) })
    await register(makeDeviceSecret())
    const secret = practice.place.secret(makeDeviceSecret())
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
    const late = await practice.http((_, response) => {
      response.writeHead(401, { Date: new Date(Date.now() - 900_000).toUTCString() })
      response.end('{"error":"Signature expired"}')
    })
    only(
      await practice.examine(config(late), { VAULT_KEY: wire.key }),
      /refuses the signature/,
      /clock is (89\d|90\d) s ahead/,
    )
  })
})

describe('the project', () => {
  it('a placeholder, a field that is not there, a value that a schema refuses', async () => {
    only(await practice.examine(vault({}, `${PATH}#todo`)), /placeholder|REPLACE_WITH/i, /./)
    only(await practice.examine(vault({}, `${PATH}#nothing`)), /nothing/, /./)
    practice.place.write(
      'secrets.config.ts',
      `const refuse = () => ({ issues: [{ message: 'no' }] })
      const schema = { '~standard': { version: 1, vendor: 'test', validate: refuse } }
      export default { providers: ${JSON.stringify(vault().providers)}, secrets: { ONE: { from: 'vault:${PATH}#url', schema } } }`,
    )
    execFileSync('rm', [join(practice.place.root, 'secrets.config.json')])
    only(await practice.look(), /ONE/, /./)
    execFileSync('rm', [join(practice.place.root, 'secrets.config.ts')])
  })

  it('a configuration beside the one that counts', async () => {
    practice.place.write('secrets.config.json', '{}')
    practice.place.write('secrets.config.mjs', 'export default {}')
    practice.place.write('secrets.config.ts', `export default ${JSON.stringify(vault())}`)
    const lines = await practice.look()
    expect(lines.map(({ detail }) => detail)).toEqual([
      expect.stringContaining('secrets.config.mjs is not read'),
      expect.stringContaining('secrets.config.json is not read'),
    ])
    const { stderr, code } = await practice.place.run(['list'], { env: { VAULT_TOKEN: token } })
    expect(code).toBe(0)
    expect(stderr.match(/is not read, because .*secrets\.config\.ts is there/g)).toHaveLength(2)
    for (const kind of ['mjs', 'ts'])
      execFileSync('rm', [join(practice.place.root, `secrets.config.${kind}`)])
  })

  it('a key that git has, or would take', async () => {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: practice.place.root, stdio: 'pipe' })
    git('init', '--quiet')
    expect(await practice.examine(vault())).toEqual([])
    writeFileSync(join(practice.place.root, '.secrets/.gitignore'), '')
    only(await practice.look(), /git does not ignore .*project\.key/, /\.gitignore/)
    git('add', '--force', '.secrets/project.key')
    only(await practice.look(), /git has .*project\.key/, /git rm --cached/)
  })

  it('names that browsers get, and a cache that has grown old', async () => {
    execFileSync('rm', ['-rf', join(practice.place.root, '.git')])
    const config = { ...vault(), client: ['ONE'], cache: { ttl: '1ms', maxStale: '1ms' } }
    practice.place.write('secrets.config.json', JSON.stringify(config))
    await practice.place.run(['list'], { env: { VAULT_TOKEN: token } })
    only(await practice.look(), /the oldest .* old/, /secrets refresh/)
    const { stdout } = await practice.place.run(['doctor'], { env: { VAULT_TOKEN: token } })
    expect(stdout).toMatch(/for browsers: ONE: everybody/)
    expect(stdout).toMatch(/! cache: /)
    expect(stdout).toMatch(/Everything is in order\. 1 warning\.$/m)
  })
})
