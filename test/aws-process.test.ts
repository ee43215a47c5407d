import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { createSecrets, SecretsError } from '../src/index.ts'
import { aws } from '../src/providers/index.ts'
import { contextFor, front, Heard, refuse } from './support/aws.ts'
import { scratch } from './support/bao.ts'
import { canariesIn, canary } from './support/canary.ts'

vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const moto = inject('servers').moto.url
const region = 'eu-west-1'
const folder = scratch('aws-process')
const name = `p${randomBytes(4).toString('hex')}/db`
const [value, keyId, secretKey, session, identity, bearer, said] = Array.from({ length: 7 }, () =>
  canary(),
) as [string, string, string, string, string, string, string]
const values = [value, keyId, secretKey, session, identity, bearer, said]
const printed: string[] = []
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  const admin = new SecretsManager({
    region,
    endpoint: moto,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
  await admin.createSecret({ Name: name, SecretString: value })
  admin.destroy()
  await build({
    entryPoints: [fileURLToPath(new URL('../src/providers/aws/index.ts', import.meta.url))],
    outfile: join(folder, 'aws.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
  })
  mkdirSync(join(folder, '.aws/sso/cache'), { recursive: true })
})

afterAll(async () => {
  await Promise.all(closing.map((close) => close()))
  // Key ids are no secrets: the environment dump of an SDK's debug line may have one. All else is.
  expect(
    canariesIn(
      printed.join('\n'),
      values.filter((one) => one !== keyId),
    ),
  ).toEqual([])
})

/** Reads in a process of its own that prints everything it can be made to print. */
async function read(env: Record<string, string>, auth: object = { method: 'default' }) {
  const options = JSON.stringify({ region, auth })
  const file = join(folder, `${randomBytes(4).toString('hex')}.mjs`)
  writeFileSync(
    file,
    `import { aws } from ${JSON.stringify(pathToFileURL(join(folder, 'aws.mjs')).href)}
const provider = aws(${options})
const context = { name: 'aws', root: '.', environment: 'test', profile: undefined, signal: AbortSignal.timeout(30000),
  concurrency: 2, userAgent: 'test/1', debug() {} }
try {
  const results = await provider.read([{ path: ${JSON.stringify(name)}, options: {} }, { path: 'none', options: {} }], context)
  console.log(results.map((result) => result?.version !== undefined).join())
} catch (error) {
  console.log(error.code)
}
console.log((await provider.check([], context))[0].detail)
await provider.close()`,
  )
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      DEBUG: '*',
      NODE_DEBUG: 'http,https,net,tls,stream,timer',
      AWS_ENDPOINT_URL: moto,
      ...env,
    },
    maxBuffer: 64 * 1024 * 1024,
  })
  printed.push(stdout, stderr)
  expect(stderr).toContain('HTTP')
  return stdout.trim().split('\n')
}

/** A server that answers every request with the same. */
async function answering(status: number, type: string, body: string): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(status, { 'content-type': type }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('with DEBUG=* and NODE_DEBUG, nothing of the login and no value is printed', () => {
  it('keys and a session token', async () => {
    const env = { AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secretKey, AWS_SESSION_TOKEN: session }
    expect(await read(env)).toEqual(['true,false', 'found in the environment variables'])
  })

  it('a web identity, as CI and Kubernetes give it, against the STS of moto', async () => {
    const file = join(folder, 'identity')
    writeFileSync(file, identity)
    const lines = await read({
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/builder',
      AWS_ROLE_SESSION_NAME: 'build',
    })
    expect(lines).toEqual(['true,false', expect.stringMatching(/^found in .*web identity.*, valid until 2/)])
  })

  it('a web identity that STS refuses', async () => {
    const file = join(folder, 'identity')
    writeFileSync(file, identity)
    const error = `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${said}</Message></Error></ErrorResponse>`
    const lines = await read({
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/builder',
      AWS_ENDPOINT_URL_STS: await answering(403, 'text/xml', error),
    })
    expect(lines[0]).toBe('LOGIN_REFUSED')
  })

  it('an SSO profile whose login is fresh', async () => {
    const start = 'https://example.awsapps.com/start'
    writeFileSync(
      join(folder, '.aws/config'),
      `[profile sso]\nsso_start_url = ${start}\nsso_region = ${region}\nsso_account_id = 123456789012\nsso_role_name = reader\n`,
    )
    const cached = createHash('sha1').update(start).digest('hex')
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    writeFileSync(
      join(folder, `.aws/sso/cache/${cached}.json`),
      JSON.stringify({ startUrl: start, region, accessToken: bearer, expiresAt }),
    )
    const roleCredentials = {
      accessKeyId: keyId,
      secretAccessKey: secretKey,
      sessionToken: session,
      expiration: Date.now() + 3_600_000,
    }
    const sso = await answering(200, 'application/json', JSON.stringify({ roleCredentials }))
    const lines = await read({ AWS_ENDPOINT_URL_SSO: sso }, { method: 'profile', profile: 'sso' })
    expect(lines).toEqual(['true,false', expect.stringMatching(/^found in .*SSO/)])
  })
})

describe('when AWS asks to slow down', () => {
  it('fewer at once are asked for, until all are there, within the one deadline', async () => {
    const heard = new Heard()
    let running = 0
    let throttled = 0
    const server = await front(undefined, ({ action, body }, response) => {
      if (action === 'BatchGetSecretValue') return refuse(response, 400, 'AccessDeniedException', said)
      if (running >= 4) {
        throttled += 1
        return refuse(response, 400, 'ThrottlingException', `Rate exceeded ${said}`)
      }
      running += 1
      setTimeout(() => {
        running -= 1
        response.end(JSON.stringify({ SecretString: `value of ${body.SecretId}` }))
      }, 5)
      return true
    })
    closing.push(server.close)
    const names = Array.from({ length: 60 }, (_, index) => `N${index}`)
    const secrets = await createSecrets({
      configFile: false,
      root: folder,
      cache: false,
      providers: {
        aws: aws({
          region,
          endpoint: server.url,
          auth: { method: 'keys', accessKeyId: 'a', secretAccessKey: 'b' },
        }),
      },
      secrets: Object.fromEntries(names.map((one) => [one, `aws:${one}`])),
    })
    const snapshot = await secrets.load()
    await secrets.close()
    for (const one of names) expect(snapshot.get(one)?.reveal()).toBe(`value of ${one}`)
    expect(throttled).toBeGreaterThan(0)
    // At first 16 at once, then 8, then 4, which it bears: no storm.
    expect(throttled).toBeLessThan(30)
    expect(canariesIn(heard.text, values)).toEqual([])
  })

  it('entries of a batch that are throttled are errors of their own', async () => {
    const Errors = [{ SecretId: 'slow', ErrorCode: 'ThrottlingException', Message: said }]
    const SecretValues = [{ Name: 'quick', SecretString: 'x', VersionId: 'v' }]
    const server = await front(undefined, (_, response) => {
      response.end(JSON.stringify({ SecretValues, Errors }))
      return true
    })
    closing.push(server.close)
    const heard = new Heard()
    const provider = aws({
      region,
      endpoint: server.url,
      auth: { method: 'keys', accessKeyId: 'a', secretAccessKey: 'b' },
    })
    const results = await provider.read(
      ['quick', 'slow'].map((path) => ({ path, options: {} })),
      contextFor(heard),
    )
    await provider.close!()
    expect(results[0]).toMatchObject({ value: 'x' })
    expect(results[1]).toBeInstanceOf(SecretsError)
    expect(results[1]).toMatchObject({ code: 'RATE_LIMITED', transient: true })
  })
})
