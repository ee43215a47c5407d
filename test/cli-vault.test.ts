import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { Bao } from './support/bao.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

const { bao } = inject('servers')
const mount = `cli-${randomBytes(4).toString('hex')}`
const env = { VAULT_TOKEN: bao.token }
let place: CliPlace

const act = (...args: string[]) => place.run(args, { env })
const set = (name: string, input: string) => place.run(['set', name], { env, input })
const value = async (name: string) => (await place.reveal(['get', name, '--reveal'], { env })).stdout

beforeAll(async () => {
  await new Bao(bao).mount(mount, 2)
  place = new CliPlace('cli-vault', await buildPackage('cli-vault-package'))
  const config = {
    cache: false,
    providers: { vault: { type: 'vault', url: bao.url, mount }, local: { type: 'local' } },
    secrets: {
      URL: 'vault:db#url',
      LOGIN: 'vault:db#login',
      SHAPED: 'vault:shape#a',
      OTHER: 'vault:shape#b',
    },
  }
  place.write('secrets.config.json', JSON.stringify(config))
})

afterAll(() => {
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

it('fields, versions, rollback, policy, template, push and migrate on OpenBao', async () => {
  const [first, second, third, login] = [canary(), canary(), canary(), canary()].map((each) =>
    place.secret(each),
  )
  for (const [name, text] of [
    ['URL', first],
    ['LOGIN', login],
    ['URL', second],
  ] as const)
    expect(await set(name, text!)).toMatchObject({ code: 0, stderr: '' })
  const { versions } = await place.json<{ versions: { version: string }[] }>(['versions', 'URL'], { env })
  expect(versions.map(({ version }) => version)).toEqual(['3', '2', '1'])
  expect((await act('rollback', 'URL', '--yes')).stdout).toBe('vault:db is back at version 2.\n')
  expect([await value('URL'), await value('LOGIN')]).toEqual([first, login])

  const { stdout: policy } = await act('policy', 'vault')
  for (const path of ['db', 'shape'])
    expect(policy).toContain(`path "${mount}/data/${path}" {\n  capabilities = ["read"]\n}`)

  expect((await act('template', 'SHAPED')).stdout).toBe('Created vault:shape with a, b.\n')
  expect((await act('get', 'SHAPED')).stderr).toContain('placeholder')

  place.write('values.env', `URL=${third}\nLOGIN=${login}\n`)
  expect((await act('push', '--file', 'values.env', '--yes')).stdout).toBe('Wrote 1 value.\n')
  place.write('values.env', '')
  expect(await value('URL')).toBe(third)

  expect((await act('migrate', 'vault:db', 'local:DB', '--yes')).code).toBe(0)
  expect((await act('migrate', 'local:DB', 'vault:again', '--yes')).code).toBe(0)
  expect((await act('get', 'URL')).stderr).toContain('is deleted')
})
