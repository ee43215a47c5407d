import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { vaultEnv } from '../src/providers/vault-env/index.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { contextFor, makeWorkspace } from './support/workspace.ts'

const { python } = inject('servers').programs
const run = promisify(execFile)
const place = makeWorkspace()
const database = join(place.folder, 'database')
const values = {
  PLAIN: canary(),
  UNICODE: `naïve – 秘密 🔐 ${canary()}`,
  MULTI: `l1 ${canary()}\nl2\r\n\tl3\n`,
  QUOTES: `a "d" 's' \\n \\\\ ${canary()}`,
  EMPTY: '',
  LONG: canary('x'.repeat(1_000_000)),
}
const many = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`MANY_${index}`, canary()]))
const secrets = [
  ...Object.values(values).filter((value) => value !== ''),
  ...Object.values(many).slice(0, 20),
]

let server: RunningVaultServer
beforeAll(async () => {
  mkdirSync(database)
  server = await serve({ port: 0, databaseUrl: `file:${join(database, 'vault.db')}`, rateLimit: 0 })
})
afterAll(async () => {
  await server.close()
  vi.unstubAllEnvs()
  place.remove()
})

/** One machine of the published client: a home and a project folder. */
function machine(name: string) {
  const home = join(place.folder, name)
  const cwd = join(home, 'project')
  mkdirSync(cwd, { recursive: true })
  const env = { PATH: process.env.PATH, HOME: home, VAULT_URL: server.url, PYTHONIOENCODING: 'utf8' }
  const start = async (args: string[], more: Record<string, string> = {}): Promise<string> => {
    const { stdout, stderr } = await run(python, args, { cwd, env: { ...env, ...more } }).catch(
      (error) => error,
    )
    return stdout + stderr
  }
  return {
    home,
    cwd,
    vde: (...args: string[]) => start(['-m', 'vaultdotenv.cli', ...args, '--url', server.url]),
    code: (text: string, more?: Record<string, string>) => start(['-c', text], more),
    key: () => /^VAULT_KEY=(.*)$/m.exec(readFileSync(join(cwd, '.env'), 'utf8'))![1]!,
    /** Our client, on the same machine. */
    async ours<T>(work: (provider: ReturnType<typeof vaultEnv>) => Promise<T>): Promise<T> {
      vi.stubEnv('HOME', home)
      try {
        return await work(vaultEnv({ url: server.url, key: this.key() }))
      } finally {
        vi.stubEnv('HOME', place.folder)
      }
    },
  }
}

describe('the published Python client against our server', () => {
  test('lives its whole life, and each client reads what the other one wrote', async () => {
    const first = machine('first')
    expect(await first.vde('init', '--name', 'interop')).toMatch(/VAULT_KEY|vk_|initialized/i)
    writeFileSync(
      join(first.cwd, '.env'),
      `${readFileSync(join(first.cwd, '.env'), 'utf8')}\nFROM_FILE=${values.PLAIN}\n`,
    )
    expect(await first.vde('push')).toMatch(/v1/)
    const context = contextFor(place.root)
    const read = () => first.ours((provider) => provider.read([{ path: '*', options: {} }], context))
    expect(await read()).toEqual([{ value: { FROM_FILE: values.PLAIN }, version: '1' }])

    // What Python wrote in its own way of JSON.
    const push = `
import json, os
from vaultdotenv.client import push_secrets
push_secrets(os.environ['KEY'], json.load(open('values.json')), 'development', '${server.url}')
`
    writeFileSync(join(first.cwd, 'values.json'), JSON.stringify({ ...values, ...many }))
    const pushed = await first.code(push, { KEY: first.key() })
    expect(pushed).not.toContain('Traceback')
    const [everything] = await read()
    expect(everything).toEqual({ value: { ...values, ...many }, version: '2' })

    // What we wrote, in ours.
    const changed = { ...values, ...many, ADDED: canary() }
    secrets.push(changed.ADDED)
    await first.ours((provider) => provider.write!({ path: 'ADDED', value: changed.ADDED }, context))
    const pull = `
import json, os
from vaultdotenv.client import pull_secrets
got = pull_secrets(os.environ['KEY'], 'development', '${server.url}')['secrets']
print('EQUAL' if got == json.load(open('values.json')) else 'DIFFERENT')
`
    writeFileSync(join(first.cwd, 'values.json'), JSON.stringify(changed))
    expect(await first.code(pull, { KEY: first.key() })).toContain('EQUAL')

    expect(await first.vde('versions')).toMatch(/v?3/)
    expect(await first.vde('rollback', '--version', '1')).toMatch(/Rolled back/)
    expect(await read()).toEqual([{ value: { FROM_FILE: values.PLAIN }, version: '4' }])
    const history = await first.ours((provider) => provider.history!('*', context))
    expect(history?.map(({ version }) => version)).toEqual(['4', '3', '2', '1'])
    await first.ours((provider) => provider.rollback!({ path: '*', version: '3' }, context))
    expect(
      await first.ours((provider) => provider.versions!([{ path: 'PLAIN', options: {} }], context)),
    ).toEqual(['5'])
  })

  test('devices wait, are approved and revoked', async () => {
    const [first, second] = [machine('first'), machine('second')]
    writeFileSync(join(second.cwd, '.env'), `VAULT_KEY=${first.key()}\n`)
    expect(await second.vde('register-device', '--name', 'second')).toMatch(/pending/)
    const context = contextFor(place.root)
    const read = () => second.ours((provider) => provider.read([{ path: 'PLAIN', options: {} }], context))
    await expect(read()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
    // The client signs these with a key that no server has, on a machine with a device secret; so from one without.
    const bare = machine('bare')
    writeFileSync(join(bare.cwd, '.env'), `VAULT_KEY=${first.key()}\n`)
    const list = await bare.vde('list-devices')
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(
      list.split('\n').find((line) => line.includes('second')) ?? list,
    )?.[0]
    expect(id).toBeDefined()
    expect(await bare.vde('approve-device', '--id', id!)).toMatch(/approved/i)
    // Approved, but the values are another device's: nobody but that one can read them.
    await expect(read()).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
    expect(await bare.vde('revoke-device', '--id', id!)).toMatch(/revoked/i)
    await expect(read()).rejects.toMatchObject({ code: 'DEVICE_REVOKED' })
  })

  test('a wrong key, a clock that is off and an unknown project are refused, in words that each client tells', async () => {
    const first = machine('first')
    const [start, project, secret] = first.key().split('_')
    const asking = (key: string, skew = 0) =>
      first.code(
        `
import os, time
real = time.time
time.time = lambda: real() + ${skew}
from vaultdotenv.client import current_version, pull_secrets
try:
    print(pull_secrets(os.environ['KEY'], 'development', '${server.url}')['version'])
except Exception as error:
    print('REFUSED', getattr(getattr(error, 'response', None), 'status_code', ''), error)
`.replace('current_version, ', ''),
        { KEY: key },
      )
    // Within the window, and one second outside of it on either side.
    for (const skew of [-290, 0, 50]) expect(await asking(first.key(), skew)).toMatch(/^\d+\n$/)
    for (const skew of [-310, 70])
      expect(await asking(first.key(), skew)).toMatch(/REFUSED.*(401|Unauthorized)/)
    expect(await asking(`${start}_${project}_wrong`)).toMatch(/REFUSED.*(401|Unauthorized)/)
    expect(await asking(`${start}_nowhere_${secret}`)).toMatch(/REFUSED.*(404|not found)/i)
  })

  test('our client tells a wrong key and an unknown project apart', async () => {
    const first = machine('first')
    const context = contextFor(place.root)
    const [start, project] = first.key().split('_')
    const asking = (key: string) =>
      vaultEnv({ url: server.url, key }).read([{ path: 'A', options: {} }], context)
    await expect(asking(`${start}_${project}_wrong`)).rejects.toMatchObject({ code: 'LOGIN_REFUSED' })
    await expect(asking('vk_nowhere_x')).rejects.toMatchObject({ code: 'MOUNT_NOT_FOUND' })
    await expect(asking('nonsense')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('nothing that the server has written holds a value, a key or a device secret', async () => {
    const first = machine('first')
    const device = readFileSync(join(first.home, '.vault', `${first.key().split('_')[1]}.key`), 'utf8').trim()
    const key = first.key()
    expect(canaryFiles(database, [...secrets, key, key.split('_')[2]!, device])).toEqual([])
  })
})
