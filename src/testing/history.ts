import { expect, it } from 'vitest'
import { SecretsError } from '../core/errors.ts'
import type { JsonObject, Provider, ProviderContext, ReadResult } from '../core/types.ts'

/** What the suite of one provider lends to its parts. */
export interface SuiteTools {
  using<T>(work: (provider: Provider) => Promise<T>): Promise<T>
  context(): ProviderContext
  /** A path that nobody used. */
  fresh(prefix: string): string
  /** A value that must not be seen in any words. */
  canary(): string
  /** Keeps what was said in words. */
  say(thing: unknown): void
  /** Documents that are there. */
  readonly seeded: readonly string[]
  /** Versions are of all documents at once. */
  readonly versionsTogether: boolean
}

/**
 * Registers the tests of what a place can do beside reading and writing. Each is about one ability, and is
 * passed by a provider that lacks it.
 */
export function testHistory(tools: SuiteTools): void {
  const { using, context, fresh, canary, say, seeded, versionsTogether } = tools
  const read = async (provider: Provider, path: string): Promise<ReadResult> =>
    (await provider.read([{ path, options: {} }], context()))[0]

  /** What a document holds, as an object. */
  const fields = (result: ReadResult): JsonObject => {
    if (result === undefined || result instanceof SecretsError || result.value instanceof Uint8Array)
      throw result ?? new Error('there is no document')
    return typeof result.value === 'string' ? (JSON.parse(result.value) as JsonObject) : result.value
  }

  /** Writes these one after the other; the stamps that were given. */
  async function written(provider: Provider, path: string, ...values: JsonObject[]): Promise<string[]> {
    const stamps: string[] = []
    for (const value of values) {
      const { version } = await provider.write!({ path, value }, context())
      expect(version, 'a place that keeps versions tells which it wrote').toBeTypeOf('string')
      stamps.push(version!)
    }
    return stamps
  }

  it('gives the stamps of a read without reading, where it can', () =>
    using(async (provider) => {
      if (!provider.versions) return
      const paths = versionsTogether ? seeded : [...seeded, fresh('missingx')]
      const requests = paths.map((path) => ({ path, options: {} }))
      const documents = await provider.read(requests, context())
      const stamps = documents.map((document) =>
        document instanceof SecretsError ? document.code : document?.version,
      )
      const found = await provider.versions(requests, context())
      expect(found.map((each) => (each instanceof SecretsError ? each.code : each))).toEqual(stamps)
      expect(await provider.versions([], context())).toEqual([])
    }))

  it('writes over the expected version only, where it keeps versions', () =>
    using(async (provider) => {
      if (!provider.write || !provider.history) return
      const path = fresh('casx')
      const [first] = await written(provider, path, { a: canary() }, { a: canary() })
      const now = await read(provider, path)
      for (const expected of [null, first!]) {
        const refused = await provider
          .write({ path, value: { a: canary() }, expected }, context())
          .catch((reason: unknown) => reason)
        say(refused)
        // A place without check-and-set says so; none may ignore what was expected.
        expect((refused as SecretsError).code).toMatch(/^(CONFLICT|UNSUPPORTED)$/)
      }
      expect(await read(provider, path)).toEqual(now)
    }))

  it('patches fields and keeps the others, where it can', () =>
    using(async (provider) => {
      if (!provider.write || !provider.patch) return
      const path = fresh('patchx')
      const [a, b, c] = [canary(), canary(), canary()]
      await provider.write({ path, value: { a, b, nested: { x: 1, y: 2 }, old: true } }, context())
      const set = { a: c, nested: { x: 3 } }
      const { version } = await provider.patch({ path, set, unset: ['old', 'none'] }, context())
      const after = await read(provider, path)
      expect(fields(after)).toEqual({ a: c, b, nested: { x: 3 } })
      if (version !== undefined) expect(after).toMatchObject({ version })
    }))

  it('lists what there was and goes back to it, where it can', () =>
    using(async (provider) => {
      if (!provider.write || !provider.history) return
      const path = fresh('historyx')
      const [a, b] = [{ a: canary() }, { a: canary() }]
      const [first, second] = await written(provider, path, a, b)
      const history = (await provider.history(path, context()))!.slice(0, versionsTogether ? 2 : undefined)
      say(history)
      expect(history.map(({ version }) => version)).toEqual([second, first])
      expect(history.map(({ state }) => state)).toEqual(['current', 'previous'])
      if (!versionsTogether) expect(await provider.history(fresh('missingx'), context())).toBeUndefined()
      if (!provider.rollback) return
      await provider.rollback({ path, version: first! }, context())
      expect(fields(await read(provider, path))).toEqual(a)
      const states = (await provider.history(path, context()))!.map(({ state }) => state)
      expect(states.filter((state) => state === 'current')).toHaveLength(1)
    }))

  it('brings back what was removed, where it can', () =>
    using(async (provider) => {
      if (!provider.write || !provider.remove || !provider.restore) return
      const path = fresh('restorex')
      const value = { a: canary() }
      await provider.write({ path, value }, context())
      expect(await provider.remove({ path }, context())).toBe(true)
      const gone = await read(provider, path).catch((reason: unknown) => reason)
      if (gone !== undefined) expect(gone).toMatchObject({ code: 'DELETED' })
      expect(await provider.restore({ path }, context())).toBe(true)
      expect(fields(await read(provider, path))).toEqual(value)
      expect(await provider.restore({ path: fresh('missingx') }, context())).toBe(false)
    }))

  it('keeps notes beside a document, where it can', () =>
    using(async (provider) => {
      if (!provider.write || !provider.metadata || !provider.annotate) return
      const path = fresh('metax')
      await provider.write({ path, value: { a: canary() } }, context())
      await provider.annotate({ path, custom: { owner: 'one', stage: 'test' } }, context())
      await provider.annotate({ path, custom: { owner: 'two', stage: '' } }, context())
      const metadata = await provider.metadata(path, context())
      say(metadata)
      expect(metadata!.custom).toMatchObject({ owner: 'two' })
      expect(metadata!.custom).not.toHaveProperty('stage')
      expect(await provider.metadata(fresh('missingx'), context())).toBeUndefined()
    }))
}
