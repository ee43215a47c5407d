import { randomBytes } from 'node:crypto'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { afterAll, describe, expect, inject, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { Provider } from '../src/core/types.ts'
import { aws } from '../src/providers/aws/index.ts'
import { ask, contextFor, type Fault, type Front, front, Heard, refuse } from './support/aws.ts'
import { canariesIn, canary } from './support/canary.ts'

// The SDK's warning about the Node version is about the test's own client.
vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const moto = inject('servers').moto.url
const region = 'eu-west-1'
const [accessKeyId, secretAccessKey] = [canary('AKIA'), canary('sk')]
const admin = new SecretsManager({ region, endpoint: moto, credentials: { accessKeyId, secretAccessKey } })
const run = `m${randomBytes(4).toString('hex')}`
const heard = new Heard()
const context = contextFor(heard)
const values: string[] = [accessKeyId, secretAccessKey]
const secret = (prefix?: string): string => {
  const value = canary(prefix)
  values.push(value)
  return value
}
const fronts: Front[] = []
const providers: Provider[] = []
function make(endpoint = moto): Required<Provider> {
  const provider = aws({ region, endpoint, auth: { method: 'keys', accessKeyId, secretAccessKey } })
  providers.push(provider)
  return provider as Required<Provider>
}
/** A provider and the server that it goes through. */
async function through(fault?: Fault, target: string | undefined = moto) {
  const server = await front(target, fault)
  fronts.push(server)
  return { server, provider: make(server.url) }
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
async function contentAt(provider: Provider, path: string, options = {}) {
  const [document] = await provider.read([ask(path, options)], context)
  return document instanceof SecretsError ? document.code : document?.value
}
const denied =
  (...actions: string[]): Fault =>
  ({ action }, response) =>
    actions.includes(action) ? refuse(response, 400, 'AccessDeniedException', secret('said')) : false

afterAll(async () => {
  await Promise.all([...providers.map((one) => one.close?.()), ...fronts.map((one) => one.close())])
  admin.destroy()
  expect(values.length).toBeGreaterThan(10)
  expect(canariesIn(heard.text, values)).toEqual([])
})

describe('write', () => {
  it('check-and-set: on the expected version only, and what loses is never current', async () => {
    const provider = make()
    const path = `${run}/cas`
    const [first, second, lost] = [secret(), secret(), secret()]
    const made = await provider.write({ path, value: first, expected: null }, context)
    expect(await failure(provider.write({ path, value: lost, expected: null }, context))).toMatchObject({
      code: 'CONFLICT',
    })
    const written = await provider.write({ path, value: second, expected: made.version! }, context)
    expect(written.version).not.toBe(made.version)
    expect(await provider.read([ask(path)], context)).toEqual([{ value: second, version: written.version }])
    const stale = provider.write({ path, value: lost, expected: made.version! }, context)
    expect(await failure(stale)).toMatchObject({ code: 'CONFLICT' })
    expect(await contentAt(provider, path)).toBe(second)
    const stages = (await admin.describeSecret({ SecretId: path })).VersionIdsToStages!
    expect(Object.values(stages).flat().sort()).toEqual(['AWSCURRENT', 'AWSPREVIOUS'])
    const nothing = provider.write({ path: `${run}/none`, value: lost, expected: 'v' }, context)
    expect(await failure(nothing)).toMatchObject({ code: 'CONFLICT' })
  })

  it('of eight writers who expect the same version one wins', async () => {
    const provider = make()
    const path = `${run}/race`
    const { version } = await provider.write({ path, value: 'start' }, context)
    const writers = Array.from({ length: 8 }, (_, index) =>
      provider.write({ path, value: `writer ${index}`, expected: version! }, context).then(
        () => index,
        (error: SecretsError) => error.code,
      ),
    )
    const ends = await Promise.all(writers)
    const winners = ends.filter((end) => typeof end === 'number')
    expect(winners).toHaveLength(1)
    expect(ends.filter((end) => end === 'CONFLICT')).toHaveLength(7)
    expect(await contentAt(provider, path)).toBe(`writer ${winners[0]}`)
  })

  it('bytes stay bytes', async () => {
    const provider = make()
    const value = Uint8Array.from(randomBytes(300))
    await provider.write({ path: `${run}/bytes`, value }, context)
    expect(await contentAt(provider, `${run}/bytes`)).toEqual(value)
    expect(await failure(provider.patch({ path: `${run}/bytes`, set: { a: 'b' } }, context))).toMatchObject({
      code: 'WRONG_TYPE',
    })
  })

  it('patches keys and keeps the others', async () => {
    const provider = make()
    const path = `${run}/patch`
    const [kept, changed] = [secret(), secret()]
    const { version } = await provider.write({ path, value: { kept, changed: 'old', gone: 1 } }, context)
    const patch = { path, set: { changed, more: { deep: [1] } }, unset: ['gone'] }
    await provider.patch(patch, context)
    const read = async () => JSON.parse(String(await contentAt(provider, path)))
    expect(await read()).toEqual({ kept, changed, more: { deep: [1] } })
    const stale = { path, set: { changed: 'no' }, expected: version! }
    expect(await failure(provider.patch(stale, context))).toMatchObject({ code: 'CONFLICT' })
    expect(await failure(provider.patch({ path: `${run}/none`, set: {} }, context))).toMatchObject({
      code: 'NOT_FOUND',
    })
    // Two at once change different keys: neither is lost.
    await Promise.all(
      ['one', 'two', 'three'].map((name) => provider.patch({ path, set: { [name]: name } }, context)),
    )
    expect(await read()).toMatchObject({ kept, one: 'one', two: 'two', three: 'three' })
    const text = secret()
    await provider.write({ path: `${run}/text`, value: `no JSON ${text}` }, context)
    expect(await failure(provider.patch({ ...patch, path: `${run}/text` }, context))).toMatchObject({
      code: 'WRONG_TYPE',
    })
  })
})

describe('remove and restore', () => {
  it('schedules, restores, and removes for ever', async () => {
    const { provider, server } = await through()
    const path = `${run}/going`
    const value = secret()
    await provider.write({ path, value }, context)
    expect(await provider.restore({ path }, context)).toBe(false)
    expect(await provider.remove({ path, recoveryDays: 7 }, context)).toBe(true)
    const sent = server.requests.find(({ action }) => action === 'DeleteSecret')!
    expect(sent.body).toMatchObject({ RecoveryWindowInDays: 7 })
    expect(await contentAt(provider, path)).toBe('DELETED')
    expect((await provider.history(path, context))!.map(({ state }) => state)).toEqual(['deleted'])
    expect(await failure(provider.rollback({ path, version: 'AWSCURRENT' }, context))).toMatchObject({
      code: 'DELETED',
      hint: expect.stringContaining('restore-secret'),
    })
    expect(await provider.restore({ path }, context)).toBe(true)
    expect(await contentAt(provider, path)).toBe(value)
    expect(await provider.remove({ path, forever: true }, context)).toBe(true)
    expect(await contentAt(provider, path)).toBeUndefined()
    expect(await provider.remove({ path, forever: true }, context)).toBe(false)
    expect(await provider.restore({ path }, context)).toBe(false)
  })

  it('refuses what AWS cannot do', async () => {
    const { provider, server } = await through()
    const path = `${run}/none`
    for (const recoveryDays of [6, 31, Number.NaN])
      expect(await failure(provider.remove({ path, recoveryDays }, context))).toMatchObject({
        code: 'REQUEST_REFUSED',
      })
    for (const change of [
      provider.remove({ path, versions: ['1'] }, context),
      provider.restore({ path, versions: ['1'] }, context),
      provider.remove({ path, environment: 'production' }, context),
    ])
      expect(await failure(change)).toMatchObject({ code: 'UNSUPPORTED' })
    expect(server.requests).toEqual([])
  })
})

describe('history and rollback', () => {
  it('rolls back by moving AWSCURRENT, by id and by stage', async () => {
    const provider = make()
    const path = `${run}/roll`
    const texts = [secret(), secret(), secret()]
    const ids: string[] = []
    for (const value of texts) ids.push((await provider.write({ path, value }, context)).version!)
    const history = (await provider.history(path, context))!
    expect(history.map(({ version }) => version).sort()).toEqual([...ids].sort())
    const of = (version: string) => history.find((entry) => entry.version === version)
    expect(of(ids[2]!)).toMatchObject({ state: 'current', labels: ['AWSCURRENT'] })
    expect(of(ids[1]!)).toMatchObject({ state: 'previous', labels: ['AWSPREVIOUS'] })
    expect(of(ids[0]!)).toMatchObject({ state: 'previous', labels: [], createdAt: expect.any(Number) })
    expect(await provider.rollback({ path, version: 'AWSPREVIOUS' }, context)).toEqual({ version: ids[1] })
    expect(await contentAt(provider, path)).toBe(texts[1])
    const many = await provider.read([ask(path), ask(`${run}/none`)], context)
    expect(many).toEqual([{ value: texts[1], version: ids[1] }, undefined])
    expect(await contentAt(provider, path, { stage: 'AWSPREVIOUS' })).toBe(texts[2])
    // One without a stage.
    expect(await provider.rollback({ path, version: ids[0]! }, context)).toEqual({ version: ids[0] })
    expect(await contentAt(provider, path)).toBe(texts[0])
    // Where it is already.
    expect(await provider.rollback({ path, version: ids[0]! }, context)).toEqual({ version: ids[0] })
    for (const version of ['nothing', randomBytes(16).toString('hex')])
      expect(await failure(provider.rollback({ path, version }, context))).toMatchObject({
        code: 'NOT_FOUND',
        message: expect.stringContaining('no such version'),
      })
    expect(await contentAt(provider, path)).toBe(texts[0])
    expect(await provider.history(`${run}/none`, context)).toBeUndefined()
    const none = provider.rollback({ path: `${run}/none`, version: ids[0]! }, context)
    expect(await failure(none)).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('somebody who moves it in between is a conflict', async () => {
    const path = `${run}/moved`
    await make().write({ path, value: 'a' }, context)
    await make().write({ path, value: 'b' }, context)
    const { provider } = await through(({ action }, response) =>
      action === 'UpdateSecretVersionStage'
        ? refuse(response, 400, 'InvalidParameterException', secret('said'))
        : false,
    )
    const rolled = provider.rollback({ path, version: 'AWSPREVIOUS' }, context)
    expect(await failure(rolled)).toMatchObject({ code: 'CONFLICT' })
  })
})

describe('metadata', () => {
  it('tags, description and times; merged, and an empty text takes one away', async () => {
    const provider = make()
    const path = `${run}/tags`
    const Tags = [{ Key: 'owner', Value: 'me' }]
    await admin.createSecret({ Name: path, SecretString: secret(), Description: 'Payments', Tags })
    await provider.annotate({ path, custom: { team: 'core', environment: 'test' } }, context)
    await provider.annotate({ path, custom: { environment: '', owner: 'you' } }, context)
    expect(await provider.metadata(path, context)).toEqual({
      custom: { owner: 'you', team: 'core' },
      description: 'Payments',
      createdAt: expect.any(Number),
      updatedAt: expect.any(Number),
      maxVersions: undefined,
    })
    expect(await provider.metadata(`${run}/none`, context)).toBeUndefined()
    const none = provider.annotate({ path: `${run}/none`, custom: { a: 'b' } }, context)
    expect(await failure(none)).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('has it changed?', () => {
  const many = Array.from({ length: 30 }, (_, index) => `${run}/watched/${index}`)

  it('a few are looked at without their values; the stamps are those of a read', async () => {
    const path = `${run}/stamped`
    const [first, second] = [secret(), secret()]
    await make().write({ path, value: first }, context)
    await make().write({ path, value: second }, context)
    await make().write({ path: `${run}/removed`, value: first }, context)
    await make().remove({ path: `${run}/removed` }, context)
    const { provider, server } = await through()
    const [document, before] = await provider.read([ask(path), ask(path, { stage: 'AWSPREVIOUS' })], context)
    const stampOf = (result: unknown) => (result as { version: string }).version
    server.requests.length = 0
    const stamps = await provider.versions(
      [
        ask(path),
        ask(path, { stage: 'AWSPREVIOUS' }),
        ask(path, { version: stampOf(before) }),
        ask(path, { stage: 'NOSUCH' }),
        ask(`${run}/none`),
        ask(`${run}/removed`),
      ],
      context,
    )
    expect(stamps.slice(0, 5)).toEqual([
      stampOf(document),
      stampOf(before),
      stampOf(before),
      undefined,
      undefined,
    ])
    expect(stamps[5]).toMatchObject({ code: 'DELETED' })
    heard.add(stamps[5])
    expect(server.requests.map(({ action }) => action)).toEqual(Array(3).fill('DescribeSecret'))
  })

  it('thirty are one list while nothing changes, and one look more for what did', async () => {
    const admins = make()
    for (const path of many) await admins.write({ path, value: secret() }, context)
    const { provider, server } = await through()
    const requests = many.map((path) => ask(path))
    const read = (await provider.read(requests, context)).map(
      (result) => (result as { version: string }).version,
    )
    server.requests.length = 0
    expect(await provider.versions(requests, context)).toEqual(read)
    expect(server.requests.map(({ action }) => action)).toEqual(['ListSecrets'])
    expect(server.requests[0]!.body).toMatchObject({ Filters: [{ Values: [`${run}/watched/`] }] })
    const { version } = await admins.write({ path: many[7]!, value: secret() }, context)
    server.requests.length = 0
    expect(await provider.versions(requests, context)).toEqual(read.with(7, version!))
    expect(server.requests.map(({ action }) => action)).toEqual(['ListSecrets', 'DescribeSecret'])
  })

  it('a list that is behind is not believed', async () => {
    const old = JSON.stringify({
      SecretList: many.map((Name) => ({ Name, SecretVersionsToStages: { old: ['AWSCURRENT'] } })),
    })
    const { provider, server } = await through(({ action }, response) => {
      if (action !== 'ListSecrets') return false
      response.end(old)
      return true
    })
    const requests = many.map((path) => ask(path))
    const read = (await provider.read(requests, context)).map(
      (result) => (result as { version: string }).version,
    )
    expect(await provider.versions(requests, context)).toEqual(read)
    expect(server.count('DescribeSecret')).toBe(30)
  })

  it('without the permissions it reads, and does not ask for them again', async () => {
    const { provider, server } = await through(denied('ListSecrets', 'DescribeSecret'))
    const requests = many.slice(0, 12).map((path) => ask(path))
    const read = (await provider.read(requests, context)).map(
      (result) => (result as { version: string }).version,
    )
    for (let round = 1; round <= 2; round++) expect(await provider.versions(requests, context)).toEqual(read)
    expect([server.count('ListSecrets'), server.count('DescribeSecret')]).toEqual([1, 12])
    expect(server.count('BatchGetSecretValue')).toBe(3)
  })

  it('throws when nothing could be known', async () => {
    const { provider, server } = await through((_, response) =>
      refuse(response, 400, 'ExpiredTokenException', secret('said')),
    )
    const requests = many.slice(0, 5).map((path) => ask(path))
    const asked = provider.versions(requests, contextFor(heard, { concurrency: 1 }))
    expect(await failure(asked)).toMatchObject({ code: 'TOKEN_INVALID' })
    expect(server.requests).toHaveLength(1)
    const { provider: broken } = await through((_, response) =>
      refuse(response, 500, 'InternalServiceError', secret('said')),
    )
    expect(await failure(broken.versions(requests, context))).toMatchObject({ code: 'SERVER_ERROR' })
  })
})
