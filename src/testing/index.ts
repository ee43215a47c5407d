/**
 * The conformance suite of providers. Every provider of this package passes it, with its real server;
 * a third party's does the same with its own.
 *
 * @example
 * import { testProvider } from 'unplugin-secrets/testing'
 *
 * testProvider({
 *   name: 'mine',
 *   create: () => mine({ url }),
 *   seed: (documents) => server.put(documents),
 *   broken: { unreachable: () => ({ provider: mine({ url: 'http://127.0.0.1:1' }) }) },
 *   forbidden: [token],
 * })
 */
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SecretsError, type SecretsErrorCode } from '../core/errors.ts'
import type { JsonObject, Provider, ProviderContext, ReadRequest, ReadResult } from '../core/types.ts'
import { testHistory } from './history.ts'

/** What a provider is put in front of, and how it must answer. */
const CONDITIONS = {
  /** Nobody answers at the address. */
  unreachable: { codes: ['UNREACHABLE', 'TIMEOUT'], transient: true },
  /** The login is refused, or what it may do does not include this path. */
  refused: {
    codes: ['CREDENTIALS_MISSING', 'LOGIN_REFUSED', 'TOKEN_INVALID', 'PERMISSION_DENIED'],
    transient: false,
  },
  /** What comes back is not what the protocol says. */
  malformed: {
    codes: ['RESPONSE_MALFORMED', 'SEAL_BROKEN', 'KEY_MISSING', 'FILE_UNREADABLE'],
    transient: false,
  },
  /** No answer before the deadline. */
  slow: { codes: ['TIMEOUT'], transient: true },
  /** The login was good once. */
  revoked: { codes: ['TOKEN_INVALID', 'LOGIN_REFUSED', 'PERMISSION_DENIED'], transient: false },
  /** The document was there once, and the place still knows. */
  deleted: { codes: ['DELETED', 'DESTROYED'], transient: false },
} as const satisfies Record<string, { codes: readonly SecretsErrorCode[]; transient: boolean }>

export type BrokenCondition = keyof typeof CONDITIONS

export interface BrokenCase {
  /** Absent: the suite's own provider. */
  provider?: Provider
  /** What to ask for. Absent: a document that `seed` put there. */
  path?: string
  /** Narrower than what the condition allows. */
  codes?: readonly SecretsErrorCode[]
}

export interface ProviderSuite {
  name: string
  /** Called for each test; what it makes is closed after it. */
  create(): Provider | Promise<Provider>
  /** Puts these documents there, path → text; called once, before all tests. */
  seed(documents: Readonly<Record<string, string>>): Promise<void> | void
  /** What `read` gives for a document seeded with a text. Default: the text. */
  expected?(text: string): string | JsonObject
  /** The path for a plain name (letters and digits). Default: the name. */
  path?(name: string): string
  /** Paths with characters that the place allows and a careless client spoils. */
  oddPaths?: readonly string[]
  /** Texts that the place can hold and a careless client spoils. */
  oddValues?: readonly string[]
  /** Given to every call; a function is called for each. */
  context?: Partial<ProviderContext> | (() => Partial<ProviderContext>)
  /** Only the conditions that the place can be in. */
  broken?: Partial<Record<BrokenCondition, () => BrokenCase | Promise<BrokenCase>>>
  /** Credentials: neither they nor a value may stand in an error, a debug line or the provider itself. */
  forbidden?: readonly string[] | (() => readonly string[])
  /** Versions are of all documents at once, as where an environment is one document. Default `false`. */
  versionsTogether?: boolean
  /** What a read after `close` does. Default `works`: closing gives back what idles, the next call starts anew. */
  afterClose?: 'works' | 'throws'
}

/** Texts that pass unchanged through a place that holds any text. */
export const ODD_VALUES: readonly string[] = [
  'two\nlines\r\nand a tab\t',
  `quotes ' " \` and \\ back \\n slashes`,
  '$& $1 $$ ${HOME} #hash =equals </script> {{ }} %41',
  'ünïcödé 日本語 \u{1f511} \u2028\u2029',
  ' spaces around ',
  '{"looks":"like JSON"}',
]

/** Registers the tests of one provider. */
export function testProvider(suite: ProviderSuite): void {
  describe(`${suite.name}: provider conformance`, () => {
    const random = (prefix: string) => `${prefix}${randomBytes(9).toString('hex')}`
    const path = suite.path ?? ((name: string) => name)
    const expected = suite.expected ?? ((text: string) => text)
    const documents = new Map<string, string>()
    const plain = Array.from({ length: 5 }, (_, index) => path(random(`doc${index}x`)))
    for (const each of [...plain, ...(suite.oddPaths ?? [])]) documents.set(each, random('cnry'))
    const odd = (suite.oddValues ?? []).map((text, index) => [path(random(`odd${index}x`)), text] as const)
    for (const [each, text] of odd) documents.set(each, text)
    /** Values that tests wrote. */
    const written: string[] = []
    const missing = () => path(random('missingx'))
    const [first, second, third] = plain as [string, string, string]

    /** Everything that was said in words: must hold no value and no credential. */
    const said: string[] = []
    const say = (thing: unknown) => {
      said.push(inspect(thing, { depth: 10, showHidden: true }), JSON.stringify(thing) ?? '', String(thing))
      if (thing instanceof Error) said.push(thing.message, thing.stack ?? '')
      if (thing instanceof SecretsError)
        said.push(thing.format(), ...thing.problems.map((each) => each.format()))
    }

    const context = (signal: AbortSignal = AbortSignal.timeout(30_000)): ProviderContext => ({
      name: suite.name,
      root: process.cwd(),
      environment: 'development',
      profile: undefined,
      concurrency: 4,
      userAgent: 'unplugin-secrets-conformance',
      debug: say,
      ...(typeof suite.context === 'function' ? suite.context() : suite.context),
      signal,
    })
    const request = (at: string): ReadRequest => ({ path: at, options: {} })
    const answer = (at: string) => ({ value: expected(documents.get(at) ?? '') })

    /** Runs with a provider of its own. */
    async function using<T>(work: (provider: Provider) => Promise<T>, given?: Provider): Promise<T> {
      const provider = given ?? (await suite.create())
      try {
        return await work(provider)
      } finally {
        await provider.close?.()
        say(provider)
      }
    }

    const read = (...paths: string[]) => using((provider) => provider.read(paths.map(request), context()))

    /** What a read that must fail fails with, thrown or as the answers. */
    async function failures(
      provider: Provider,
      paths: string[],
      signal?: AbortSignal,
    ): Promise<ReadResult[]> {
      try {
        const results = await provider.read(paths.map(request), context(signal))
        for (const result of results) if (result instanceof Error) say(result)
        return [...results]
      } catch (error) {
        say(error)
        expect(error, 'what is thrown must be a SecretsError').toBeInstanceOf(SecretsError)
        return paths.map(() => error as SecretsError)
      }
    }

    beforeAll(() => suite.seed(Object.fromEntries(documents)))

    it('says what it is', () =>
      using(async (provider) => {
        expect(provider.type).toMatch(/./)
        expect(provider.location).toMatch(/./)
        if (provider.settings)
          expect(JSON.parse(JSON.stringify(provider.settings))).toEqual(provider.settings)
      }))

    it('reads one', async () => {
      expect(await read(first)).toMatchObject([answer(first)])
    })

    it('reads many in the order of the requests', async () => {
      const paths = [...plain].reverse()
      expect(await read(...paths)).toMatchObject(paths.map(answer))
    })

    it('answers nothing to no requests', async () => {
      expect(await read()).toEqual([])
    })

    it('answers the same request twice', async () => {
      expect(await read(first, second, first)).toMatchObject([answer(first), answer(second), answer(first)])
    })

    it('answers undefined for what is not there', async () => {
      expect(await read(missing())).toEqual([undefined])
    })

    it('reads what is there among what is not', async () => {
      const results = await read(first, missing(), second, missing())
      expect(results).toMatchObject([answer(first), undefined, answer(second), undefined])
    })

    for (const each of suite.oddPaths ?? [])
      it(`reads ${JSON.stringify(each)}`, async () => {
        expect(await read(each)).toMatchObject([answer(each)])
      })

    if (odd.length > 0)
      it('keeps odd values as they are', async () => {
        const paths = odd.map(([each]) => each)
        expect(await read(...paths)).toMatchObject(paths.map(answer))
      })

    it('reads concurrently', () =>
      using(async (provider) => {
        const paths = [first, second, third, first, second, third]
        const results = await Promise.all(paths.map((each) => provider.read([request(each)], context())))
        expect(results).toMatchObject(paths.map((each) => [answer(each)]))
      }))

    it('gives equal stamps for equal content', () =>
      using(async (provider) => {
        const stamps = async () =>
          (await provider.read(plain.map(request), context())).map((result) =>
            result && !(result instanceof Error) ? result.version : result,
          )
        expect(await stamps()).toEqual(await stamps())
      }))

    it('does not start for a caller that has gone', () =>
      using(async (provider) => {
        const [error] = await failures(provider, [first], AbortSignal.abort())
        expect(error).toMatchObject({ code: 'ABORTED' })
      }))

    it('does not start after the deadline', () =>
      using(async (provider) => {
        const over = AbortSignal.abort(new DOMException('over', 'TimeoutError'))
        const [error] = await failures(provider, [first], over)
        expect(error).toMatchObject({ code: 'TIMEOUT' })
      }))

    it('accepts what it can read', () =>
      using(async (provider) => {
        for (const each of documents.keys()) {
          const reference = { ...request(each), provider: suite.name, field: undefined, source: each }
          expect(provider.validate?.(reference), each).toBeUndefined()
        }
      }))

    it('can be closed, also twice', () =>
      using(async (provider) => {
        await provider.read([request(first)], context())
        await provider.close?.()
        await provider.close?.()
        if (suite.afterClose === 'throws') {
          const [error] = await failures(provider, [first])
          expect(error).toBeInstanceOf(SecretsError)
        } else expect(await provider.read([request(first)], context())).toMatchObject([answer(first)])
      }))

    it('writes, lists and removes, where it can', () =>
      using(async (provider) => {
        if (!provider.write) return
        const at = path(random('writtenx'))
        const values = [random('cnry'), random('cnry')] as const
        for (const value of values) {
          documents.set(at, value)
          await provider.write({ path: at, value }, context())
          expect(await provider.read([request(at)], context())).toMatchObject([answer(at)])
        }
        if (provider.list) {
          const listed = await provider.list('', context())
          expect(listed.map((entry) => entry.path)).toContain(at)
          say(listed)
        }
        if (!provider.remove) return
        expect(await provider.remove({ path: at }, context())).toBe(true)
        const [gone] = await failures(provider, [at])
        if (gone !== undefined) expect(CONDITIONS.deleted.codes).toContain((gone as SecretsError).code)
        expect(await provider.remove({ path: path(random('missingx')) }, context())).toBe(false)
      }))

    testHistory({
      versionsTogether: suite.versionsTogether ?? false,
      using,
      context,
      say,
      fresh: (prefix) => path(random(prefix)),
      canary() {
        const value = random('cnry')
        written.push(value)
        return value
      },
      seeded: plain,
    })

    it('diagnoses without throwing', () =>
      using(async (provider) => {
        if (!provider.check) return
        const good = await provider.check([request(first)], context())
        expect(good.filter((line) => !line.ok)).toEqual([])
        const bad = await provider.check([request(first), request(missing())], context())
        expect(bad.some((line) => !line.ok)).toBe(true)
        say([good, bad])
      }))

    for (const [condition, make] of Object.entries(suite.broken ?? {})) {
      const { codes, transient } = CONDITIONS[condition as BrokenCondition]
      it(`tells when it is ${condition}`, async () => {
        const broken = await make()
        await using(async (provider) => {
          const signal = condition === 'slow' ? AbortSignal.timeout(500) : undefined
          const at = broken.path ?? first
          const paths = condition === 'deleted' ? [first, at, second] : [at]
          const results = await failures(provider, paths, signal)
          const error = results[paths.indexOf(at)]
          expect(error).toBeInstanceOf(SecretsError)
          expect(broken.codes ?? codes).toContain((error as SecretsError).code)
          expect((error as SecretsError).transient).toBe(transient)
          if (condition === 'deleted') {
            const others = results.filter((_, index) => paths[index] !== at)
            expect(others, 'one deleted document must not take the others along').toMatchObject([
              answer(first),
              answer(second),
            ])
          }
          if (!provider.check || condition === 'slow') return
          const lines = await provider.check([request(at)], context())
          say(lines)
          expect(lines.some((line) => !line.ok)).toBe(true)
        }, broken.provider)
      })
    }

    afterAll(() => {
      const forbidden = typeof suite.forbidden === 'function' ? suite.forbidden() : (suite.forbidden ?? [])
      const values = [...documents.values(), ...written, ...forbidden].filter((value) => value.length >= 8)
      const told = said.filter((text) => values.some((value) => text.includes(value)))
      expect(told.length, 'an error, a debug line or the provider holds a value or a credential').toBe(0)
    })
  })
}
