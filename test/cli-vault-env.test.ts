import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { envText } from '../src/cli/env-file.ts'
import { type RunningVaultServer, serve } from '../src/server/index.ts'
import { scratch } from './support/bao.ts'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

const built = await buildPackage('cli-vault-env-package')
const data = scratch('cli-vault-env-server')
const laptop = new CliPlace('cli-vault-env-laptop', built, 'vault-env')
const desktop = new CliPlace('cli-vault-env-desktop', built, 'vault-env')
let server: RunningVaultServer
beforeAll(async () => {
  mkdirSync(data, { recursive: true })
  server = await serve({ port: 0, databaseUrl: `file:${join(data, 'vault.db')}`, rateLimit: 0 })
})
afterAll(() => server.close())

const env = () => ({ VAULT_URL: server.url })
const run = (place: CliPlace, ...args: string[]) => place.run(args, { env: env() })

describe('vault-env', () => {
  const values = {
    PLAIN: laptop.secret(canary()),
    MULTI: laptop.secret(`${canary()}\nsecond\r\nthird`),
    QUOTES: laptop.secret(`it's "so" $HOME # ${canary()}`),
  }

  it('makes a project, keeps what stands in .env, and refuses a second time', async () => {
    laptop.write('.env', 'KEPT=1')
    const made = await run(laptop, 'init', '--name', 'shop')
    expect([made.code, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toContain('This device: approved.')
    expect(laptop.read('.env')).toMatch(/^KEPT=1\nVAULT_KEY=vk_[0-9a-f-]{36}_[0-9a-f]{64}\n$/)
    expect(statSync(join(laptop.root, '.env')).mode & 0o077).toBe(0)
    laptop.secret(laptop.read('.env').split('VAULT_KEY=')[1]!.trim())
    expect(await run(laptop, 'init')).toMatchObject({ code: 1, stderr: expect.stringContaining('already') })
  })

  it('pushes, shows masked, and writes a file that reads back to the same values', async () => {
    laptop.write('.env.production', envText(new Map(Object.entries(values))))
    laptop.write('.env.empty', '# nothing\n')
    const key = laptop.read('.env').split('VAULT_KEY=')[1]!.trim()
    const withKey = { env: { ...env(), VAULT_KEY: key } }
    const nothing = await laptop.run(['push', '--file', '.env.empty'], withKey)
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining('nothing to push')])
    const args = ['push', '--env', 'production', '--file', '.env.production']
    const pushed = await laptop.run(args, withKey)
    expect(pushed.stderr).toContain('Pushing 3 secrets to production...')
    expect(pushed.stdout).toBe('Pushed. Version: 1\n  +MULTI\n  +PLAIN\n  +QUOTES\n')
    const shown = await run(laptop, 'pull', '--env', 'production')
    expect(shown.stdout).toContain('# production, version 1')
    expect(shown.stdout).toContain(`${values.PLAIN.slice(0, 4)}…`)
    const wrote = await run(laptop, 'pull', '--env', 'production', '--output', 'pulled.env')
    expect(wrote.stdout).toContain('Wrote 3 secrets to pulled.env (version 1).')
    expect(parse(laptop.read('pulled.env'))).toEqual(values)
    expect(await run(laptop, 'pull', '--env', 'nowhere')).toMatchObject({ code: 1 })
  })

  it('lists versions and goes back to one', async () => {
    laptop.write(
      '.env.production',
      envText(new Map(Object.entries({ ...values, ADDED: laptop.secret(canary()) }))),
    )
    const key = laptop.read('.env').split('VAULT_KEY=')[1]!.trim()
    await laptop.run(['push', '--env', 'production', '--file', '.env.production'], {
      env: { ...env(), VAULT_KEY: key },
    })
    const { stdout } = await run(laptop, 'rollback', '--env', 'production', '--version', '1')
    expect(stdout).toBe('Rolled back to version 1. New version: 3\n')
    const { versions } = JSON.parse((await run(laptop, 'versions', '--env', 'production', '--json')).stdout)
    expect(versions.map(({ version }: { version: string }) => version)).toEqual(['3', '2', '1'])
    expect(await run(laptop, 'rollback', '--env', 'production')).toMatchObject({ code: 2 })
    expect(await run(laptop, 'rollback', '--env', 'production', '--version', '9')).toMatchObject({ code: 1 })
  })

  it('registers, approves and revokes devices', async () => {
    desktop.write('.env', `VAULT_KEY=${laptop.read('.env').split('VAULT_KEY=')[1]!}`)
    const waiting = await run(desktop, 'register-device', '--name', 'desktop')
    expect(waiting.stdout).toContain('Device registered: pending')
    const id = /--id (\S+)/.exec(waiting.stdout)![1]!
    const denied = await run(desktop, 'pull', '--env', 'production')
    expect([denied.code, denied.stderr]).toEqual([5, expect.stringContaining('waits for its approval')])
    const list = await run(laptop, 'list-devices')
    expect(list.stdout).toMatch(new RegExp(`${id}\\s+desktop\\s+pending\\s+never`))
    expect((await run(laptop, 'approve-device', '--id', id)).stdout).toBe(`Device approved: ${id}\n`)
    // Approved, but each device seals for itself.
    const other = await run(desktop, 'pull', '--env', 'production')
    expect(other.stderr).toContain('cannot be decrypted')
    expect((await run(laptop, 'revoke-device', '--id', id)).stdout).toBe(`Device revoked: ${id}\n`)
    const revoked = await run(desktop, 'pull', '--env', 'production')
    expect([revoked.code, revoked.stderr]).toEqual([5, expect.stringContaining('was revoked')])
    expect(await run(laptop, 'approve-device')).toMatchObject({ code: 2 })
  })

  it('is told by its own name, and `secrets` has the device commands too', async () => {
    const help = await run(laptop, 'push', '--help')
    expect(help.stdout).toContain('vault-env push --env production')
    expect((await run(laptop, 'pusch')).stderr).toContain('Did you mean push?')
    const secrets = new CliPlace('cli-vault-env-secrets', built)
    expect((await secrets.run(['list-devices', '--help'])).stdout).toContain('secrets list-devices')
    expect((await secrets.run(['list-devices'])).stderr).toContain('VAULT_KEY')
  })

  it('has printed no value, and the server has written none', () => {
    expect(laptop.leaks()).toEqual([])
    expect(existsSync(join(data, 'vault.db'))).toBe(true)
    expect(canaryFiles(data, laptop.values)).toEqual([])
  })
})
