import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import type { SecretsError } from '../src/core/errors.ts'
import { createSecrets, type Secrets } from '../src/core/pipeline.ts'
import type { SecretsConfig } from '../src/core/types.ts'
import type { Watch } from '../src/core/watch.ts'
import { type VaultOptions, vault } from '../src/providers/index.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { Gate } from './support/gate.ts'
import { may } from './support/vault.ts'
import { makeWorkspace, type Workspace } from './support/workspace.ts'

const { bao: server } = inject('servers')
const root = new Bao(server)

let workspace: Workspace
let gate: Gate
let secrets: Secrets
let mount: string
let watch: Watch
const values: string[] = [server.token]
const output: string[] = []
const changes: (readonly string[])[] = []
const errors: SecretsError[] = []
let recovered = 0

const fresh = (): string => {
  const value = canary('watch')
  values.push(value)
  return value
}
const say = (message: string): void => void output.push(message)
const shown = (name = 'A'): string | undefined => current?.get(name)?.reveal()
let current: Awaited<ReturnType<Secrets['load']>> | undefined

beforeEach(async () => {
  workspace = makeWorkspace()
  gate = await new Gate(server.url).start()
  mount = `watch-${randomBytes(4).toString('hex')}`
  await root.mount(mount, 2)
  changes.length = errors.length = recovered = 0
})
afterEach(async () => {
  await secrets?.close()
  await gate.stop()
  output.push(...errors.map((error) => error.format()))
  expect(canariesIn(output.join('\n'), values)).toEqual([])
  expect(canaryFiles(workspace.folder, values)).toEqual([])
  workspace.remove()
  vi.unstubAllEnvs()
})
afterAll(() => root.raw('DELETE', `sys/mounts/${mount}`))

const write = (path: string, data: object): Promise<number> => root.write2(mount, path, data)

/** Loads, and watches without a timer unless told. */
async function follow(
  names: Record<string, string>,
  auth: VaultOptions['auth'],
  more: SecretsConfig = {},
): Promise<void> {
  secrets = await createSecrets({
    root: workspace.root,
    providers: { vault: vault({ url: gate.url, mount, auth }) },
    secrets: names,
    timeout: 2000,
    watch: { interval: Infinity },
    ...more,
    logger: { info: say, warn: say, debug: say },
  })
  current = await secrets.load()
  watch = await secrets.watch({
    onChange: (changed, snapshot) => {
      changes.push(changed)
      current = snapshot
    },
    onError: (error) => void errors.push(error),
    onRecover: () => void recovered++,
  })
}

const asRoot = { method: 'token', token: server.token } as const
const lowToken = async (policy: string, ...lines: string[]): Promise<string> => {
  await root.policy(policy, lines.join('\n'))
  const token = await root.token([policy])
  values.push(token)
  return token
}
/** What one check asks the server. */
const asked = async (): Promise<string[]> => {
  gate.requests.length = 0
  await watch.check()
  return gate.requests.map((line) => line.replace(`/v1/${mount}/`, ''))
}

describe('a check of 200 secrets in 10 paths', () => {
  const names = (pathOf: (index: number) => string): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [
        `S${index}`,
        `vault:${pathOf(index % 10)}#k${Math.floor(index / 10)}`,
      ]),
    )
  const fill = async (pathOf: (index: number) => string): Promise<void> => {
    for (let path = 0; path < 10; path++)
      await write(
        pathOf(path),
        Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`k${key}`, fresh()])),
      )
  }

  it('is one request where the folder’s versions may be listed', async () => {
    const pathOf = (index: number): string => `app/doc${index}`
    await fill(pathOf)
    const list = may(`${mount}/detailed-metadata/app/`, 'list')
    const token = await lowToken(`${mount}-list`, may(`${mount}/data/app/*`), list)
    await follow(names(pathOf), { method: 'token', token })
    expect(await asked()).toEqual(['GET detailed-metadata/app/'])
    await write('app/doc3', {
      ...Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`k${key}`, fresh()])),
    })
    expect((await asked()).filter((line) => line.includes('metadata'))).toEqual([
      'GET detailed-metadata/app/',
    ])
    expect(changes.flat()).toHaveLength(20)
    // One that is deleted, and one that is destroyed with all that is known of it.
    await root.call('DELETE', `${mount}/data/app/doc3`)
    await root.call('DELETE', `${mount}/metadata/app/doc4`)
    await watch.check()
    expect(errors).toHaveLength(1)
    expect(errors[0]!.format()).toContain('vault:app/doc3')
    expect(errors[0]!.format()).toContain('vault:app/doc4')
  })

  it('is one for each path where it may not, or where they lie apart', async () => {
    const pathOf = (index: number): string => `app/doc${index}`
    await fill(pathOf)
    const policy = may(`${mount}/data/*`)
    const token = await lowToken(`${mount}-low`, policy, may(`${mount}/metadata/*`))
    await follow(names(pathOf), { method: 'token', token })
    await watch.check()
    const all = Array.from({ length: 10 }, (_, index) => `GET metadata/app/doc${index}`)
    expect((await asked()).sort()).toEqual(all)
    await secrets.close()

    await fill((index) => `apart${index}/doc`)
    await follow(
      names((index) => `apart${index}/doc`),
      asRoot,
    )
    expect(await asked()).toHaveLength(10)
  })

  it('does not list a folder that holds much more than what is wanted', async () => {
    await Promise.all(Array.from({ length: 120 }, (_, index) => write(`big/other${index}`, { a: '1' })))
    await write('big/a', { key: fresh() })
    await write('big/z', { key: fresh() })
    await follow({ A: 'vault:big/a#key', Z: 'vault:big/z#key' }, asRoot)
    await watch.check()
    expect((await asked()).sort()).toEqual(['GET metadata/big/a', 'GET metadata/big/z'])
    const next = fresh()
    await write('big/z', { key: next })
    await watch.check()
    expect([changes, shown('Z')]).toEqual([[['Z']], next])
  })
})

describe('what goes wrong while it runs', () => {
  it('fifty rotations in a row: none is lost, over one connection, and nothing is left', async () => {
    await write('web', { key: fresh(), other: fresh() })
    await follow({ A: 'vault:web#key', B: 'vault:web#other' }, asRoot)
    const before = process.getActiveResourcesInfo().length
    for (let round = 0; round < 50; round++) {
      const next = fresh()
      await write('web', { key: next, other: fresh() })
      await watch.check()
      expect(shown()).toBe(next)
    }
    expect(changes).toEqual(Array.from({ length: 50 }, () => ['A', 'B']))
    expect(gate.connections).toBe(1)
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before + 2)
    await secrets.close()
    await vi.waitFor(() => expect(gate.open).toBe(0), { timeout: 10_000 })
  })

  it('a server that comes and goes: one warning each time it goes, the values of now each time it comes', async () => {
    await write('web', { key: fresh() })
    await follow({ A: 'vault:web#key' }, asRoot, { cache: false })
    for (let round = 1; round <= 3; round++) {
      gate.down = true
      await watch.check()
      await watch.check()
      expect(errors).toHaveLength(round)
      const kept = shown()
      const next = fresh()
      await write('web', { key: next })
      expect(shown()).toBe(kept)
      gate.down = false
      await watch.check()
      expect([shown(), recovered]).toEqual([next, round])
    }
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['UNREACHABLE']))
  })

  it('a token that has died is replaced by a login', async () => {
    const auth = `login-${mount}`
    await root.policy(mount, [may(`${mount}/*`)].join('\n'))
    const role = await root.approle('app', [mount], { mount: auth })
    values.push(role.secretId)
    await write('web', { key: fresh() })
    await follow({ A: 'vault:web#key' }, { method: 'approle', mount: auth, ...role })
    await watch.check()
    await root.call('PUT', `sys/leases/revoke-prefix/auth/${auth}/login`)
    const next = fresh()
    await write('web', { key: next })
    await watch.check()
    expect([shown(), errors]).toEqual([next, []])
    await root.call('DELETE', `sys/auth/${auth}`)
  })

  it('a token from outside that has died is an error, once, and the values stay', async () => {
    const first = fresh()
    await write('web', { key: first })
    const token = await lowToken(mount, may(`${mount}/*`))
    await follow({ A: 'vault:web#key' }, { method: 'token', token })
    await root.call('POST', 'auth/token/revoke', { token })
    await write('web', { key: fresh() })
    await watch.check()
    await watch.check()
    expect(errors.map(({ code }) => code)).toEqual(['TOKEN_INVALID'])
    expect([shown(), changes]).toEqual([first, []])
  })

  it('access that is withdrawn is an error with its path until it is given back', async () => {
    const first = fresh()
    await write('web', { key: first })
    const token = await lowToken(mount, may(`${mount}/*`))
    await follow({ A: 'vault:web#key' }, { method: 'token', token })
    await watch.check()
    await root.policy(mount, may(`${mount}/other`))
    await watch.check()
    expect(errors.map(({ code }) => code)).toEqual(['PERMISSION_DENIED'])
    expect(errors[0]!.message).toContain('vault:web')
    expect(shown()).toBe(first)
    await root.policy(mount, may(`${mount}/*`))
    const next = fresh()
    await write('web', { key: next })
    await watch.check()
    expect([shown(), recovered]).toEqual([next, 1])
  })
})
