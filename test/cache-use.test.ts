import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openCache } from '../src/core/cache/index.ts'
import { createSecrets, SecretsError, type SecretsOptions, type Snapshot } from '../src/index.ts'
import { local } from '../src/providers/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { bundleScript, runScript } from './support/child.ts'
import { failure, holding, makeProject, type Project, place, recordingLogger } from './support/core.ts'
import { contextFor } from './support/workspace.ts'

let project: Project
let logger: ReturnType<typeof recordingLogger>
const old = canary('old')
const fresh = canary('new')
const values = [old, fresh]

beforeEach(() => {
  project = makeProject()
  logger = recordingLogger()
})

afterEach(() => {
  expect(canariesIn(logger.lines.join('\n'), values)).toEqual([])
  expect(canaryFiles(join(project.root, '..'), values)).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

const open = (more: SecretsOptions) =>
  createSecrets({
    root: project.root,
    logger,
    environment: 'production',
    secrets: { A: 'p:a', B: 'p:b' },
    ...more,
    cache: { ttl: 0, directory: project.cache, ...more.cache },
  })
const both = (value: string) => holding({ a: value, b: value })
const down = () =>
  place(() => {
    throw new SecretsError('UNREACHABLE', 'The place cannot be reached.')
  })
const shown = (snapshot: Snapshot): string[] => ['A', 'B'].map((name) => snapshot.get(name)!.reveal())

describe('refreshing by name', () => {
  const hour = { cache: { ttl: '1h' } } as const

  it('asks for those names, and leaves the others as they are cached', async () => {
    await (await open({ ...hour, providers: { p: both(old) } })).load()
    const p = both(fresh)
    const secrets = await open({ ...hour, providers: { p } })
    expect(shown(await secrets.load({ refresh: ['B'] }))).toEqual([old, fresh])
    expect(p.calls).toEqual([[{ path: 'b', options: {} }]])
    expect(shown(await secrets.load())).toEqual([old, fresh])
    expect(shown(await secrets.load({ refresh: [] }))).toEqual([old, fresh])
    expect(shown(await secrets.load({ refresh: true }))).toEqual([fresh, fresh])
  })

  it('means what a template needs, the secret of a dot key, and imports for what is not declared', async () => {
    const p = holding({ a: old, b: old, doc: { I: old } })
    const options: SecretsOptions = {
      ...hour,
      providers: { p },
      import: ['p:doc'],
      secrets: {
        A: 'p:a',
        B: { from: 'p:b' },
        T: { template: '{{vault:A}}' },
        U: { template: '{{vault:T}}' },
      },
    }
    const secrets = await open(options)
    await secrets.load()
    const asked = async (...names: string[]) => {
      await secrets.load({ refresh: names })
      return p.calls.at(-1)!.map(({ path }) => path)
    }
    expect(await asked('U')).toEqual(['a'])
    expect(await asked('B.x.y')).toEqual(['b'])
    expect(await asked('I')).toEqual(['doc'])
    expect(await asked('U', 'B')).toEqual(['a', 'b'])
  })

  it('knows a name that nothing gives', async () => {
    const secrets = await open({ ...hour, providers: { p: both(old) } })
    const error = await failure(secrets.load({ refresh: ['BB'] }))
    expect(error.code).toBe('NOT_FOUND')
    expect(error.message).toContain('Did you mean B?')
  })
})

describe("sync: 'manual'", () => {
  it('uses what is cached however old it is, and asks only when refreshed', async () => {
    await (await open({ providers: { p: both(old) } })).load()
    const p = both(fresh)
    const secrets = await open({ providers: { p }, sync: 'manual', cache: { maxStale: 0 } })
    const snapshot = await secrets.load()
    expect(shown(snapshot)).toEqual([old, old])
    expect(snapshot.meta('A')).toMatchObject({ source: 'cache', stale: true })
    expect(p.calls).toEqual([])
    expect(shown(await secrets.load({ refresh: true }))).toEqual([fresh, fresh])
    expect(logger.warnings).toEqual([])
  })

  it('asks for what was never cached', async () => {
    await (await open({ providers: { p: both(old) }, secrets: { A: 'p:a' } })).load()
    const p = both(fresh)
    expect(shown(await (await open({ providers: { p }, sync: 'manual' })).load())).toEqual([old, fresh])
    expect(p.calls).toEqual([[{ path: 'b', options: {} }]])
  })
})

describe('staleWhileRevalidate', () => {
  const swr = (more: SecretsOptions = {}) =>
    open({ dev: true, ...more, cache: { staleWhileRevalidate: true, ...more.cache } })

  it('serves at once, asks behind it, and tells the names that have changed', async () => {
    await (await open({ providers: { p: both(old) } })).load()
    let answer = (): void => {}
    const gate = new Promise<void>((resolve) => {
      answer = resolve
    })
    const p = place(async (requests) => {
      await gate
      return requests.map(({ path }) => ({ value: path === 'a' ? fresh : old }))
    })
    const told: (readonly string[])[] = []
    const secrets = await swr({ providers: { p }, onRevalidated: (names) => void told.push(names) })
    const snapshot = await secrets.load()
    expect(shown(snapshot)).toEqual([old, old])
    expect(snapshot.meta('A')?.stale).toBe(true)
    answer()
    await secrets.close()
    expect(told).toEqual([['A']])
    expect(p.calls).toHaveLength(1)
    const next = await open({ providers: { p: down() }, cache: { ttl: '1h' } })
    expect(shown(await next.load())).toEqual([fresh, old])
  })

  it('says so by itself, and says when it could not ask', async () => {
    await (await open({ providers: { p: both(old) } })).load()
    const secrets = await swr({ providers: { p: both(fresh) } })
    await secrets.load()
    await secrets.close()
    expect(logger.warnings).toEqual([expect.stringContaining('Changed since they were cached: A, B.')])
    logger.warnings.length = 0
    const refused = place((requests) => requests.map(() => new SecretsError('TLS_FAILED', 'Not trusted.')))
    const other = await swr({ providers: { p: refused } })
    expect(shown(await other.load())).toEqual([fresh, fresh])
    await other.close()
    expect(logger.warnings).toEqual([expect.stringContaining('could not be renewed')])
  })

  it.each<[string, SecretsOptions]>([
    ['not in a build', { dev: false }],
    ['not unless asked for', { cache: { staleWhileRevalidate: false } }],
    ['not beyond maxStale', { cache: { maxStale: 0 } }],
  ])('%s', async (_what, more) => {
    await (await open({ providers: { p: both(old) } })).load()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const p = both(fresh)
    expect(shown(await (await swr({ providers: { p }, ...more })).load())).toEqual([fresh, fresh])
  })

  it('reads what is never cached, and waits where something was never cached', async () => {
    const near = holding({ n: fresh }, { cached: false })
    const mixed = (p: ReturnType<typeof both>, secrets = {}) => ({
      providers: { p, near },
      secrets: { A: 'p:a', B: 'p:b', N: 'near:n', ...secrets },
    })
    await (await open(mixed(both(old)))).load()
    const p = both(fresh)
    const secrets = await swr(mixed(p))
    const snapshot = await secrets.load()
    expect([...shown(snapshot), snapshot.get('N')?.reveal()]).toEqual([old, old, fresh])
    await secrets.close()
    const q = holding({ a: fresh, b: fresh, c: fresh })
    const more = await swr(mixed(q, { C: 'p:c' }))
    expect(shown(await more.load())).toEqual([fresh, fresh])
    await more.close()
  })
})

describe('the audit log', () => {
  const file = () => join(project.root, '.secrets', 'audit.jsonl')
  const lines = () =>
    readFileSync(file(), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('has who, what and when, with names and without values', async () => {
    const audit = '.secrets/audit.jsonl'
    const secrets = await open({ audit, providers: { p: both(old) }, cache: { ttl: '1h' } })
    await secrets.load()
    await secrets.load({ refresh: ['A'] })
    await (await secrets.cache()).clear()
    await (await secrets.cache()).rekey()
    const broken = await open({ audit, providers: { p: down() }, timeout: 50 })
    await failure(broken.load())
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(lines().map(({ action }) => action)).toEqual([
      'load',
      'refresh',
      'cache clear',
      'cache rekey',
      'load',
    ])
    const [first, second, , , last] = lines()
    expect(first).toMatchObject({
      pid: process.pid,
      environment: 'production',
      profile: null,
      secrets: [
        { name: 'A', source: 'provider', provider: 'p', reference: 'p:a', stale: false },
        { name: 'B', source: 'provider' },
      ],
    })
    expect(new Date(first!.at as string).getTime()).toBeGreaterThan(Date.now() - 60_000)
    expect([typeof first!.user, typeof first!.host]).toEqual(['string', 'string'])
    expect(second!.secrets).toMatchObject([{ source: 'provider' }, { source: 'cache' }])
    expect(last!.error).toEqual(['UNREACHABLE'])
  })

  it('keeps the lines of processes that write at once whole', async () => {
    const script = await bundleScript(
      project.user,
      `import { audit } from '../../src/core/audit.ts'
      const run = async () => {
        for (let n = 0; n < 50; n++)
          await audit({ audit: process.argv[2], environment: 'x'.repeat(2000), profile: process.argv[3] }, { action: 'cache clear' })
      }
      run()`,
    )
    mkdirSync(join(project.root, '.secrets'), { recursive: true })
    await Promise.all(['a', 'b', 'c', 'd'].map((writer) => runScript(script, [file(), writer])))
    expect(lines()).toHaveLength(200)
    expect(lines().filter(({ profile }) => profile === 'a')).toHaveLength(50)
  })

  it('that cannot be written is an error, not a gap', async () => {
    mkdirSync(file(), { recursive: true })
    const secrets = await open({ audit: '.secrets/audit.jsonl', providers: { p: both(old) } })
    const error = await failure(secrets.load())
    expect(error.code).toBe('FILE_UNREADABLE')
    expect(error.message).toContain(file())
  })
})

describe('what is lent', () => {
  it('is never kept', async () => {
    const lent = place((requests) => requests.map(() => ({ value: old, expiresAt: Date.now() + 1000 })))
    const options = { cache: { ttl: '1h' } } as const
    await (await open({ ...options, providers: { p: both(old) } })).load()
    await (await open({ ...options, providers: { p: lent } })).load({ refresh: true })
    const p = both(fresh)
    expect(shown(await (await open({ ...options, providers: { p } })).load())).toEqual([fresh, fresh])
  })
})

describe('files put in the place of others', () => {
  it('between projects: neither cache nor local vault opens, and the vault is left alone', async () => {
    const other = join(project.root, '..', 'other')
    mkdirSync(other)
    const roots = [project.root, other] as const
    const caches = roots.map((root) =>
      openCache({ root, profile: undefined, environment: 'e', warn: (message) => logger.warn(message) }),
    )
    const vault = local()
    for (const [index, root] of roots.entries()) {
      await caches[index]!.update((entries) => entries.set('p:a', { kind: 'text', text: old, fetchedAt: 1 }))
      await vault.write!({ path: 'NAME', value: old }, contextFor(root))
    }
    copyFileSync(caches[0]!.file!, caches[1]!.file!)
    expect((await caches[1]!.read()).size).toBe(0)
    expect(logger.warnings).toEqual([expect.stringContaining('it was sealed for something else')])
    const [mine, theirs] = roots.map((root) => join(root, '.secrets', 'local.vault')) as [string, string]
    copyFileSync(mine, theirs)
    const before = readFileSync(theirs)
    const reads = vault.read([{ path: 'NAME', options: {} }], contextFor(other))
    expect((await failure(reads)).code).toBe('KEY_MISSING')
    const writes = vault.write!({ path: 'NAME', value: fresh }, contextFor(other))
    expect((await failure(writes)).code).toBe('KEY_MISSING')
    expect(readFileSync(theirs)).toEqual(before)
  })
})
