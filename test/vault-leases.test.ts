import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { createSecrets } from '../src/core/pipeline.ts'
import type { SecretDocument } from '../src/core/types.ts'
import type { VaultAuth } from '../src/providers/vault/index.ts'
import { Bao } from './support/bao.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { bundleScript, startScript } from './support/child.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { loginRole, mountLogins, type Postgres, startPostgres } from './support/postgres.ts'
import { may, Watch } from './support/vault.ts'
import { makeWorkspace } from './support/workspace.ts'

const { bao: server, programs } = inject('servers')
const id = randomBytes(4).toString('hex')
const root = new Bao(server)
const watch = new Watch()
watch.secret(server.token)
const { url } = server
const database = `db-${id}/main`
const kv = `leases-${id}`
const policy = `leases-${id}`
const place = makeWorkspace()
let postgres: Postgres

beforeAll(async () => {
  postgres = await startPostgres(programs.postgres)
  watch.secret(postgres.password)
  await root.mount(kv, 2)
  await root.write2(kv, 'app', { value: watch.secret(canary()) })
  await mountLogins(root, database, postgres)
  await role('app', '1h', '24h')
  await root.policy(
    policy,
    [may(`${database}/creds/*`), may(`${kv}/data/*`), may('auth/token/revoke-self', 'update')].join('\n'),
  )
})
afterAll(async () => {
  await watch.finish()
  await postgres?.stop()
  vi.unstubAllEnvs()
  place.remove()
})

const role = (name: string, ttl: string, longest: string) => loginRole(root, database, name, ttl, longest)

type Provider = ReturnType<typeof watch.withToken>

async function borrow(provider: Provider, name = 'app') {
  const [document] = await provider.read(
    [{ path: `/${database}/creds/${name}`, options: {} }],
    watch.context(),
  )
  const lent = document as SecretDocument & { value: { username: string; password: string } }
  watch.secret(lent.value.password)
  return lent
}

/** Whether the database lets this user in. */
function logsIn({ value: { username, password } }: Awaited<ReturnType<typeof borrow>>): boolean {
  const address = ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', username, '-d', 'postgres']
  try {
    const env = { PATH: process.env.PATH, PGPASSWORD: password }
    const psql = join(dirname(programs.postgres), 'psql')
    return (
      execFileSync(psql, [...address, '-Atc', 'select current_user'], {
        encoding: 'utf8',
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim() === username
    )
  } catch {
    return false
  }
}

const gone = (username: string) =>
  vi.waitFor(() => expect(postgres.query(`select 1 from pg_roles where rolname = '${username}'`)).toBe(''), {
    timeout: 20_000,
    interval: 100,
  })

async function approle(name: string): Promise<VaultAuth> {
  const mount = `leases-${id}-${name}`
  const made = await root.approle('app', [policy], { mount })
  watch.secret(made.secretId)
  return { method: 'approle', ...made, mount }
}

test('a password of PostgreSQL: one for everybody who asks, and given back with the token of our login', async () => {
  const provider = watch.provider({ url, mount: kv, auth: await approle('one') })
  const before = Date.now()
  const [lent, again] = await Promise.all([borrow(provider), borrow(provider)])
  expect(logsIn(lent)).toBe(true)
  expect(again).toEqual(lent)
  expect(await borrow(provider)).toEqual(lent)
  expect(lent.expiresAt! - before).toBeGreaterThan(3_590_000)
  expect(lent.expiresAt! - Date.now()).toBeLessThanOrEqual(3_600_000)
  const requests = [{ path: `/${database}/creds/app`, options: {} }]
  expect(await provider.versions!(requests, watch.context())).toEqual([lent.version])
  const checked = await provider.check!(requests, watch.context())
  watch.seen.push(JSON.stringify(checked))
  expect(checked.map(({ ok, detail }) => [ok, detail]).slice(2)).toEqual([
    [true, 'engine database'],
    [true, '2 fields, lent for 60 min'],
  ])
  await provider.close!()
  await gone(lent.value.username)
  expect(logsIn(lent)).toBe(false)
})

test('with a token from outside, the lease alone is given back', async () => {
  const lines = [may(`${database}/creds/app`), may('sys/leases/revoke', 'update')]
  const token = await watch.lowToken(root, ...lines)
  const provider = watch.withToken(url, token)
  const lent = await borrow(provider)
  await provider.close!()
  await gone(lent.value.username)
  expect((await root.raw('POST', 'auth/token/lookup', { token })).status).toBe(200)
})

test('the printed policy is enough to borrow, renew and give back, and for no other role', async () => {
  const admin = watch.withToken(url, server.token)
  const hcl = await admin.policy!([{ path: `/${database}/creds/app`, options: {} }], watch.context())
  const provider = watch.withToken(url, await watch.lowToken(root, hcl))
  const lent = await borrow(provider)
  expect(logsIn(lent)).toBe(true)
  await role('elsewhere', '1h', '1h')
  expect((await watch.error(provider, `/${database}/creds/elsewhere`)).code).toBe('PERMISSION_DENIED')
  expect((await watch.error(provider, `/${database}/roles/app`)).code).toBe('PERMISSION_DENIED')
  await provider.close!()
  await gone(lent.value.username)
})

test('renewed while it can be, asked for anew at the end of its longest life', async () => {
  await role('short', '2s', '5s')
  const token = await watch.lowToken(
    root,
    may(`${database}/creds/short`),
    may('sys/leases/renew', 'update'),
    may('sys/leases/revoke', 'update'),
  )
  const provider = watch.withToken(url, token)
  const first = await borrow(provider, 'short')
  const before = watch.seen.length
  const said = (text: string) => watch.seen.slice(before).filter((line) => line.includes(text)).length
  await vi.waitFor(() => expect(said('asked for anew')).toBeGreaterThan(0), { timeout: 20_000, interval: 50 })
  expect(said('a lease was renewed')).toBeGreaterThan(0)
  const second = await borrow(provider, 'short')
  expect(second.version).not.toBe(first.version)
  expect(second.value.username).not.toBe(first.value.username)
  expect(logsIn(second)).toBe(true)
  await provider.close!()
  await gone(second.value.username)
})

test('what ended with its token is asked for anew with the next one', async () => {
  const auth = await approle('revoked')
  const provider = watch.provider({ url, mount: kv, auth })
  const first = await borrow(provider)
  await root.call('PUT', `sys/leases/revoke-prefix/auth/${(auth as { mount: string }).mount}/login`, {})
  await gone(first.value.username)
  await watch.value(provider, 'app')
  const second = await borrow(provider)
  expect(second.value.username).not.toBe(first.value.username)
  expect(logsIn(second)).toBe(true)
})

test('a lease that was revoked by somebody is replaced at its next renewal', async () => {
  await role('brief', '3s', '1h')
  const token = await watch.lowToken(
    root,
    may(`${database}/creds/brief`),
    may('sys/leases/renew', 'update'),
    may('sys/leases/revoke', 'update'),
  )
  const provider = watch.withToken(url, token)
  const first = await borrow(provider, 'brief')
  await root.call('PUT', `sys/leases/revoke-prefix/${database}/creds/brief`, {})
  await vi.waitFor(async () => expect((await borrow(provider, 'brief')).version).not.toBe(first.version), {
    timeout: 20_000,
    interval: 100,
  })
})

test('two secrets of one project are one lease, and no cache holds it', async () => {
  const config = {
    configFile: false as const,
    root: place.root,
    environment: 'development',
    providers: { vault: watch.provider({ url, mount: kv, auth: await approle('project') }) },
    secrets: {
      DB_USER: `vault:/${database}/creds/app#username`,
      DB_PASSWORD: `vault:/${database}/creds/app#password`,
      KEPT: 'vault:app#value',
    },
  }
  const secrets = await createSecrets(config)
  const load = async () => {
    const snapshot = await secrets.load()
    const [username, password] = ['DB_USER', 'DB_PASSWORD'].map((name) => snapshot.get(name)!.reveal())
    watch.secret(password!)
    return { value: { username: username!, password: password! } } as Awaited<ReturnType<typeof borrow>>
  }
  const first = await load()
  expect(logsIn(first)).toBe(true)
  expect((await load()).value).toEqual(first.value)
  await secrets.close()
  await gone(first.value.username)
  // The cache would give the old one for minutes.
  const next = await load()
  expect(next.value.username).not.toBe(first.value.username)
  await secrets.close()
  expect(canaryFiles(place.folder, watch.values)).toEqual([])
})

test('a certificate of PKI is posted for, with its parameters, and lives until it ends', async () => {
  const pki = `pki-${id}`
  await root.call('POST', `sys/mounts/${pki}`, { type: 'pki' })
  await root.call('POST', `${pki}/root/generate/internal`, { common_name: 'test', ttl: '24h' })
  await root.call('POST', `${pki}/roles/web`, { allowed_domains: ['example.com'], allow_subdomains: true })
  const provider = watch.withToken(url, await watch.lowToken(root, may(`${pki}/issue/web`, 'update')))
  const issue = async (name: string) => {
    const options = { common_name: name, ttl: '1h' }
    const [document] = await provider.read([{ path: `/${pki}/issue/web`, options }], watch.context())
    const { value, expiresAt } = document as SecretDocument & { value: Record<string, string> }
    watch.secret(value.private_key!.split('\n')[1]!)
    return { value, expiresAt: expiresAt! }
  }
  const one = await issue('a.example.com')
  expect(one.value.certificate).toContain('BEGIN CERTIFICATE')
  expect(Math.abs(one.expiresAt - Date.now() - 3_600_000)).toBeLessThan(60_000)
  expect(await issue('a.example.com')).toEqual(one)
  expect((await issue('b.example.com')).value.serial_number).not.toBe(one.value.serial_number)
  const wrong = await provider.read(
    [{ path: `/${pki}/issue/web`, options: { common_name: 'x.org' } }],
    watch.context(),
  )
  expect(wrong[0]).toMatchObject({ code: 'REQUEST_REFUSED' })
})

test('a process that is told to end by a signal gives back what it was lent, and ends by that signal', async () => {
  const script = await bundleScript(
    place.folder,
    `import { vault } from '../../src/providers/vault/index.ts'
const context = { name: 'vault', root: '.', environment: 'test', profile: undefined, signal: new AbortController().signal,
  concurrency: 4, userAgent: 'test', debug() {} }
const borrow = async () => {
  const provider = vault({ url: process.env.U, auth: { method: 'token', token: process.env.T } })
  const [document] = await provider.read([{ path: process.env.P, options: {} }], context)
  return document.value.username
}
// Two of them: neither takes the other for somebody who is in charge of the end.
Promise.all([borrow(), borrow()]).then((names) => console.log(names.join()))
setInterval(() => {}, 1000)`,
  )
  const token = await watch.lowToken(root, may(`${database}/creds/app`), may('sys/leases/revoke', 'update'))
  const child = startScript(script, [], { U: url, T: token, P: `/${database}/creds/app` })
  const said = await new Promise<string>((resolve) => {
    child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
  })
  const usernames = said.split(',')
  for (const username of usernames)
    expect(postgres.query(`select 1 from pg_roles where rolname = '${username}'`)).toBe('1')
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  child.kill('SIGINT')
  expect(await ended).toBe('SIGINT')
  for (const username of usernames) await gone(username)
})

test('secrets run keeps what was lent for its program while it runs, and gives it back after', async () => {
  const cli = new CliPlace('vault-run', await buildPackage('vault-run-package'))
  cli.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { vault: { type: 'vault', url } },
      secrets: {
        PGUSER: `vault:/${database}/creds/app#username`,
        PGPASSWORD: `vault:/${database}/creds/app#password`,
      },
    }),
  )
  const token = await watch.lowToken(root, may(`${database}/creds/app`), may('sys/leases/revoke', 'update'))
  const psql = join(dirname(programs.postgres), 'psql')
  const address = ['-h', '127.0.0.1', '-p', String(postgres.port), '-d', 'postgres']
  const args = ['run', '--no-mask', '--', psql, ...address, '-Atc', 'select current_user']
  const { code, stdout, stderr } = await cli.run(args, { env: { VAULT_TOKEN: token } })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^v-\S+\n$/)
  await gone(stdout.trim())
  expect(canaryFiles(cli.folder, watch.values)).toEqual([])
})

test('in a namespace, with the namespace in the path of the data', async () => {
  const namespace = `leases-ns-${id}`
  const inner = await root.namespace(namespace)
  await mountLogins(inner, 'db', postgres)
  await loginRole(inner, 'db', 'app', '2s', '1h')
  await inner.policy('app', [may('db/creds/app'), may('sys/leases/renew', 'update')].join('\n'))
  const made = await inner.approle('app', ['app'], { mount: 'approle' })
  watch.secret(made.secretId)
  const auth = { method: 'approle', ...made } as const
  const provider = watch.provider({ url, namespace, namespaceScope: 'login', auth })
  const start = watch.seen.length
  const [document] = await provider.read(
    [{ path: `/${namespace}/db/creds/app`, options: {} }],
    watch.context(),
  )
  const lent = document as Awaited<ReturnType<typeof borrow>>
  watch.secret(lent.value.password)
  expect(logsIn(lent)).toBe(true)
  await vi.waitFor(
    () => expect(watch.seen.slice(start).join('\n')).toContain('a lease was renewed for 2 s'),
    { timeout: 20_000, interval: 50 },
  )
  await provider.close!()
})
