import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { Provider } from '../src/core/types.ts'
import { createSecrets } from '../src/index.ts'
import { ODD_VALUES, testProvider } from '../src/testing/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { contextFor, makeWorkspace } from './support/workspace.ts'

const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// The example as it stands, but for the package it imports, which here is the source beside it.
const copy = fromHere('.tmp/example-provider/provider.ts')
const text = readFileSync(fromHere('../examples/custom-provider/provider.ts'), 'utf8')
mkdirSync(fromHere('.tmp/example-provider'), { recursive: true })
writeFileSync(
  copy,
  text.replace(`'unplugin-secrets'`, `'${pathToFileURL(fromHere('../src/index.ts')).href}'`),
)
const { mount } = (await import(copy)) as { mount: (options?: { directory?: string }) => Provider }

const { root, remove } = makeWorkspace()
mkdirSync(join(root, 'mounted'))
const place = (name: string, value: string): void => writeFileSync(join(root, 'mounted', name), value)

afterAll(() => {
  vi.unstubAllEnvs()
  remove()
})

testProvider({
  name: 'mount',
  create: () => mount({ directory: 'mounted' }),
  seed(documents) {
    for (const [name, value] of Object.entries(documents)) place(name, value)
  },
  context: { root },
  oddPaths: ['a.b-c_D.1', '.hidden', '__proto__', 'constructor'],
  oddValues: [...ODD_VALUES, '', 'x'.repeat(100_000)],
  broken: {
    malformed() {
      // A folder in the place of a file: nobody can read that, root neither.
      mkdirSync(join(root, 'mounted/folder'), { recursive: true })
      return { path: 'folder', codes: ['FILE_UNREADABLE'] }
    },
  },
})

describe('the example provider', () => {
  it('gives its files to a configuration, and their fields', async () => {
    const [password, port] = [canary('pw'), '5432']
    place('db_password', password)
    place('config.json', JSON.stringify({ port }))
    const secrets = await createSecrets({
      root,
      providers: { mount: mount({ directory: 'mounted' }) },
      secrets: { DB_PASSWORD: 'mount:db_password', DB_PORT: 'mount:config.json#port' },
    })
    const snapshot = await secrets.load()
    expect(snapshot.get('DB_PASSWORD')?.reveal()).toBe(password)
    expect(snapshot.get('DB_PORT')?.reveal()).toBe(port)
    expect(canariesIn(JSON.stringify([snapshot, secrets.config.providers.get('mount')]), [password])).toEqual(
      [],
    )
    await secrets.close()
  })

  it.each([
    ['a/b', {}],
    ['../b', {}],
    ['..data', {}],
    ['', {}],
    ['a', { version: '1' }],
  ])('refuses %j with %j before it reads', (path, options) => {
    const reference = { provider: 'mount', path, options, field: undefined, source: `mount:${path}` }
    expect(mount().validate!(reference)).toMatch(/^(the name|files have)/)
  })

  it('lists what is mounted', async () => {
    place('listed_one', 'x')
    place('..data', 'x')
    const names = (await mount({ directory: 'mounted' }).list!('', contextFor(root))).map(({ path }) => path)
    expect(names).toContain('listed_one')
    expect(names).not.toContain('..data')
  })
})
