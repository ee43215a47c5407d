import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import type { SecretsError } from '../src/core/errors.ts'
import { createManifest } from '../src/core/expose/manifest.ts'
import { linkEnvironment, readLinks, unlinkEnvironment } from '../src/core/links.ts'
import { createSecrets } from '../src/core/pipeline.ts'
import { serveManifest } from '../src/runtime/load.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { front, refuse } from './support/aws.ts'
import { Bao, scratch } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { runInside } from './support/cli-inside.ts'
import { WireClient } from './support/vault-env.ts'

const run = `l${randomBytes(4).toString('hex')}`
const { bao, moto } = inject('servers')
const region = 'eu-west-1'
const login = {
  AWS_ACCESS_KEY_ID: 'AKIAtest',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  VAULT_TOKEN: bao.token,
}
const built = await buildPackage('cli-link-package')
const admin = new SecretsManager({
  region,
  endpoint: moto.url,
  credentials: { accessKeyId: 'AKIAtest', secretAccessKey: 'test' },
})
const places: CliPlace[] = []
/** Everything that was thrown here, to be searched. */
const said: string[] = []
let server: RunningVaultServer
let wire: WireClient
let count = 0
let place: CliPlace

const aws = (endpoint = moto.url) => ({ type: 'aws', region, endpoint, auth: { method: 'default' } })

function configure(config: object): void {
  place.write('secrets.config.json', JSON.stringify({ import: ['local:*'], ...config }))
}

async function stored(path: string): Promise<Record<string, string> | undefined> {
  const SecretId = `${run}/${path}`
  try {
    const { SecretString } = await admin.getSecretValue({ SecretId, VersionStage: 'AWSCURRENT' })
    return JSON.parse(SecretString!)
  } catch (error) {
    expect((error as Error).name).toMatch(/ResourceNotFound|InvalidRequest/)
    return undefined
  }
}

const put = (path: string, value: object) =>
  admin.createSecret({ Name: `${run}/${path}`, SecretString: JSON.stringify(value) })

/** What an environment's names are worth, from the providers themselves. */
async function valuesOf(environment: string): Promise<Record<string, string>> {
  const secrets = await createSecrets({ root: place.root, environment, processEnv: false })
  try {
    const snapshot = await secrets.load({ refresh: true })
    return Object.fromEntries(snapshot.names().map((name) => [name, snapshot.get(name)!.reveal()]))
  } finally {
    await secrets.close()
  }
}

async function failure(work: Promise<unknown>): Promise<SecretsError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason as SecretsError,
  )
  expect(error?.name).toBe('SecretsError')
  said.push(error!.format())
  return error!
}

/** What was printed, to be searched. */
const printed: string[] = []
const give = async (input: string, ...args: string[]) => {
  const ran = await runInside(place.root, args, input)
  printed.push(ran.stdout, ran.stderr)
  return ran
}
const act = (...args: string[]) => give('', ...args)
const link = (environment: string, reference: string, more: object = {}) =>
  linkEnvironment({ root: place.root }, { environment, reference, ...more })

beforeAll(async () => {
  const data = scratch('cli-link-server')
  mkdirSync(data, { recursive: true })
  server = await serve({ port: 0, databaseUrl: `file:${join(data, 'vault.db')}`, rateLimit: 0 })
  wire = await new WireClient(server.url).start()
  const bare = new Bao(bao)
  await bare.mount(`${run}-2`, 2)
  await bare.mount(`${run}-1`, 1)
})

beforeEach(() => {
  place = new CliPlace(`cli-link-${++count}`, built)
  places.push(place)
  for (const [name, value] of Object.entries({ ...login, ...place.env })) vi.stubEnv(name, value)
  vi.stubEnv('NODE_ENV', '')
  vi.stubEnv('CI', '')
  vi.stubEnv('VAULT_KEY', wire.key)
  vi.stubEnv('VAULT_DEVICE_SECRET', 'd'.repeat(64))
})

afterAll(async () => {
  await server.close()
  admin.destroy()
  vi.unstubAllEnvs()
  expect(places.flatMap(({ values }) => values).length).toBeGreaterThan(10)
  for (const each of places) {
    expect(each.leaks()).toEqual([])
    expect(canariesIn([...said, ...printed].join('\n'), each.values)).toEqual([])
    // What a person wrote is theirs; nothing of ours holds a value in clear.
    expect(canaryFiles(each.folder, each.values).filter((file) => !/\/\.env[^/]*$/.test(file))).toEqual([])
  }
})

describe('on the command line', () => {
  it('pushes what the environment has, links, and takes it back', async () => {
    configure({ providers: { aws: aws(), local: { type: 'local' } }, audit: 'audit.jsonl' })
    const [url, key, shared] = [place.secret(canary()), place.secret(canary()), place.secret(canary())]
    place.write('.env.production', `URL='${url}'\nVAULT_KEY=vk_stays\n`)
    await give(key, 'set', 'KEY', '--env', 'production')
    await give(shared, 'set', 'KEY')
    const args = ['link', 'production', `aws:${run}/life`]
    const dry = await act(...args, '--dry-run')
    expect(dry.stdout).toBe(
      `From .env.production, local:\n+ KEY\n+ URL\nThere is nothing at aws:${run}/life yet.\nproduction would be linked to aws:${run}/life.\n`,
    )
    const unasked = await act(...args)
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('Say yes with --yes')])
    expect([await stored('life'), readLinks(place.root).size]).toEqual([undefined, 0])

    const linked = JSON.parse((await act(...args, '--yes', '--json')).stdout)
    expect(linked).toMatchObject({ linked: true, pushed: ['KEY', 'URL'], file: 'secrets.links.json' })
    expect(await stored('life')).toEqual({ URL: url, KEY: key })
    expect(JSON.parse(place.read('secrets.links.json'))).toEqual({ links: { production: `aws:${run}/life` } })
    rmSync(join(place.root, '.env.production'))
    expect(await valuesOf('production')).toEqual({ URL: url, KEY: key })
    expect(await valuesOf('development')).toEqual({ KEY: shared })
    expect((await act('link')).stdout).toMatch(/^ENVIRONMENT +DOCUMENT\nproduction +aws:.*life\n$/)
    expect((await act('config', '--env', 'production')).stdout).toMatch(
      /links\.production +aws:\S+ +secrets\.links\.json/,
    )

    const added = place.secret(canary())
    await give(added, 'set', 'ADDED', '--env', 'production')
    expect((await stored('life'))?.ADDED).toBe(added)
    const again = await act('link', 'production', 'aws')
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('secrets unlink production')])

    // What is on disk now: the cache, and a file that was pulled.
    await act('list', '--env', 'production')
    const pull = (file: string) => act('pull', '--env', 'production', '--output', file, '--yes')
    expect((await pull('.env.pulled')).code).toBe(0)
    expect((await pull('.env.mine')).code).toBe(0)
    place.write('.env.mine', 'MINE=1\n')
    const plan = await act('unlink', 'production', '--dry-run')
    expect(plan.stdout).toMatch(/would no longer be linked to aws:.*; clears 1 cached value, \.env\.pulled\./)
    expect((await act('unlink', 'production')).code).toBe(2)
    expect(existsSync(join(place.root, '.env.pulled'))).toBe(true)
    const unlinked = await act('unlink', 'production', '--yes')
    expect(unlinked.stdout).toContain('Removed .env.pulled.')
    expect(unlinked.stderr).toContain('.env.mine stays: it was changed since it was pulled.')
    expect(existsSync(join(place.root, '.env.pulled'))).toBe(false)
    const { stdout } = await act('cache', 'status', '--env', 'production', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ values: 0 })
    expect(await valuesOf('production')).toEqual({ KEY: key })
    expect(Object.keys((await stored('life'))!)).toEqual(['KEY', 'URL', 'ADDED'])
    expect(await act('unlink', 'production', '--yes')).toMatchObject({ code: 3 })
    const audit = place
      .read('audit.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const lines = audit.filter(({ action }) => !['load', 'refresh'].includes(action))
    expect(lines.map(({ action, environment }) => `${action} ${environment}`)).toEqual([
      'write production',
      'write development',
      'write production',
      'link production',
      'write production',
      'unlink production',
    ])
    expect(lines[3]).toMatchObject({ reference: `aws:${run}/life` })
  })

  it('killed between push and link it has linked nothing, and can be run again', async () => {
    const value = place.secret(canary())
    let child: ReturnType<CliPlace['start']> | undefined
    const passing = await front(moto.url, ({ action }) => {
      if (action !== 'GetSecretValue' || passing.count('CreateSecret') === 0) return false
      child!.kill('SIGKILL')
      return true
    })
    configure({ providers: { aws: aws(passing.url), local: { type: 'local' } } })
    place.write('.env.production', `URL=${value}\n`)
    const args = ['link', 'production', `aws:${run}/killed`, '--yes']
    await place.run(args, { env: login, started: (started) => (child = started) })
    await passing.close()
    expect(await stored('killed')).toEqual({ URL: value })
    expect(existsSync(join(place.root, 'secrets.links.json'))).toBe(false)
    configure({ providers: { aws: aws(), local: { type: 'local' } } })
    expect(await act(...args)).toMatchObject({ code: 0 })
    expect(await valuesOf('production')).toEqual({ URL: value })
  })
})

describe('each place that holds documents', () => {
  it.each([
    ['KV v2', () => ({ type: 'vault', url: bao.url, mount: `${run}-2` }), 'there:app/production'],
    ['KV v1', () => ({ type: 'vault', url: bao.url, mount: `${run}-1` }), 'there:app/production'],
    ['AWS', () => aws(), `there:${run}/each`],
    ['AWS by the slug of the environment', () => aws(), 'there'],
    ['vault-env', () => ({ type: 'vaultEnv', url: server.url }), 'there'],
  ])('%s', async (_, provider, reference) => {
    // Of its own: servers are shared, and names made of environments too.
    const environment = `Production_${run}`
    configure({
      providers: { there: provider(), local: { type: 'local' }, dotenv: { type: 'dotenv' } },
      secrets: {
        DECLARED: 'dotenv:OTHER_NAME',
        JSON: { from: 'local:JSON', mode: 'json' },
        ELSEWHERE: { template: '{{vault:DECLARED}}!' },
      },
    })
    const value = () => place.secret(canary())
    const [declared, shared, text] = [value(), value(), `${value()} "quotes" $HOME\nsecond # line`]
    place.write(`.env.${environment}`, `OTHER_NAME=${declared}\nNOT_READ=1\n`)
    await give(shared, 'set', 'SHARED')
    await give(text, 'set', 'TEXT', '--env', environment)
    await give('{"a":1}', 'set', 'JSON')
    const before = await valuesOf(environment)
    expect(before).toMatchObject({
      DECLARED: declared,
      SHARED: shared,
      TEXT: text,
      ELSEWHERE: `${declared}!`,
    })
    const linked = await link(environment, reference)
    expect(linked.pushed).toEqual(['JSON', 'OTHER_NAME', 'SHARED', 'TEXT'])
    // Another machine has neither the file nor the vault.
    rmSync(join(place.root, `.env.${environment}`))
    rmSync(join(place.root, '.secrets/local.vault'))
    expect(await valuesOf(environment)).toEqual({ ...before, OTHER_NAME: declared })
    const other = place.secret(canary())
    const ran = await give(other, 'set', 'DECLARED', '--env', environment)
    // Without check-and-set a change of one field could lose another one.
    if (_ === 'KV v1')
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('no check-and-set')])
    else expect(await valuesOf(environment)).toMatchObject({ DECLARED: other, TEXT: text })
    expect(await unlinkEnvironment({ root: place.root }, { environment })).toMatchObject({
      reference: linked.reference,
    })
    expect(readLinks(place.root).size).toBe(0)
  })
})

describe('a document that is there', () => {
  beforeEach(() => configure({ providers: { aws: aws(), local: { type: 'local' } } }))

  it('keeps what only it has; of two values one is chosen, and never silently', async () => {
    const [ours, theirs, same] = [place.secret(canary()), place.secret(canary()), place.secret(canary())]
    place.write('.env.production', `A=${ours}\nSAME=${same}\nNEW=new\n`)
    const there = { A: theirs, SAME: same, KEPT: 'kept', NUMBER: 5 }
    await put('merge', there)
    const refused = await failure(link('production', `aws:${run}/merge`))
    expect([refused.code, refused.message]).toEqual(['CONFLICT', expect.stringMatching(/here: A\.$/)])
    expect([await stored('merge'), readLinks(place.root).size]).toEqual([there, 0])
    const shown = await act('link', 'production', `aws:${run}/merge`, '--dry-run')
    expect(shown.stdout).toContain('~ A  (another value there)\n  KEPT  (only there; stays)\n+ NEW\n')
    expect((await act('link', 'production', `aws:${run}/merge`, '--yes')).code).toBe(1)
    await link('production', `aws:${run}/merge`, { prefer: 'remote' })
    expect(await stored('merge')).toEqual({ ...there, NEW: 'new' })
    await unlinkEnvironment({ root: place.root }, { environment: 'production' })
    await link('production', `aws:${run}/merge`, { prefer: 'local' })
    expect(await stored('merge')).toEqual({ ...there, NEW: 'new', A: ours })
  })

  it('is linked without a write where there is nothing to push', async () => {
    const value = place.secret(canary())
    await put('whole', { A: value })
    expect(await link('staging', `aws:${run}/whole`)).toMatchObject({ pushed: [] })
    expect(await valuesOf('staging')).toEqual({ A: value })
    expect((await failure(link('empty', `aws:${run}/nothing`))).code).toBe('NOT_FOUND')
    await admin.createSecret({ Name: `${run}/plain`, SecretString: place.secret(canary()) })
    expect((await failure(link('plain', `aws:${run}/plain`))).code).toBe('WRONG_TYPE')
    expect([...readLinks(place.root).keys()]).toEqual(['staging'])
  })

  it('lacks what an optional secret may lack', async () => {
    const value = place.secret(canary())
    const optional = `{ '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }`
    rmSync(join(place.root, 'secrets.config.json'))
    place.write(
      'secrets.config.mjs',
      `export default { providers: { aws: ${JSON.stringify(aws())}, dotenv: { type: 'dotenv' } },
        secrets: { A: 'dotenv:A', B: { from: 'dotenv:B', schema: ${optional} } } }`,
    )
    place.write('.env.production', `A=${value}\n`)
    await link('production', `aws:${run}/optional`)
    expect(await valuesOf('production')).toEqual({ A: value })
    // A built server knows nothing of links: its manifest names the document.
    const secrets = await createSecrets({ root: place.root, environment: 'production', processEnv: false })
    const manifest = createManifest(secrets.config, await secrets.load(), ['A', 'B'])
    await secrets.close()
    expect(manifest.secrets.A?.from).toBe(`aws:${run}/optional#A`)
    const { port1: port, port2 } = new MessageChannel()
    const answer = once(port2, 'message')
    const signal = new Int32Array(new SharedArrayBuffer(4))
    await serveManifest({ manifest, signal, port, interval: undefined, known: false })
    expect((await answer)[0]).toMatchObject({ texts: { A: value } })
    port2.close()
  })
})

describe('a failed push changes nothing', () => {
  /** @param wrong which requests the server in front answers in AWS's place */
  async function behind(
    wrong: Parameters<typeof front>[1],
    work: (passing: Awaited<ReturnType<typeof front>>) => Promise<void>,
  ): Promise<void> {
    const passing = await front(moto.url, wrong)
    configure({ providers: { aws: aws(passing.url), local: { type: 'local' } }, timeout: 4000 })
    try {
      await work(passing)
    } finally {
      await passing.close()
    }
    expect(existsSync(join(place.root, 'secrets.links.json'))).toBe(false)
  }
  const denied = (response: Parameters<typeof refuse>[0]) =>
    refuse(response, 400, 'AccessDeniedException', 'no')
  const another = (response: Parameters<typeof refuse>[0]): true => {
    response.end(JSON.stringify({ Name: 'x', SecretString: '{"A":"another"}', VersionId: 'v'.repeat(32) }))
    return true
  }

  it('when the write is refused', async () => {
    place.write('.env.production', `A=${place.secret(canary())}\n`)
    await behind(
      ({ action }, response) => action === 'CreateSecret' && denied(response),
      async () => {
        expect((await failure(link('production', `aws:${run}/refused`))).code).toBe('PERMISSION_DENIED')
        expect(await stored('refused')).toBeUndefined()
      },
    )
  })

  it('when another content is read back, and what was made is taken away again', async () => {
    place.write('.env.production', `A=${place.secret(canary())}\n`)
    let lies = 1
    await behind(
      ({ action }, response) => {
        const made = lies > 0 && action === 'GetSecretValue' && responses.count('CreateSecret') > 0
        if (!made) return false
        lies--
        return another(response)
      },
      async (passing) => {
        responses = passing
        const error = await failure(link('production', `aws:${run}/made`))
        expect([error.code, error.hint]).toEqual([
          'RESPONSE_MALFORMED',
          'Nothing was linked. What was there before has been put back.',
        ])
        expect(await stored('made')).toBeUndefined()
      },
    )
  })

  it('when it cannot be read back, and what was there is put back', async () => {
    const [old, next] = [place.secret(canary()), place.secret(canary())]
    await put('back', { A: old, B: 'b' })
    place.write('.env.production', `A=${next}\n`)
    let refusals = 1
    await behind(
      ({ action }, response) => {
        const written = refusals > 0 && action === 'GetSecretValue' && responses.count('PutSecretValue') > 0
        if (!written) return false
        refusals--
        return denied(response)
      },
      async (passing) => {
        responses = passing
        const error = await failure(link('production', `aws:${run}/back`, { prefer: 'local' }))
        expect([error.code, error.hint]).toEqual(['PERMISSION_DENIED', expect.stringContaining('put back')])
        expect(await stored('back')).toEqual({ A: old, B: 'b' })
      },
    )
  })

  it('when somebody else writes meanwhile, whose value stays', async () => {
    const [old, theirs] = [place.secret(canary()), place.secret(canary())]
    await put('raced', { A: old })
    place.write('.env.production', `A=${place.secret(canary())}\n`)
    await behind(
      () => false,
      async () => {
        const secrets = await createSecrets({ root: place.root, environment: 'production' })
        const { planLink } = await import('../src/core/links.ts')
        const plan = await planLink(secrets, { environment: 'production', reference: `aws:${run}/raced` })
        await admin.putSecretValue({ SecretId: `${run}/raced`, SecretString: JSON.stringify({ A: theirs }) })
        expect((await failure(plan.apply('local'))).code).toBe('CONFLICT')
        await secrets.close()
        expect(await stored('raced')).toEqual({ A: theirs })
      },
    )
  })

  let responses: Awaited<ReturnType<typeof front>>
})

describe('pull --all', () => {
  it('links an environment for each secret that has none yet, and pushes nothing', async () => {
    const mount = `${run}-all`
    const vault = new Bao(bao)
    await vault.mount(mount, 2)
    const value = place.secret(canary())
    for (const path of ['app/production', 'app/staging', 'App/Staging', 'known', 'filed', 'of-its-own', 'Ää'])
      await vault.write2(mount, path, { NAME: value })
    for (let i = 0; i < 20; i++) await vault.write2(mount, `many/${i}`, { NAME: value })
    configure({
      providers: { vault: { type: 'vault', url: bao.url, mount }, local: { type: 'local' } },
      audit: 'audit.jsonl',
    })
    place.write('secrets.links.json', '{"links":{"mine":"vault:known"}}')
    place.write('.env.filed', 'A=1\n')
    await give('1', 'set', 'A', '--env', 'of-its-own')
    const all = ['pull', '--all', '--provider', 'vault']
    const dry = await act(...all, '--dry-run')
    expect(dry.code).toBe(0)
    expect(dry.stderr).toBe('')
    expect(dry.stdout).toMatch(/^app-staging +vault:App\/Staging$/m)
    expect(dry.stdout).toContain(
      'Left out: vault:app/staging (app-staging is that of vault:App/Staging)\nLeft out: vault:filed (filed has a file of its own, .env.filed)\nLeft out: vault:known (is linked already)\n',
    )
    expect(dry.stdout).toContain('Left out: vault:of-its-own (of-its-own has values of its own in local)\n')
    expect(dry.stdout).toMatch(/\n22 environments would be linked, 5 left out\.\n$/)
    expect(readLinks(place.root).size).toBe(1)
    expect((await act(...all)).code).toBe(2)
    const done = await act(...all, '--yes')
    expect([done.code, done.stdout]).toEqual([0, 'Linked 22 environments.\n'])
    expect(readLinks(place.root).get('app-production')).toBe('vault:app/production')
    expect(await valuesOf('many-7')).toEqual({ NAME: value })
    expect((await act(...all, '--yes')).stdout).toContain('0 environments would be linked, 27 left out.')
    expect((await act('pull', '--all', '--output', '-')).code).toBe(2)
    expect((await act('pull', '--provider', 'vault')).code).toBe(2)
    expect((await act('pull', '--all', '--provider', 'none')).stderr).toContain('list documents: vault.')
  })
})

describe('what cannot be linked', () => {
  it('says why, and what can', async () => {
    configure({ providers: { aws: aws(), local: { type: 'local' }, dotenv: { type: 'dotenv' } } })
    for (const [reference, code] of [
      ['local:X', 'UNSUPPORTED'],
      ['dotenv', 'UNSUPPORTED'],
      ['aws:x#field', 'REFERENCE_INVALID'],
      ['aws:x?stage=AWSPREVIOUS', 'REFERENCE_INVALID'],
      ['nowhere:x', 'PROVIDER_UNKNOWN'],
    ] as const)
      expect([reference, (await failure(link('production', reference))).code]).toEqual([reference, code])
    configure({
      providers: { aws: aws(), dotenv: { type: 'dotenv' } },
      import: ['dotenv:*'],
      secrets: { A: 'dotenv:B' },
    })
    place.write('.env.production', `B=${place.secret(canary())}\nMADE={{vault:A}}/x\n`)
    const made = await failure(link('production', `aws:${run}/made-of`))
    expect([made.code, made.message]).toEqual(['UNSUPPORTED', expect.stringContaining('MADE')])
    place.write('secrets.links.json', '{"links":{"production":5}}')
    expect((await failure(valuesOf('production'))).code).toBe('CONFIG_INVALID')
    place.write('secrets.links.json', '{')
    expect((await failure(valuesOf('production'))).code).toBe('CONFIG_UNREADABLE')
    place.write('secrets.links.json', '{"links":{"production":"nowhere:x"}}')
    expect((await failure(valuesOf('production'))).code).toBe('PROVIDER_UNKNOWN')
    expect((await act('link')).stdout).toContain('nowhere:x')
    expect((await act('unlink', 'production', '--yes')).code).toBe(0)
    expect(existsSync(join(place.root, 'secrets.links.json'))).toBe(false)
    place.write('.env', 'B=1\n')
    expect(await valuesOf('development')).toEqual({ A: '1', B: '1' })
  })
})
