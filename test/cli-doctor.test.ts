import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { Bao } from './support/bao.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { freePort } from './support/servers.ts'

const { url, token } = inject('servers').bao
const PATH = `cli/${canary('doctor')}`
let place: CliPlace

beforeAll(async () => {
  place = new CliPlace('cli-doctor', await buildPackage('cli-doctor-package'))
  place.secret(token)
  await new Bao({ url, token }).write2('secret', PATH, { url: place.secret(canary()), short: 'x' })
})

afterAll(() => {
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

/** The token comes from the environment, as a person's does. */
function configure(
  options: object = {},
  secrets: object = { DATABASE_URL: `vault:${PATH}#url` },
  more: object = {},
): void {
  place.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { vault: { type: 'vault', url, ...options }, local: { type: 'local' } },
      secrets,
      timeout: 30_000,
      ...more,
    }),
  )
}

interface Report {
  ok: boolean
  groups: { title: string; checks: { label: string; ok: boolean; detail?: string; hint?: string }[] }[]
}

async function doctor(
  env: Record<string, string>,
): Promise<{ report: Report; text: string; code: number | null }> {
  const { stdout, code } = await place.run(['doctor'], { env })
  const report = await place.json<Report>(['doctor'], { env })
  expect(code).toBe(report.ok ? 0 : 1)
  return { report, text: stdout, code }
}
const failed = ({ groups }: Report) => groups.flatMap(({ checks }) => checks.filter(({ ok }) => !ok))

it('is content when everything is there', async () => {
  configure()
  const { report, text } = await doctor({ VAULT_TOKEN: token })
  expect(failed(report)).toEqual([])
  expect(report.groups.map(({ title }) => title)).toEqual([
    'Configuration',
    'This machine',
    `vault: ${url}`,
    'local: .secrets/local.vault',
    'Names',
  ])
  expect(text).toContain(`✔ read vault:${PATH}`)
  expect(text).toContain('Everything is in order.')
  expect((await place.run(['list'], { env: { VAULT_TOKEN: token } })).stdout).toMatch(/^DATABASE_URL +vault/m)
})

it('says which names the environment overrides', async () => {
  configure()
  const { text } = await doctor({ VAULT_TOKEN: token, DATABASE_URL: place.secret(canary()) })
  expect(text).toContain('from process.env: DATABASE_URL')
})

it('reports a bad token, and the other commands exit with 5', async () => {
  configure()
  // Without what an earlier test has cached, which would be fresh for a while.
  const XDG_CACHE_HOME = join(place.folder, 'other-cache')
  const env = { XDG_CACHE_HOME, VAULT_TOKEN: place.secret(`hvs.${canary()}`) }
  const { report, text } = await doctor(env)
  expect(failed(report)).toHaveLength(1)
  expect(text).toMatch(/✘ .*\n +\S/)
  expect((await place.run(['get', 'DATABASE_URL'], { env })).code).toBe(5)
  expect((await place.run(['get', 'DATABASE_URL'], { env: { XDG_CACHE_HOME } })).code).toBe(5)
})

it('reports a mount and a path that are not there', async () => {
  configure({ mount: 'nowhere' })
  expect(failed((await doctor({ VAULT_TOKEN: token })).report)).toHaveLength(1)
  configure({}, { A: `vault:${PATH}-not#a`, B: `vault:${PATH}#url` })
  const { report } = await doctor({ VAULT_TOKEN: token })
  expect(failed(report).map(({ label }) => label)).toEqual([`read vault:${PATH}-not`])
})

it('reports a server that is not there, and the other commands exit with 4', async () => {
  // What cannot be reached is tried again until then.
  configure({ url: `http://127.0.0.1:${await freePort()}` }, undefined, { timeout: 3000 })
  const { report } = await doctor({ VAULT_TOKEN: token })
  expect(failed(report).map(({ label }) => label)).toEqual(['reachable'])
  expect((await place.run(['get', 'DATABASE_URL'], { env: { VAULT_TOKEN: token } })).code).toBe(4)
})

it('reports keys that others may read', async () => {
  configure()
  const file = join(place.root, '.secrets/project.key')
  chmodSync(file, 0o644)
  const { report } = await doctor({ VAULT_TOKEN: token })
  expect(failed(report)).toEqual([
    {
      label: 'project key',
      ok: false,
      detail: `others on this machine may read ${file} (mode 644)`,
      hint: `chmod 600 ${file}`,
    },
  ])
  chmodSync(file, 0o600)
})

it('reports every mistake in the configuration', async () => {
  configure({ auht: {} }, { A: 'valut:x', B: 'local:a b' })
  const { report } = await doctor({})
  expect(failed(report)).toHaveLength(3)
  expect(report.groups.map(({ title }) => title)).toEqual(['Configuration', 'This machine'])
})
