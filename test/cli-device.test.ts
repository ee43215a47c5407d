import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { scratch } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { runInside } from './support/cli-inside.ts'

const folder = scratch('cli-device')
/** Its modules are linked, for a configuration that imports the package. */
const place = new CliPlace('cli-device-place', await buildPackage('cli-device-package'))
const { root } = place
const printed: string[] = []
const values: string[] = []
let server: RunningVaultServer

/** A machine is where the device secret is. */
const machine = (name: string) => {
  vi.stubEnv('HOME', join(folder, name))
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, name, 'config'))
  vi.stubEnv('XDG_CACHE_HOME', join(folder, name, 'cache'))
}
const give = async (input: string, ...args: string[]) => {
  const ran = await runInside(root, args, input)
  printed.push(ran.stdout, ran.stderr)
  return ran
}
const act = (...args: string[]) => give('', ...args)

beforeAll(async () => {
  mkdirSync(join(folder, 'server'), { recursive: true })
  const databaseUrl = `file:${join(folder, 'server', 'vault.db')}`
  server = await serve({ port: 0, databaseUrl, rateLimit: 0 })
  for (const name of ['VAULT_KEY', 'VAULT_URL', 'VAULT_DEVICE_SECRET', 'NODE_ENV', 'SECRETS_KEY', 'CI'])
    vi.stubEnv(name, '')
  vi.stubEnv('NO_COLOR', '1')
  machine('laptop')
})

afterAll(async () => {
  await server.close()
  vi.unstubAllEnvs()
  expect(values).toHaveLength(2)
  expect(canariesIn(printed.join('\n'), values)).toEqual([])
  // The key itself stands in .env alone.
  expect(canaryFiles(folder, values)).toEqual([])
  expect(canaryFiles(place.folder, values)).toEqual([join(root, '.env')])
})

it('makes a project, its configuration, and keeps git away from the key', async () => {
  writeFileSync(join(root, '.env'), 'KEPT=1')
  writeFileSync(join(root, '.gitignore'), '.secrets\n')
  const failed = await act('init', '--vault-env', '--url', 'http://127.0.0.1:9', '--yes')
  expect(failed.code).toBe(4)
  expect(existsSync(join(root, 'secrets.config.mjs'))).toBe(false)
  const made = await act('init', '--vault-env', '--url', server.url, '--name', 'shop', '--yes')
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(made.stdout).toContain('Made the project shop (')
  expect(made.stdout).toContain('This device: approved.')
  expect(made.stdout).toContain('Wrote secrets.config.mjs with vaultEnv.')
  expect(made.stdout).toContain('Added .env to .gitignore.')
  expect(place.read('.gitignore')).toBe('.secrets\n.env\n')
  const env = place.read('.env')
  expect(env).toMatch(/^KEPT=1\nVAULT_KEY=vk_\S+\n$/)
  values.push(env.split('VAULT_KEY=')[1]!.trim())
  const config = place.read('secrets.config.mjs')
  expect(config).toContain(`vaultEnv: vaultEnv({ url: '${server.url}' }),`)
  expect(config).toContain("import: ['vaultEnv:*'],")
  // A second machine of the team has the key, and gets no second project.
  const again = await act('init', '--vault-env', '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({
    written: false,
    ignored: false,
    project: { projectId: null },
  })
  expect(place.read('.env')).toBe(env)
  const value = canary()
  values.push(value)
  const { HOME = '', XDG_CONFIG_HOME = '' } = process.env
  const set = ['set', 'STRIPE_KEY', '--env', 'production']
  const ran = await place.run(set, { input: value, env: { HOME, XDG_CONFIG_HOME } })
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  // From here on in this process, which has modules of its own.
  const providers = { vaultEnv: { type: 'vaultEnv', url: server.url } }
  rmSync(join(root, 'secrets.config.mjs'))
  place.write('secrets.config.json', JSON.stringify({ providers, import: ['vaultEnv:*'] }))
  const shown = await runInside(root, ['get', 'STRIPE_KEY', '--reveal', '--env', 'production'])
  expect(shown.stdout).toBe(value)
})

it('lists, registers, approves and revokes devices at the configured server', async () => {
  machine('desktop')
  const registered = await act('device', 'register', '--name', 'desktop', '--json')
  const { id, status } = JSON.parse(registered.stdout)
  expect(status).toBe('pending')
  // The key that both have decrypts with the device's secret only; being let in at all is what is asked here.
  const waiting = await act('get', 'STRIPE_KEY', '--env', 'production')
  expect([waiting.code, waiting.stderr]).toEqual([5, expect.stringContaining('waits for its approval')])
  machine('laptop')
  expect((await act('device', 'list')).stdout).toMatch(/desktop +pending/)
  expect(await act('device', 'approve', id)).toMatchObject({ code: 0, stdout: `Device approved: ${id}\n` })
  expect((await act('device', 'revoke', id)).code).toBe(2)
  expect(await act('device', 'revoke', id, '--yes')).toMatchObject({
    code: 0,
    stdout: `Device revoked: ${id}\n`,
  })
  const listed = JSON.parse((await act('device', 'list', '--json')).stdout) as {
    devices: { id: string; status: string }[]
  }
  expect(listed.devices.find((each) => each.id === id)?.status).toBe('revoked')
  // The names that vault-env documents are the same commands, with the server named.
  const old = await act('list-devices', '--url', server.url, '--json')
  expect(JSON.parse(old.stdout)).toEqual(listed)
})

it('says what it does not know', async () => {
  for (const args of [
    ['device', 'remove'],
    ['device', 'approve'],
    ['device', 'list', 'x'],
  ])
    expect([args, (await act(...args)).code]).toEqual([args, 2])
  expect((await act('device', 'revoke', 'no-such-id', '--yes')).stderr).toContain(
    'There is no device no-such-id',
  )
  expect(readFileSync(join(root, '.env'), 'utf8')).toContain('KEPT=1')
})
