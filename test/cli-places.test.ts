import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { copyDocument, readSource } from '../src/cli/migrate.ts'
import type { Provider } from '../src/core/types.ts'
import { aws, local, vault } from '../src/providers/index.ts'
import { contextFor, front, Heard } from './support/aws.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

/** Documents of this run: the server is shared. */
const run = `c${randomBytes(4).toString('hex')}`
const endpoint = inject('servers').moto.url
const region = 'eu-west-1'
const login = { AWS_ACCESS_KEY_ID: 'AKIAtest', AWS_SECRET_ACCESS_KEY: 'test' }
let place: CliPlace
const credentials = { accessKeyId: 'AKIAtest', secretAccessKey: 'test' }
vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const admin = new SecretsManager({ region, endpoint, credentials: { ...credentials } })

const secret = () => place.secret(canary())
const act = (...args: string[]) => place.run(args, { env: login })
/** What stands at the provider, by the SDK itself: a process for each look would take its time. */
async function stored(path: string, field?: string): Promise<string | undefined> {
  const SecretId = `${run}/${path}`
  // moto does not follow AWSCURRENT unless it is named.
  const { SecretString } = await admin.getSecretValue({ SecretId, VersionStage: 'AWSCURRENT' })
  return field === undefined ? SecretString : JSON.parse(SecretString!)[field]
}
const set = (name: string, value: string) => place.run(['set', name], { env: login, input: value })

const placeAt = (name: string, provider: Provider, path: string) => ({
  provider: provider as Required<Provider>,
  reference: { provider: name, path, options: {}, field: undefined, source: `${name}:${path}` },
})

beforeAll(async () => {
  place = new CliPlace('cli-places', await buildPackage('cli-places-package'))
  const config = {
    providers: {
      aws: { type: 'aws', region, endpoint, auth: { method: 'default' } },
      local: { type: 'local' },
      env: { type: 'env' },
    },
    secrets: {
      DATABASE_URL: `aws:${run}/db#url`,
      DATABASE_USER: `aws:${run}/db#user`,
      WHOLE: `aws:${run}/whole`,
      SHAPED: `aws:${run}/shaped#password`,
      SHAPED_USER: `aws:${run}/shaped#user`,
      MOVED: `aws:${run}/moved`,
      OURS: 'local:OURS',
      FROM_CI: 'env:FROM_CI',
    },
    cache: false,
  }
  place.write('secrets.config.json', JSON.stringify(config))
})

afterAll(() => {
  admin.destroy()
  expect(place.values.length).toBeGreaterThan(7)
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

describe('one field of a document', () => {
  it('is set and removed, and the others stay', async () => {
    const [url, user] = [secret(), secret()]
    expect(await set('DATABASE_URL', url)).toMatchObject({ code: 0, stderr: '' })
    expect(await set('DATABASE_USER', user)).toMatchObject({ code: 0 })
    expect([await stored('db', 'url'), await stored('db', 'user')]).toEqual([url, user])
    expect((await act('unset', 'DATABASE_USER', '--yes')).code).toBe(0)
    expect((await act('unset', 'DATABASE_USER', '--yes')).code).toBe(3)
    expect((await act('get', 'DATABASE_USER')).code).toBe(1)
    expect(await stored('db', 'url')).toBe(url)
    await set('DATABASE_USER', user)
    const refused = await place.run(['set', 'DATABASE_USER', '--env', 'test'], { env: login, input: 'x' })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('one value for all environments')
  })
})

describe('versions and rollback', () => {
  it('shows versions and goes back, only with a yes', async () => {
    const [first, second] = [secret(), secret()]
    await set('WHOLE', first)
    await set('WHOLE', second)
    type Versions = { versions: { version: string; state: string; labels: string[] }[] }
    const { versions } = await place.json<Versions>(['versions', 'WHOLE'], { env: login })
    expect(versions.map(({ state }) => state)).toEqual(['current', 'previous'])
    const older = versions[1]!.version
    const shown = await act('versions', `aws:${run}/whole`)
    expect(shown.stdout).toMatch(/^VERSION +STATE +CREATED +LABELS\n/)
    expect(shown.stdout).toContain('AWSPREVIOUS')
    const dry = await act('rollback', 'WHOLE', '--dry-run')
    expect(dry.stdout).toContain(`would go back to version ${older}`)
    const unasked = await act('rollback', 'WHOLE')
    expect(unasked.code).toBe(2)
    expect(unasked.stderr).toContain('--yes')
    expect(await stored('whole')).toBe(second)
    expect((await act('rollback', 'WHOLE', '--yes')).code).toBe(0)
    expect(await stored('whole')).toBe(first)
    const data = await place.json(['rollback', 'WHOLE', versions[0]!.version, '--yes'], { env: login })
    expect(data).toMatchObject({ rolledBack: true, current: versions[0]!.version })
    expect(await stored('whole')).toBe(second)
    const wrong = await act('rollback', 'WHOLE', 'nothing', '--yes')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('no such version')
  })

  it('says what cannot, and what can', async () => {
    const local = await act('versions', 'OURS')
    expect(local.code).toBe(1)
    expect(local.stderr).toContain('Providers that can show versions: aws.')
    expect((await act('versions', 'NOBODY')).code).toBe(3)
    expect((await act('versions', `aws:${run}/none`)).code).toBe(3)
    expect((await act('versions', 'nowhere:x')).stderr).toContain('Configured: aws, local, env.')
    expect((await act('rollback', `aws:${run}/none`, '--yes')).code).toBe(3)
    const denied = await place.run(['versions', 'WHOLE'], { env: { AWS_EC2_METADATA_DISABLED: 'true' } })
    expect(denied.code).toBe(5)
  })
})

describe('policy', () => {
  it('prints what a provider gives for exactly the configured references', async () => {
    const { stdout, code } = await act('policy', 'aws')
    expect(code).toBe(0)
    const [read] = JSON.parse(stdout).Statement
    expect(read.Action).toBe('secretsmanager:GetSecretValue')
    const names = read.Resource.map((arn: string) => arn.split(':secret:')[1])
    expect(names.sort()).toEqual(['db', 'moved', 'shaped', 'whole'].map((name) => `${run}/${name}-??????`))
    expect(
      JSON.parse((await place.json<{ policy: string }>(['policy', 'aws'], { env: login })).policy),
    ).toEqual(JSON.parse(stdout))
    expect((await act('policy', 'local')).stderr).toContain('Providers that can print a policy: aws.')
    expect((await act('policy', 'asw')).stderr).toContain('Did you mean aws?')
  })
})

describe('template', () => {
  it('makes a secret that no build accepts until its placeholders are replaced', async () => {
    const made = await place.json(['template', 'SHAPED'], { env: login })
    expect(made).toMatchObject({ created: true, fields: ['password', 'user'], path: `${run}/shaped` })
    const get = await act('get', 'SHAPED')
    expect(get.code).toBe(1)
    expect(get.stderr).toContain('placeholder')
    const [password] = [secret()]
    await set('SHAPED', password)
    expect(await stored('shaped', 'password')).toBe(password)
    expect((await act('get', 'SHAPED_USER')).code).toBe(1)
    expect((await act('template', 'SHAPED')).stdout).toContain('is there already')
    const more = await place.json(['template', `aws:${run}/shaped`, '--fields', 'user,host'], { env: login })
    expect(more).toMatchObject({ created: true, fields: ['host'] })
    expect(await stored('shaped', 'password')).toBe(password)
    expect((await act('template', 'FROM_CI')).stderr).toContain('Providers that can write: aws, local.')
    expect((await act('template', 'OURS')).code).toBe(0)
    expect((await act('get', 'OURS')).stderr).toContain('placeholder')
  })
})

describe('migrate', () => {
  it('copies, compares, and removes only then; across providers', async () => {
    const value = secret()
    await set('MOVED', value)
    const args = ['migrate', 'MOVED', 'local:ARRIVED']
    expect((await act(...args, '--dry-run')).stdout).toContain('would be copied to local:ARRIVED and removed')
    expect((await act(...args)).code).toBe(2)
    expect(await stored('moved')).toBe(value)
    expect((await act(...args, '--yes', '--keep')).code).toBe(0)
    expect(await stored('moved')).toBe(value)
    const again = await act(...args, '--yes')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('There is something at local:ARRIVED already.')
    expect(await stored('moved')).toBe(value)
    await act('unset', 'ARRIVED', '--yes')
    const moved = await place.json([...args, '--yes'], { env: login })
    expect(moved).toMatchObject({ copied: true, removed: true, names: ['MOVED'] })
    expect((await act('get', 'MOVED')).code).toBe(1)
    // And the way back, under another name.
    expect((await act('migrate', 'local:ARRIVED', `aws:${run}/back`, '--yes')).code).toBe(0)
    expect(await stored('back')).toBe(value)
  })

  it('from OpenBao to AWS to the local vault, fields and texts stay what they are', async () => {
    const { bao } = inject('servers')
    const heard = new Heard()
    const providers = {
      vault: vault({ url: bao.url, mount: 'secret', auth: { method: 'token', token: bao.token } }),
      aws: aws({ region, endpoint, auth: { method: 'keys', ...credentials } }),
      local: local({ file: '.secrets/other.vault' }),
    }
    const context = (name: string) => contextFor(heard, { name, root: place.root })
    const fields = { user: secret(), password: secret(), port: '5432' }
    const text = secret()
    const root = (name: keyof typeof providers, path: string) => placeAt(name, providers[name], path)
    await new Bao(bao).write2('secret', `${run}/db`, fields)
    await providers.local.write!({ path: 'TEXT', value: text }, context('local'))
    const way = async (...ends: ReturnType<typeof placeAt>[]) => {
      for (const [index, end] of ends.entries())
        if (index > 0) await copyDocument(await readSource(ends[index - 1]!, end, context), end, context)
    }
    await way(root('vault', `${run}/db`), root('aws', `${run}/there`), root('local', 'BACK'))
    const [back] = await providers.local.read([{ path: 'BACK', options: {} }], context('local'))
    expect(JSON.parse(String((back as { value: string }).value))).toEqual(fields)
    await way(root('local', 'TEXT'), root('aws', `${run}/text`))
    expect(await stored('text')).toBe(text)
    for (const provider of Object.values(providers)) await provider.close?.()
    expect(canariesIn(heard.text, place.values)).toEqual([])
  })

  it('takes a copy away that does not read back the same, and leaves the source', async () => {
    const value = secret()
    const [from, to] = [`${run}/whole-source`, `${run}/copy`]
    await admin.createSecret({ Name: from, SecretString: value })
    const server = await front(endpoint, ({ action, body }, response) => {
      if (action !== 'GetSecretValue' || body.SecretId !== to || server.count('CreateSecret') === 0)
        return false
      response.end(JSON.stringify({ Name: to, SecretString: `${value} `, VersionId: 'v' }))
      return true
    })
    const auth = { method: 'keys', ...credentials } as const
    const provider = aws({ region, endpoint: server.url, auth })
    const heard = new Heard()
    const at = (path: string) => placeAt('aws', provider, path)
    const context = () => contextFor(heard)
    const document = await readSource(at(from), at(to), context)
    const error = await copyDocument(document, at(to), context).catch((reason: unknown) => reason)
    heard.add(error)
    expect(error).toMatchObject({
      code: 'RESPONSE_MALFORMED',
      hint: expect.stringContaining('the copy was removed'),
    })
    await provider.close!()
    await server.close()
    expect(await stored('whole-source')).toBe(value)
    await expect(stored('copy')).rejects.toThrow(/deleted/)
    expect(canariesIn(heard.text, place.values)).toEqual([])
  })

  it('refuses what is no document, what is missing, and what cannot be written', async () => {
    for (const [args, code] of [
      [['DATABASE_URL', 'local:X'], 2],
      [[`aws:${run}/db?stage=AWSPREVIOUS`, 'local:X'], 2],
      [[`aws:${run}/db`, `aws:${run}/db`], 2],
      [[`aws:${run}/none`, 'local:X'], 3],
      [[`aws:${run}/db`, 'env:X'], 1],
    ] as const)
      expect([args, (await act('migrate', ...args, '--yes')).code]).toEqual([args, code])
  })
})

describe('push', () => {
  it('shows names, writes with a yes, and then has nothing to do', async () => {
    const [url, ours] = [secret(), secret()]
    const text = `DATABASE_URL='${url}'\nOURS="${ours}"\nWHOLE='${await stored('whole')}'\n`
    const file = `${place.root}-values.env`
    place.write('../project-values.env', text)
    const push = ['push', '--file', file]
    const dry = await act(...push, '--dry-run')
    expect(dry.stdout).toBe(
      `~ DATABASE_URL → aws:${run}/db#url\n~ OURS → local:OURS\n2 values to write, 1 the same.\n`,
    )
    expect((await act(...push)).code).toBe(2)
    const user = await stored('db', 'user')
    type Pushed = { written: string[]; changes: { name: string; kind: string }[] }
    const pushed = await place.json<Pushed>([...push, '--yes'], { env: login })
    expect(pushed.written).toEqual(['DATABASE_URL', 'OURS'])
    expect(await stored('db', 'url')).toBe(url)
    expect(await stored('db', 'user')).toBe(user)
    expect((await place.reveal(['get', 'OURS', '--reveal'])).stdout).toBe(ours)
    expect((await act(...push)).stdout).toContain('0 values to write, 3 the same.')
    expect((await act('push', '--file', 'none.env')).code).toBe(3)
    place.write('../project-values.env', `FROM_CI=x\n${text}`)
    const refused = await act(...push, '--yes')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('FROM_CI comes from env:FROM_CI')
    rmSync(file)
  })
})
