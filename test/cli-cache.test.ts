import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { filesBelow } from './support/workspace.ts'

let place: CliPlace

beforeAll(async () => {
  place = new CliPlace('cli-cache', await buildPackage('cli-cache-package'))
  place.secret(canary())
  // The value is in the environment of the process alone.
  place.write(
    'secrets.config.mjs',
    `const place = { type: 'place', location: 'here', read: async (requests) => requests.map(() => ({ value: process.env.VALUE })) }
    export default { providers: { place }, secrets: { A: 'place:a', B: 'place:b' } }`,
  )
})

afterAll(() => {
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

const sealed = (): string[] => filesBelow(place.folder).filter((file) => file.endsWith('.sealed'))
const load = () => place.run(['list'], { env: { VALUE: place.values[0]! } })

it('status, rekey and clear say what there is, and what they did', async () => {
  expect((await place.run(['cache', 'status'])).stdout).toMatch(/^Nothing in .*\.sealed\.\n$/)
  expect((await load()).code).toBe(0)
  const { stdout } = await place.run(['cache', 'status'])
  expect(stdout).toMatch(/^2 values in .*\.sealed, the newest \d+ seconds? old, the oldest \d+ seconds?\.\n$/)
  expect(await place.json(['cache', 'status'])).toMatchObject({ place: sealed()[0], values: 2 })

  const [before] = sealed()
  expect((await place.run(['cache', 'rekey'])).stdout).toBe(
    'A new project key was made; 2 values sealed again, 1 old cache removed.\n',
  )
  expect(sealed()).toHaveLength(1)
  expect(sealed()[0]).not.toBe(before)
  expect(readFileSync(join(place.root, '.secrets/project.key'), 'utf8').trim().split('\n')).toHaveLength(2)
  expect(await place.json(['cache', 'status'])).toMatchObject({ values: 2 })

  expect((await place.run(['cache', 'clear', '--env', 'other'])).stdout).toMatch(/^Removed 0 values/)
  expect(await place.json(['cache', 'clear'])).toMatchObject({ values: 2 })
  expect(sealed()).toEqual([])
})

it('refuses what it does not know, and a cache that is turned off', async () => {
  const unknown = await place.run(['cache', 'purge'])
  expect([unknown.code, unknown.stderr]).toEqual([
    2,
    expect.stringContaining('It knows: status, clear, rekey.'),
  ])
  place.write('off.config.mjs', 'export default { secrets: {}, cache: false }')
  const off = await place.run(['cache', 'status', '--config', 'off.config.mjs'])
  expect([off.code, off.stderr]).toEqual([1, expect.stringContaining('turned off')])
})
