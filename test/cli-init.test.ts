import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { filesBelow } from './support/workspace.ts'

let built: string
const places: CliPlace[] = []
const make = (name: string, packages: object = {}) => {
  const place = new CliPlace(`cli-init-${name}`, built)
  place.write('package.json', JSON.stringify({ type: 'module', ...packages }))
  places.push(place)
  return place
}

beforeAll(async () => {
  built = await buildPackage('cli-init-package')
})

afterAll(() => {
  expect(places.length).toBeGreaterThan(4)
  for (const place of places) {
    expect(place.leaks()).toEqual([])
    const files = canaryFiles(place.folder, place.values)
    expect(files.filter((file) => !/\.env[^/]*$|\.vault-token$/.test(file))).toEqual([])
  }
})

interface InitResult {
  config: string
  written: boolean
  ignored: boolean
  providers: string[]
  names: string[]
  client: string[]
  stack: string | null
  next: string[]
}

it('takes over .env files by name, so that the project works at once', async () => {
  const place = make('dotenv', { devDependencies: { vite: '*', typescript: '*' } })
  const value = place.secret(canary())
  const open = canary()
  place.write('.env', `DATABASE_URL="${value}"\nVITE_TITLE=${open}\nNODE_ENV=test\nconst-like.name=dotted\n`)
  place.write('.env.local', `LOCAL_ONLY='${place.secret(canary())}'\n`)
  place.write('.env.production', `ONLY_THERE=${place.secret(canary())}\nDATABASE_URL=other\n`)
  place.write('.env.example', 'EXAMPLE=never\n')
  place.write('.gitignore', 'node_modules')
  place.write('vite.config.ts', 'export default {}\n')

  const { code, stdout, stderr } = await place.run(['init', '--yes'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain('Wrote secrets.config.ts with dotenv.')
  expect(stdout).toContain('because Vite shows them to browsers already: VITE_TITLE.')
  expect(stdout).toContain(
    "In vite.config.ts: import secrets from 'unplugin-secrets/vite', then plugins: [secrets()]",
  )
  const config = place.read('secrets.config.ts')
  expect(config).toContain("DATABASE_URL: 'dotenv:DATABASE_URL',")
  expect(config).toContain("client: ['VITE_TITLE'],")
  expect(config).toContain("// ONLY_THERE: 'dotenv:ONLY_THERE', stands only in .env.production")
  expect(config).not.toMatch(/EXAMPLE|NODE_ENV/)
  expect(place.read('.gitignore')).toBe('node_modules\n.secrets/\n')
  expect(stdout).toContain('Wrote secrets-env.d.ts: the types of the names.')
  expect(place.read('secrets-env.d.ts')).toContain('export const DATABASE_URL: string')

  expect((await place.reveal(['get', 'DATABASE_URL', '--reveal'])).stdout).toBe(value)
  const list = await place.run(['list'])
  expect(list.code).toBe(0)
  expect(list.stdout).toMatch(/^const-like\.name +dotenv/m)
  expect((await place.run(['doctor'])).code).toBe(0)
})

it('changes nothing the second time, unless it is forced', async () => {
  const place = make('twice', { dependencies: { '@rspack/core': '*' } })
  const first = await place.json<InitResult>(['init'])
  expect(first).toMatchObject({ written: true, ignored: true, providers: ['local'], stack: 'Rspack' })
  expect(first.config).toMatch(/secrets\.config\.mjs$/)
  const snapshot = () =>
    filesBelow(place.root).map((file) => [file, place.read(file.slice(place.root.length + 1))])
  const before = snapshot()
  expect(await place.json<InitResult>(['init', '--provider', 'vault'])).toMatchObject({
    config: first.config,
    written: false,
    ignored: false,
  })
  expect(snapshot()).toEqual(before)
  expect((await place.run(['set', 'A', 'x'])).code).toBe(0)
  expect((await place.run(['get', 'A'])).code).toBe(0)

  expect(await place.json<InitResult>(['init', '--force', '--provider', 'vault,aws'])).toMatchObject({
    config: first.config,
    written: true,
    providers: ['vault', 'aws'],
  })
  expect((await place.run(['list'])).code).toBe(0)
})

it('sees logins, and only that they are there', async () => {
  const place = make('logins', { dependencies: { next: '*' } })
  const home = join(place.folder, 'home')
  mkdirSync(join(home, '.aws'), { recursive: true })
  writeFileSync(join(home, '.vault-token'), place.secret(canary()))
  writeFileSync(
    join(home, '.aws/config'),
    '[default]\nregion = eu-west-1\n[profile dev]\nregion = eu-west-1\n',
  )
  const { stdout } = await place.run(['init', '--provider', 'aws', '--yes'])
  expect(stdout).toContain('A Vault login is here too (~/.vault-token): --provider vault uses it.')
  expect(stdout).toContain("import secrets from 'unplugin-secrets/webpack'")
  expect(place.read('secrets.config.mjs')).toContain(
    "aws({ auth: { method: 'profile', profile: 'default' } })",
  )
})

it.each([
  [{ nuxt: '*', vite: '*' }, 'Nuxt', 'nuxt.config.js', 'vite: { plugins: [secrets()] }'],
  [{ '@sveltejs/kit': '*', vite: '*' }, 'SvelteKit', 'vite.config.js', 'plugins: [secrets()]'],
  [{ esbuild: '*' }, 'esbuild', 'esbuild.config.js', 'plugins: [secrets()]'],
  [{ rollup: '*' }, 'Rollup', 'rollup.config.js', 'plugins: [secrets()]'],
])('knows what %j is built with', async (dependencies, stack, file, line) => {
  const place = make(`stack-${stack}`, { dependencies })
  const { next, ...result } = await place.json<InitResult>(['init'])
  expect(result.stack).toBe(stack)
  expect(next.some((step) => step.startsWith(`In ${file}: `) && step.endsWith(`then ${line}`))).toBe(true)
})
