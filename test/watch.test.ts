import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import { createSecrets, type Secrets } from '../src/core/pipeline.ts'
import { signalRefresh } from '../src/core/refresh-signal.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import type { Provider, ReadRequest, SecretsConfig } from '../src/core/types.ts'
import type { Watch, WatchOptions } from '../src/core/watch.ts'
import { dotenv, local } from '../src/providers/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { contextFor, makeWorkspace, type Workspace } from './support/workspace.ts'

let workspace: Workspace
let secrets: Secrets
const values: string[] = []
const output: string[] = []
const fresh = (): string => {
  const value = canary('watch')
  values.push(value)
  return value
}
const say = (message: string): void => void output.push(message)

beforeEach(() => {
  workspace = makeWorkspace()
})
afterEach(async () => {
  await secrets?.close()
  workspace.remove()
  vi.unstubAllEnvs()
  vi.useRealTimers()
  expect(canariesIn(output.join('\n'), values)).toEqual([])
})

/** A place with versions, whose traffic is counted. */
class Place {
  readonly documents = new Map<string, { value: Record<string, string>; version: number }>()
  versions = 0
  reads = 0
  /** Thrown by both. */
  failure: SecretsError | undefined
  /** Called while a read is under way, after the values were taken. */
  during: (() => void) | undefined

  put(path: string, value: Record<string, string>): void {
    this.documents.set(path, { value, version: (this.documents.get(path)?.version ?? 0) + 1 })
  }

  provider(withVersions = true): Provider {
    const stamp = ({ path }: ReadRequest): string | undefined => {
      const found = this.documents.get(path)
      return found && String(found.version)
    }
    return {
      type: 'place',
      location: 'test',
      read: async (requests) => {
        this.reads += requests.length
        if (this.failure) throw this.failure
        const answers = requests.map((request) => {
          const found = this.documents.get(request.path)
          return found && { value: { ...found.value }, version: stamp(request) }
        })
        const { during } = this
        this.during = undefined
        during?.()
        return answers
      },
      ...(withVersions && {
        versions: async (requests: readonly ReadRequest[]) => {
          this.versions += requests.length
          if (this.failure) throw this.failure
          return requests.map(stamp)
        },
      }),
    }
  }
}

interface Told {
  readonly changes: { names: readonly string[]; snapshot: Snapshot }[]
  readonly errors: SecretsError[]
  recovered: number
  readonly watch: Watch
}

const open = async (config: SecretsConfig): Promise<void> => {
  secrets = await createSecrets({
    root: workspace.root,
    timeout: 1000,
    ...config,
    logger: { info: say, warn: say, debug: say },
  })
}

const watching = async (more: Partial<WatchOptions> = {}): Promise<Told> => {
  const told: Omit<Told, 'watch'> = { changes: [], errors: [], recovered: 0 }
  const watch = await secrets.watch({
    interval: Infinity,
    onChange: (names, snapshot) => void told.changes.push({ names, snapshot }),
    onError: (error) => void told.errors.push(error),
    onRecover: () => void told.recovered++,
    ...more,
  })
  return Object.assign(told, { watch })
}

describe('providers with versions', () => {
  const place = (): { place: Place; config: SecretsConfig } => {
    const made = new Place()
    made.put('a', { x: fresh(), y: fresh() })
    return {
      place: made,
      config: { providers: { p: made.provider() }, secrets: { X: 'p:a#x', Y: 'p:a#y' } },
    }
  }

  it('tells only the names whose value has changed, and asks for stamps, not values', async () => {
    const { place: a, config } = place()
    await open(config)
    const before = await secrets.load()
    const told = await watching()
    await told.watch.check()
    expect([a.versions, a.reads, told.changes]).toEqual([1, 1, []])
    const next = fresh()
    a.put('a', { x: next, y: before.get('Y')!.reveal() })
    await told.watch.check()
    expect(told.changes.map(({ names }) => names)).toEqual([['X']])
    expect(told.changes[0]!.snapshot.get('X')!.reveal()).toBe(next)
    await told.watch.check()
    expect(told.changes).toHaveLength(1)
    expect(a.reads).toBe(2)
  })

  it('makes one request a path for 200 secrets in 10 paths', async () => {
    const a = new Place()
    const all: Record<string, string> = {}
    for (let path = 0; path < 10; path++) {
      const document: Record<string, string> = {}
      for (let key = 0; key < 20; key++) {
        document[`k${key}`] = fresh()
        all[`S_${path}_${key}`] = `p:doc${path}#k${key}`
      }
      a.put(`doc${path}`, document)
    }
    await open({ providers: { p: a.provider() }, secrets: all })
    await secrets.load()
    const told = await watching()
    a.reads = 0
    await told.watch.check()
    expect([a.versions, a.reads]).toEqual([10, 0])
  })

  it('loses no update: two before one check, one while it reads, fifty in a row', async () => {
    const { place: a, config } = place()
    await open(config)
    await secrets.load()
    const told = await watching()
    a.put('a', { x: fresh(), y: fresh() })
    a.put('a', { x: fresh(), y: fresh() })
    const last = fresh()
    a.during = () => a.put('a', { x: last, y: last })
    await told.watch.check()
    await told.watch.check()
    expect(told.changes).toHaveLength(2)
    expect(told.changes[1]!.snapshot.get('X')!.reveal()).toBe(last)
    for (let round = 0; round < 50; round++) {
      const value = fresh()
      a.put('a', { x: value, y: last })
      await told.watch.check()
      expect(told.changes.at(-1)!.snapshot.get('X')!.reveal()).toBe(value)
    }
    expect(told.changes).toHaveLength(52)
  })

  it('keeps the last good snapshot while the provider is down, says so once, and heals by itself', async () => {
    const { place: a, config } = place()
    await open({ ...config, cache: false })
    await secrets.load()
    const told = await watching()
    a.failure = new SecretsError('UNREACHABLE', 'Cannot reach the place.')
    await told.watch.check()
    await told.watch.check()
    expect(told.errors.map(({ code }) => code)).toEqual(['UNREACHABLE'])
    a.put('a', { x: fresh(), y: fresh() })
    a.failure = undefined
    // Nobody asks: the timer after a failure does, though there is no interval.
    await vi.waitFor(() => expect(told.changes).toHaveLength(1), { timeout: 10_000 })
    expect(told.recovered).toBe(1)
  })

  it('tells a secret that is gone as an error, and its return as a change', async () => {
    const { place: a, config } = place()
    await open(config)
    await secrets.load()
    const told = await watching()
    const kept = a.documents.get('a')!
    a.documents.delete('a')
    await told.watch.check()
    expect(told.errors).toHaveLength(1)
    expect(told.changes).toEqual([])
    a.documents.set('a', { ...kept, version: 9, value: { ...kept.value, x: fresh() } })
    await told.watch.check()
    expect(told.changes.map(({ names }) => names)).toEqual([['X']])
    expect(told.recovered).toBe(1)
  })

  it('offers what was refused again, together with what comes next', async () => {
    const { place: a, config } = place()
    await open(config)
    await secrets.load()
    let refuse = true
    const taken: (readonly string[])[] = []
    const told = await watching({
      onChange: (names) => {
        if (refuse) throw new SecretsError('POLICY_INVALID', 'Not so.')
        taken.push(names)
      },
    })
    const changed = fresh()
    a.put('a', { x: changed, y: a.documents.get('a')!.value.y! })
    await told.watch.check()
    expect(told.errors.map(({ code }) => code)).toEqual(['POLICY_INVALID'])
    refuse = false
    a.put('a', { x: changed, y: fresh() })
    await told.watch.check()
    expect(taken).toEqual([['X', 'Y']])
    expect(told.recovered).toBe(1)
  })

  it('asks in its interval, at once after the machine has slept, and never after it was stopped', async () => {
    const { place: a, config } = place()
    await open({ ...config, watch: { interval: '1h', providers: { p: '20ms' } } })
    await secrets.load()
    const told = await watching()
    await vi.waitFor(() => expect(a.versions).toBeGreaterThan(2))
    told.watch.stop()
    const { versions } = a
    await new Promise((done) => setTimeout(done, 100))
    expect(a.versions).toBe(versions)

    await secrets.close()
    await open({ ...config, watch: { interval: '1h' } })
    await secrets.load()
    await watching({ interval: '1h' })
    const slept = Date.now() + 1_800_000
    vi.spyOn(Date, 'now').mockImplementation(() => slept)
    await vi.waitFor(() => expect(a.versions).toBeGreaterThan(versions), { timeout: 10_000 })
    vi.restoreAllMocks()
  })

  it('looks at once when somebody says refresh', async () => {
    const { place: a, config } = place()
    await open(config)
    await secrets.load()
    const told = await watching()
    a.put('a', { x: fresh(), y: fresh() })
    await signalRefresh(secrets.config.root)
    await vi.waitFor(() => expect(told.changes.map(({ names }) => names)).toEqual([['X', 'Y']]))
  })
})

it('compares values where a provider has no versions, and reads no other provider for it', async () => {
  const [a, b] = [new Place(), new Place()]
  a.put('a', { x: fresh() })
  b.put('b', { y: fresh() })
  await open({ providers: { a: a.provider(false), b: b.provider() }, secrets: { X: 'a:a#x', Y: 'b:b#y' } })
  await secrets.load()
  const told = await watching()
  await told.watch.check()
  expect(told.changes).toEqual([])
  a.put('a', { x: fresh() })
  await told.watch.check()
  expect(told.changes.map(({ names }) => names)).toEqual([['X']])
  expect([a.reads, b.reads, b.versions]).toEqual([3, 1, 2])
})

it('begins with the first snapshot there is, when nothing could be loaded before', async () => {
  const a = new Place()
  a.failure = new SecretsError('UNREACHABLE', 'Cannot reach the place.')
  await open({ providers: { p: a.provider() }, secrets: { X: 'p:a#x' }, timeout: 50 })
  const told = await watching()
  await vi.waitFor(() => expect(told.errors).toHaveLength(1))
  a.put('a', { x: fresh() })
  a.failure = undefined
  await vi.waitFor(() => expect(told.changes.map(({ names }) => names)).toEqual([['X']]), { timeout: 10_000 })
})

it('refuses an interval that is none, and one for a provider that is not there', async () => {
  await expect(
    open({ providers: { d: dotenv() }, import: ['d:*'], watch: { interval: 'soon' as '1s' } }),
  ).rejects.toThrow('watch.interval is not a duration.')
  await expect(
    open({ providers: { dot: dotenv() }, import: ['dot:*'], watch: { providers: { dat: '5s' } } }),
  ).rejects.toThrow('watch.providers names dat, which is not configured. Did you mean dot?')
})

describe('files', () => {
  const write = (name: string, text: string): void => writeFileSync(join(workspace.root, name), text)
  const changedTo = async (told: Told, name: string, value: string | undefined): Promise<void> => {
    await vi.waitFor(() => expect(told.changes.at(-1)?.snapshot.get(name)?.reveal()).toBe(value), {
      timeout: 10_000,
    })
  }

  it('follows .env files that are written, replaced, removed and made later', async () => {
    write('.env', `A=${fresh()}\n`)
    await open({ providers: { d: dotenv() }, import: ['d:*'] })
    await secrets.load()
    const told = await watching()
    const steps: [string, (value: string) => void][] = [
      ['in place', (value) => write('.env', `A=${value}\n`)],
      [
        'by an editor that renames',
        (value) => {
          write('.env.swp', `A=${value}\n`)
          renameSync(join(workspace.root, '.env.swp'), join(workspace.root, '.env'))
        },
      ],
      [
        'removed and written again',
        (value) => {
          rmSync(join(workspace.root, '.env'))
          write('.env', `A=${value}\n`)
        },
      ],
      ['a file that was not there', (value) => write('.env.local', `A=${value}\n`)],
    ]
    for (const [, change] of steps) {
      const value = fresh()
      change(value)
      await changedTo(told, 'A', value)
    }
    rmSync(join(workspace.root, '.env.local'))
    rmSync(join(workspace.root, '.env'))
    await changedTo(told, 'A', undefined)
    expect(told.errors).toEqual([])
  })

  it('survives a folder that is not there yet, and one that goes away', async () => {
    const folder = join(workspace.root, 'settings/app')
    await open({ providers: { d: dotenv({ directory: 'settings/app' }) }, import: ['d:*'] })
    await secrets.load()
    const told = await watching()
    for (let round = 0; round < 2; round++) {
      const value = fresh()
      mkdirSync(folder, { recursive: true })
      write('settings/app/.env', `A=${value}\n`)
      await changedTo(told, 'A', value)
      rmSync(join(workspace.root, 'settings'), { recursive: true })
      await changedTo(told, 'A', undefined)
    }
  })

  it('does not touch a FIFO, and follows the files beside it', async () => {
    write('.env', `A=${fresh()}\n`)
    await open({ providers: { d: dotenv() }, import: ['d:*'] })
    await secrets.load()
    const told = await watching()
    execFileSync('mkfifo', [join(workspace.root, '.env.local')])
    // One that reads it would wait for ever.
    await new Promise((done) => setTimeout(done, 200))
    expect(told.errors).toEqual([])
    rmSync(join(workspace.root, '.env.local'))
    const value = fresh()
    write('.env', `A=${value}\n`)
    await changedTo(told, 'A', value)
  })

  it('follows the local vault', async () => {
    const vault = local()
    const set = (value: string) => vault.write!({ path: 'A', value }, contextFor(workspace.root))
    await set(fresh())
    await open({ providers: { local: vault }, secrets: { A: 'local:A' } })
    await secrets.load()
    const told = await watching()
    for (let round = 0; round < 3; round++) {
      const value = fresh()
      await set(value)
      await changedTo(told, 'A', value)
    }
  })
})
