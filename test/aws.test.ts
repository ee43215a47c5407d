import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { Provider, ReadResult, Reference } from '../src/core/types.ts'
import { type AwsOptions, aws } from '../src/providers/aws/index.ts'
import { ask, contextFor, type Front, front, Heard, refuse } from './support/aws.ts'
import { canariesIn, canary } from './support/canary.ts'

const moto = inject('servers').moto.url
const tmp = fileURLToPath(new URL('.tmp/aws', import.meta.url))
const region = 'eu-west-1'
const heard = new Heard()
const values: string[] = []
const secretOf = (name: string) => {
  const value = canary(name)
  values.push(value)
  return value
}
const accessKeyId = secretOf('AKIA')
const secretAccessKey = secretOf('sk')
const sessionToken = secretOf('token')
const keys = { method: 'keys', accessKeyId, secretAccessKey, sessionToken } as const
/** Names of this run: the server is shared. */
const run = `t${randomBytes(4).toString('hex')}`
// The SDK's warning about the Node version is about this client; the last test looks at the provider's own.
vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const admin = new SecretsManager({ region, endpoint: moto, credentials: { accessKeyId, secretAccessKey } })

const open: Provider[] = []
const fronts: Front[] = []
function make(options: AwsOptions = {}): Provider {
  const provider = aws({ region, endpoint: moto, auth: keys, ...options })
  open.push(provider)
  return provider
}
async function inFront(...args: Parameters<typeof front>): Promise<Front> {
  const server = await front(...args)
  fronts.push(server)
  return server
}
const context = contextFor(heard)
async function readOne(
  provider: Provider,
  path: string,
  options?: Record<string, string>,
): Promise<ReadResult> {
  const [result] = await provider.read([ask(path, options)], context)
  if (result instanceof SecretsError) heard.add(result)
  return result
}
async function failure(work: Promise<unknown>): Promise<SecretsError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  heard.add(error)
  expect(error).toBeInstanceOf(SecretsError)
  return error as SecretsError
}
const create = (name: string, text: string) => admin.createSecret({ Name: name, SecretString: text })

const current = secretOf('current')
const previous = secretOf('previous')
const bytes = randomBytes(40)
let arn: string
let versions: { current: string; previous: string }

beforeAll(async () => {
  await mkdir(tmp, { recursive: true })
  const first = await create(`${run}/db`, previous)
  const second = await admin.putSecretValue({ SecretId: `${run}/db`, SecretString: current })
  arn = first.ARN!
  versions = { current: second.VersionId!, previous: first.VersionId! }
  await create(`${run}/json`, JSON.stringify({ user: 'me', password: current }))
  await admin.createSecret({ Name: `${run}/bytes`, SecretBinary: bytes })
  await create(`${run}/going`, secretOf('going'))
  await admin.deleteSecret({ SecretId: `${run}/going` })
})
afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  await Promise.all([
    ...open.map((provider) => provider.close?.()),
    ...fronts.map((server) => server.close()),
  ])
  admin.destroy()
  await rm(tmp, { recursive: true, force: true })
  // The last word of the suite: nothing that was said holds a value, a key or a token.
  expect(canariesIn(heard.text, values)).toEqual([])
})

describe('options', () => {
  const wrong = (options: unknown): SecretsError => {
    try {
      aws(options as AwsOptions)
    } catch (error) {
      heard.add(error)
      return error as SecretsError
    }
    throw new Error('accepted')
  }

  it.each([
    [{ regoin: 'eu-west-1' }, /regoin.*Did you mean region/],
    [{ region: 'eu west' }, /region is not/],
    [{ endpoint: 'localhost' }, /endpoint is not/],
    [{ endpoint: 'http://me:pw@localhost' }, /endpoint has a user name/],
    [{ auth: { method: 'profil' } }, /Did you mean profile/],
    [{ auth: { method: 'profile' } }, /auth\.profile is empty/],
    [{ auth: { method: 'keys', accesKeyId: 'x' } }, /accesKeyId.*Did you mean accessKeyId/],
    [{ auth: { method: 'default', profile: 'x' } }, /no option profile/],
    [{ auth: 'keys' }, /auth is not an object/],
    [{ ttl: 'soon' }, /ttl is not a duration/],
  ])('%j is refused', (options, message) => {
    expect(wrong(options)).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) })
  })

  it('asks for a login method at the first use, and calls nothing before', async () => {
    const server = await inFront(moto)
    const provider = make({ auth: undefined, endpoint: server.url })
    const expected = {
      code: 'CONFIG_INVALID',
      hint: expect.stringMatching(/'default'[\s\S]*'profile'[\s\S]*'keys'/),
    }
    const reference: Reference = {
      provider: 'aws',
      path: 'a',
      options: {},
      field: undefined,
      source: 'aws:a',
    }
    expect(() => provider.validate!(reference)).toThrow(expect.objectContaining(expected))
    expect(await failure(provider.read([ask('a')], context))).toMatchObject(expected)
    expect(await provider.check!([ask('a')], context)).toMatchObject([{ ok: false, hint: expected.hint }])
    expect(server.requests).toEqual([])
  })

  it('settings hold no credentials and make the same provider again', () => {
    const provider = make({ endpoint: moto })
    expect(provider.settings).toEqual({ region, endpoint: moto, auth: { method: 'default' } })
    heard.add(provider.settings)
    heard.add(provider.location)
    const profile = aws({ region, auth: { method: 'profile', profile: 'dev' } })
    expect(profile.settings).toEqual({ region, auth: { method: 'profile', profile: 'dev' } })
    expect(aws(profile.settings as AwsOptions).location).toBe(profile.location)
    expect(profile.location).not.toBe(aws({ region, auth: { method: 'profile', profile: 'prod' } }).location)
  })

  it('looks at references before the network', () => {
    const provider = make()
    const look = (path: string, options: Record<string, string> = {}) =>
      provider.validate!({ provider: 'aws', path, options, field: undefined, source: '' })
    const partial = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:a'
    for (const path of ['a', 'prod/a+b=c@d', 'a:b', partial, `${partial}-AbCdEf`, 'rds!db-1'])
      expect(look(path)).toBeUndefined()
    expect(look('a', { stage: 'AWSPREVIOUS' })).toBeUndefined()
    expect(look('a', { version: versions.current })).toBeUndefined()
    expect(look(' ')).toMatch(/empty/)
    expect(look('a', { stge: 'x' })).toMatch(/no option stge/)
    expect(look('a', { stage: 'x', version: 'y' })).toMatch(/together/)
    expect(look('arn:aws:s3:::bucket')).toMatch(/not that of a secret/)
    expect(look(partial.replace('eu-west-1', 'us-east-1'))).toMatch(/region us-east-1.*eu-west-1/)
  })
})

describe('log in', () => {
  const shared = async (name: string, text: string) => {
    await writeFile(`${tmp}/${name}`, text)
    return `${tmp}/${name}`
  }
  const files = async (name: string, credentials: string, config: string) => {
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', await shared(`${name}-credentials`, credentials))
    vi.stubEnv('AWS_CONFIG_FILE', await shared(`${name}-config`, config))
  }
  const profileText = (name: string, id = accessKeyId) =>
    `[${name}]\naws_access_key_id=${id}\naws_secret_access_key=${secretAccessKey}\n`
  const scopeOf = (server: Front) =>
    /Credential=([^/]+)\/\d+\/([\w-]+)\//.exec(server.requests.at(-1)!.headers.authorization!)!

  it('with keys; sends its name and keeps the connection', async () => {
    const server = await inFront(moto)
    const provider = make({ endpoint: server.url })
    expect(await readOne(provider, `${run}/db`)).toEqual({ value: current, version: versions.current })
    await readOne(provider, `${run}/db`)
    expect(scopeOf(server).slice(1)).toEqual([accessKeyId, region])
    expect(server.requests[0]!.headers['x-amz-security-token']).toBe(sessionToken)
    expect(server.requests[0]!.headers['user-agent']).toContain('unplugin-secrets/9.8.7')
    expect(new Set(server.requests.map(({ port }) => port)).size).toBe(1)
  })

  it('with a profile: its keys and its region, never those of the environment', async () => {
    await files('profile', profileText('team'), '[profile team]\nregion = eu-central-1\n')
    vi.stubEnv('AWS_ACCESS_KEY_ID', secretOf('AKIAother'))
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretOf('other'))
    vi.stubEnv('AWS_REGION', undefined)
    const server = await inFront(moto)
    const provider = make({
      region: undefined,
      endpoint: server.url,
      auth: { method: 'profile', profile: 'team' },
    })
    expect(await readOne(provider, `${run}/db`)).toBeUndefined()
    expect(scopeOf(server).slice(1)).toEqual([accessKeyId, 'eu-central-1'])
    expect(await provider.check!([], context)).toContainEqual({
      label: 'credentials',
      ok: true,
      detail: 'found in the shared files',
    })
  })

  it('a profile that is not there is no reason to try another identity', async () => {
    await files('missing', '', '')
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
    const provider = make({ auth: { method: 'profile', profile: 'nobody' } })
    expect(await failure(provider.read([ask('a')], context))).toMatchObject({
      code: 'CREDENTIALS_MISSING',
      message: expect.stringContaining('profile nobody'),
      hint: expect.stringContaining('aws configure sso --profile nobody'),
    })
  })

  it('with the default chain: environment, and AWS_DEFAULT_REGION', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
    vi.stubEnv('AWS_DEFAULT_REGION', region)
    vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', moto)
    const provider = make({ region: undefined, endpoint: undefined, auth: { method: 'default' } })
    expect(provider.location).toContain(moto)
    expect(await readOne(provider, `${run}/db`)).toMatchObject({ value: current })
    expect(await provider.check!([], context)).toContainEqual({
      label: 'credentials',
      ok: true,
      detail: 'found in the environment variables',
    })
  })

  it('without any credentials', async () => {
    await files('none', '', '')
    const provider = make({ auth: { method: 'default' } })
    expect(await failure(provider.read([ask('a'), ask('b')], context))).toMatchObject({
      code: 'CREDENTIALS_MISSING',
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    })
    const empty = make({ auth: { method: 'keys', accessKeyId: undefined, secretAccessKey: '' } })
    expect(await failure(empty.read([ask('a')], context))).toMatchObject({
      code: 'CREDENTIALS_MISSING',
      message: expect.stringContaining('auth.accessKeyId and auth.secretAccessKey are empty'),
    })
  })

  it('without a region', async () => {
    await files('no-region', profileText('default'), '')
    vi.stubEnv('AWS_REGION', undefined)
    const provider = make({ region: undefined, auth: { method: 'default' } })
    expect(await failure(provider.read([ask('a')], context))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('region is missing'),
      hint: expect.stringContaining('AWS_REGION'),
    })
  })

  it('with a role of a profile; one that may not be taken is a refused login', async () => {
    const config = '[profile role]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\n'
    await files('role', profileText('base'), config)
    vi.stubEnv('AWS_ENDPOINT_URL_STS', moto)
    const auth = { method: 'profile', profile: 'role' } as const
    const provider = make({ auth })
    expect(await readOne(provider, `${run}/db`)).toMatchObject({ value: current })
    expect((await provider.check!([], context))[0]).toMatchObject({
      detail: expect.stringMatching(/^found in an assumed role, valid until 2/),
    })
    const sts = await inFront(undefined, (_, response) => {
      response.writeHead(403, { 'content-type': 'text/xml' })
      response.end(
        `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${sessionToken}</Message></Error></ErrorResponse>`,
      )
      return true
    })
    vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url)
    expect(await failure(make({ auth }).read([ask('a')], context))).toMatchObject({
      code: 'LOGIN_REFUSED',
      message: expect.stringContaining('profile role'),
      hint: expect.stringContaining('sts:AssumeRole'),
    })
  })

  it('with an SSO profile whose login is over', async () => {
    const config = [
      '[profile sso]',
      'sso_start_url = https://example.awsapps.com/start',
      'sso_region = eu-west-1',
      'sso_account_id = 123456789012',
      'sso_role_name = reader',
    ]
    await files('sso', '', config.join('\n'))
    const provider = make({ auth: { method: 'profile', profile: 'sso' } })
    expect(await failure(provider.read([ask('a')], context))).toMatchObject({
      code: 'TOKEN_INVALID',
      hint: expect.stringContaining('aws sso login --profile sso'),
    })
  })

  it.each(['profile', 'default'] as const)(
    'after a refused login the files are read anew (%s)',
    async (method) => {
      const stale = secretOf('AKIAstale')
      await files(`renew-${method}`, profileText('default', stale), '')
      const server = await inFront(moto, ({ headers }, response) =>
        headers.authorization!.includes(stale)
          ? refuse(response, 400, 'ExpiredTokenException', `The token ${stale} is expired`)
          : false,
      )
      const auth = method === 'profile' ? ({ method, profile: 'default' } as const) : ({ method } as const)
      const provider = make({ endpoint: server.url, auth })
      const refused = await failure(provider.read([ask(`${run}/db`)], context))
      expect(refused).toMatchObject({ code: 'TOKEN_INVALID', hint: expect.stringContaining('aws sso login') })
      await files(`renew-${method}`, profileText('default'), '')
      expect(await readOne(provider, `${run}/db`)).toMatchObject({ value: current })
    },
  )
})

describe('read', () => {
  it('text, JSON text and bytes as they are', async () => {
    const provider = make()
    const [db, json, binary] = await provider.read(
      [ask(`${run}/db`), ask(`${run}/json`), ask(`${run}/bytes`)],
      context,
    )
    expect(db).toEqual({ value: current, version: versions.current })
    expect(json).toMatchObject({ value: JSON.stringify({ user: 'me', password: current }) })
    expect(binary).toMatchObject({ value: Uint8Array.from(bytes) })
    expect(await readOne(provider, `${run}/bytes`)).toMatchObject({ value: Uint8Array.from(bytes) })
  })

  it('by name, full ARN and partial ARN, alone and in one batch', async () => {
    const server = await inFront(moto)
    const provider = make({ endpoint: server.url })
    const document = { value: current, version: versions.current }
    const ways = [`${run}/db`, arn, arn.slice(0, -7)]
    for (const path of ways) expect(await readOne(provider, path)).toEqual(document)
    expect(server.count('GetSecretValue')).toBe(3)
    expect(
      await provider.read(
        [...ways, ways[0]!].map((path) => ask(path)),
        context,
      ),
    ).toEqual(Array(4).fill(document))
    expect(server.count('BatchGetSecretValue')).toBe(1)
    expect(server.count('GetSecretValue')).toBe(3)
  })

  it('a stage and a version, beside a batch', async () => {
    const server = await inFront(moto)
    const provider = make({ endpoint: server.url })
    const requests = [
      ask(`${run}/db`),
      ask(`${run}/db`, { stage: 'AWSPREVIOUS' }),
      ask(`${run}/json`, { stage: 'AWSCURRENT' }),
      ask(`${run}/db`, { version: versions.previous }),
      ask(`${run}/db`, { stage: 'NOSUCH' }),
    ]
    const results = await provider.read(requests, context)
    const before = { value: previous, version: versions.previous }
    expect(results[0]).toEqual({ value: current, version: versions.current })
    expect(results[1]).toEqual(before)
    expect(results[2]).toBeDefined()
    expect(results[3]).toEqual(before)
    expect(results[4]).toBeUndefined()
    expect([server.count('BatchGetSecretValue'), server.count('GetSecretValue')]).toEqual([1, 3])
  })

  it('what is not there is undefined, what is going to be deleted is an error with the way back', async () => {
    const provider = make()
    expect(await readOne(provider, `${run}/nothing`)).toBeUndefined()
    const deleted = {
      code: 'DELETED',
      hint: expect.stringContaining(
        `aws secretsmanager restore-secret --secret-id ${run}/going --region ${region}`,
      ),
    }
    expect(await readOne(provider, `${run}/going`)).toMatchObject(deleted)
    const many = await provider.read([ask(`${run}/going`), ask(`${run}/db`), ask(`${run}/nothing`)], context)
    heard.add(many[0])
    expect(many[0]).toMatchObject(deleted)
    expect(many[1]).toMatchObject({ value: current })
    expect(many[2]).toBeUndefined()
  })

  it('45 in three requests of at most 20, some of them missing', async () => {
    const names = Array.from({ length: 45 }, (_, index) => `${run}/many/${index}`)
    const there = (index: number) => index % 9 !== 4
    const texts = names.map(() => secretOf('many'))
    await Promise.all(names.map((name, index) => there(index) && create(name, texts[index]!)))
    const server = await inFront(moto)
    const results = await make({ endpoint: server.url }).read(
      names.map((name) => ask(name)),
      context,
    )
    results.forEach((result, index) => {
      if (there(index)) expect(result).toMatchObject({ value: texts[index] })
      else expect(result).toBeUndefined()
    })
    const sizes = server.requests.map(({ action, body }) => [action, (body.SecretIdList as string[]).length])
    expect(sizes.sort()).toEqual([20, 20, 5].map((size) => ['BatchGetSecretValue', size]))
  })

  it('follows the pages of a batch', async () => {
    // The real one pages by size of the answer; this one by two.
    const server = await inFront(undefined, ({ body }, response) => {
      const ids = body.SecretIdList as string[]
      const start = Number(body.NextToken ?? 0)
      const SecretValues = ids
        .slice(start, start + 2)
        .map((Name) => ({ Name, SecretString: Name, VersionId: 'v' }))
      const next = start + 2 < ids.length ? { NextToken: String(start + 2) } : {}
      response.end(JSON.stringify({ SecretValues: SecretValues.reverse(), ...next }))
      return true
    })
    const names = ['e', 'a', 'd', 'b', 'c']
    const results = await make({ endpoint: server.url }).read(
      names.map((name) => ask(name)),
      context,
    )
    expect(results).toEqual(names.map((value) => ({ value, version: 'v' })))
    expect(server.requests.map(({ body }) => body.NextToken)).toEqual([undefined, '2', '4'])
  })

  it('a batch that is denied is not tried again; the single reads tell which secret is', async () => {
    const denied = `${run}/json`
    const server = await inFront(moto, ({ action, body }, response) =>
      action === 'BatchGetSecretValue' || body.SecretId === denied
        ? refuse(response, 400, 'AccessDeniedException', `User is not authorized, token ${sessionToken}`)
        : false,
    )
    const provider = make({ endpoint: server.url })
    const requests = [ask(`${run}/db`), ask(denied), ask(`${run}/nothing`)]
    for (let round = 1; round <= 2; round++) {
      const [db, json, nothing] = await provider.read(requests, context)
      heard.add(json)
      expect(db).toMatchObject({ value: current })
      expect(json).toMatchObject({
        code: 'PERMISSION_DENIED',
        message: `Cannot read aws:${denied}: AWS denies secretsmanager:GetSecretValue in ${region}.`,
        hint: expect.stringContaining(`arn:aws:secretsmanager:${region}:*:secret:${denied}-??????`),
      })
      expect(nothing).toBeUndefined()
      expect(server.count('BatchGetSecretValue')).toBe(1)
      expect(server.count('GetSecretValue')).toBe(3 * round)
    }
    const lines = await provider.check!(requests, context)
    heard.add(lines)
    expect(lines.map(({ label, ok }) => [label, ok])).toEqual([
      ['credentials', true],
      ['region', true],
      ['reachable', true],
      ['logged in', true],
      [`read aws:${run}/db`, true],
      [`read aws:${denied}`, false],
      [`read aws:${run}/nothing`, false],
      ['batches', true],
    ])
  })
})

describe('list, write, remove', () => {
  it('writes a new one and a new version, lists both pages, removes', async () => {
    const provider = make()
    const [first, second] = [secretOf('first'), secretOf('second')]
    const path = `${run}/own`
    await provider.write!({ path, value: first }, context)
    await provider.write!({ path, value: second }, context)
    expect(await readOne(provider, path)).toMatchObject({ value: second })
    expect(await readOne(provider, path, { stage: 'AWSPREVIOUS' })).toMatchObject({ value: first })
    await Promise.all(Array.from({ length: 101 }, (_, index) => create(`${run}/list/${index}`, 'x')))
    const entries = await provider.list!(`${run}/list/`, context)
    expect(new Set(entries.map((entry) => entry.path)).size).toBe(101)
    const [own] = await provider.list!(path, context)
    expect(own).toMatchObject({ path, version: expect.any(String), updatedAt: expect.any(Number) })
    expect(await provider.remove!({ path }, context)).toBe(true)
    expect(await provider.remove!({ path }, context)).toBe(false)
    expect(await provider.remove!({ path: `${run}/nothing` }, context)).toBe(false)
    expect(await readOne(provider, path)).toMatchObject({ code: 'DELETED' })
    expect(await provider.list!(path, context)).toEqual([])
    const environment = provider.write!({ path, value: second, environment: 'production' }, context)
    expect(await failure(environment)).toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('a process of its own', () => {
  it('loads the SDK with the first call only, prints nothing and leaves the environment alone', async () => {
    const outfile = `${tmp}/aws.mjs`
    await build({
      entryPoints: [fileURLToPath(new URL('../src/providers/aws/index.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      outfile,
      logLevel: 'silent',
    })
    await writeFile(
      `${tmp}/use.mjs`,
      `import { createRequire } from 'node:module'
      import { aws } from './aws.mjs'
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((file) => /@aws-sdk|@smithy/.test(file)).length
      const provider = aws({ region: '${region}', endpoint: '${moto}', auth: { method: 'default' } })
      provider.validate({ provider: 'aws', path: 'a', options: {} })
      void [provider.location, provider.settings]
      const before = { loaded: loaded(), env: JSON.stringify(process.env) }
      const [result] = await provider.read([{ path: '${run}/db', options: {} }], {
        name: 'aws', signal: AbortSignal.timeout(30000), concurrency: 2, userAgent: 'u/1', debug() {},
      })
      const after = { loaded: loaded(), env: JSON.stringify(process.env) }
      await provider.close()
      process.stdout.write(JSON.stringify({ before: before.loaded, after: after.loaded, same: before.env === after.env, version: result.version }))`,
    )
    const child = spawn(process.execPath, [`${tmp}/use.mjs`], {
      env: { PATH: process.env.PATH, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk) => out.push(chunk))
    child.stderr.on('data', (chunk) => err.push(chunk))
    // It ends by itself: close() leaves no socket and no timer behind.
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
    expect(Buffer.concat(err).toString()).toBe('')
    const seen = JSON.parse(Buffer.concat(out).toString())
    expect(seen).toMatchObject({ before: 0, same: true, version: versions.current })
    expect(seen.after).toBeGreaterThan(0)
  })
})
