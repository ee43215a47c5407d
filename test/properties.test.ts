import { createSecretKey, randomBytes } from 'node:crypto'
import { parse as parseDotenv } from 'dotenv'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type CacheEntry, decodeEntries, encodeEntries } from '../src/core/cache/entries.ts'
import { type ConfigLayer, mergeLayers } from '../src/core/config/merge.ts'
import { deriveKey, type SealLabel } from '../src/core/crypto/keys.ts'
import { open, seal } from '../src/core/crypto/seal.ts'
import { parseDuration } from '../src/core/duration.ts'
import { SecretsError, type SecretsErrorCode } from '../src/core/errors.ts'
import { createRedactor, Secret } from '../src/core/redact.ts'
import { RedactStream } from '../src/core/redact-stream.ts'
import { canonicalReference, parseReference } from '../src/core/reference.ts'
import { parseTemplate } from '../src/core/template.ts'
import type { Duration, SecretsConfig } from '../src/core/types.ts'

// Properties of everything that reads what others wrote, more than 100,000 cases together.

const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom(
    ' ',
    '\u00a0',
    '\u2028',
    '\ufeff',
    '\0',
    '%',
    '%2',
    '%zz',
    '?#&=',
    'a:b',
    '__proto__',
    '..',
  ),
)
const filled = odd.filter((text) => text !== '')
/** Short texts of the pieces that a syntax is made of. */
const made = (...pieces: string[]) =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''))

/** What a parser makes of a text, or its own error; anything else fails the test. */
function attempt<T>(work: () => T, ...codes: SecretsErrorCode[]): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SecretsError && codes.includes(error.code)) return undefined
    throw error
  }
}

it('references: what is written is read as the same', () => {
  fc.assert(
    fc.property(
      filled,
      fc.dictionary(filled, filled, { maxKeys: 2 }),
      fc.option(filled, { nil: undefined }),
      (path, given, field) => {
        // Sorted, as every parsed reference has them.
        const options = Object.fromEntries(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1)))
        const text = canonicalReference({ provider: 'p', path, options, field, source: '' })
        const again = parseReference(text, 'X')
        if (again.path !== path || again.field !== field || canonicalReference(again) !== text)
          expect(again).toEqual({ path, field, options })
      },
    ),
    { numRuns: 20_000 },
  )
})

it('references: any text is one, or an error that names its owner', () => {
  const text = made('p', ':', '/', '?', '&', '=', '#', '%', '%41', '%C3', 'a', ' ', '\n', 'é', '.')
  fc.assert(
    fc.property(text, (source) => {
      const reference = attempt(() => parseReference(source, 'X'), 'REFERENCE_INVALID')
      if (!reference) return
      const canonical = canonicalReference(reference)
      expect(canonicalReference(parseReference(canonical, 'X'))).toBe(canonical)
    }),
    { numRuns: 20_000 },
  )
})

it('templates: no text is lost, and only names are names', () => {
  const text = made('{{', '}}', '{', '}', 'vault:', 'A', '.', ' ', '\n', '$&', '{{vault:A.b}}', 'é')
  fc.assert(
    fc.property(text, fc.boolean(), (source, isStrict) => {
      const parts = attempt(() => parseTemplate(source, 'X', isStrict), 'TEMPLATE_INVALID')
      if (!parts) return
      const written = parts.map((part) => (typeof part === 'string' ? part : `{{vault:${part.alias}}}`))
      // White space inside the braces is the only thing that may go.
      if (written.join('').replace(/\s/g, '') !== source.replace(/\s/g, ''))
        expect(written.join('')).toBe(source)
      for (const part of parts) if (typeof part !== 'string') expect(part.alias).toMatch(/^[\w$.-]+$/)
    }),
    { numRuns: 20_000 },
  )
})

it('dotenv: a quoted value is read as it was written', () => {
  const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,5}$/)
  // A backslash before the closing quote keeps dotenv from seeing it: no quotes can say such a value.
  const value = fc.string({ unit: fc.constantFrom(...'abc $#={}:ü"\'`\n'), maxLength: 10 })
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 3 }), (values) => {
      const lines = Object.entries(values).flatMap(([key, text]) => {
        // Double quotes give \n a meaning; the other two take everything as it stands.
        const quote = ["'", '`'].find((each) => !text.includes(each))
        return quote ? [[key, text, `${key}=${quote}${text}${quote}`] as const] : []
      })
      const read = parseDotenv(lines.map(([, , line]) => line).join('\n'))
      for (const [key, text] of lines) if (read[key] !== text) expect([key, read[key]]).toEqual([key, text])
    }),
    { numRuns: 12_000 },
  )
})

it('configuration layers: the last one that says something wins, name by name', () => {
  const name = fc.constantFrom('A', 'B', 'C', 'constructor')
  const config = fc.record(
    {
      secrets: fc.dictionary(name, fc.constantFrom('p:a', 'p:b', 'p:c'), { maxKeys: 3 }),
      providers: fc.dictionary(name, fc.record({ type: fc.constantFrom('x', 'y') }), { maxKeys: 2 }),
      client: fc.array(name, { maxLength: 2 }),
      timeout: fc.oneof(fc.nat(), fc.constant(undefined)),
      cache: fc.constantFrom(false as const, { ttl: 1 }, {}),
    },
    { requiredKeys: [] },
  )
  const kinds = ['repository', 'workspace', 'inline', 'profile'] as const
  fc.assert(
    fc.property(fc.array(config, { maxLength: 4 }), (configs) => {
      const layers = configs.map((each, index): ConfigLayer => {
        return { kind: kinds[index]!, source: `layer ${index}`, config: each as SecretsConfig }
      })
      const { config: merged, origins } = mergeLayers(layers)
      for (const key of ['client', 'timeout', 'cache'] as const) {
        const last = configs.findLastIndex((each) => each[key] !== undefined)
        expect(merged[key]).toEqual(last === -1 ? undefined : configs[last]![key])
        expect(origins.get(key)).toBe(last === -1 ? undefined : `layer ${last}`)
      }
      for (const key of ['secrets', 'providers'] as const) {
        const names = new Set(configs.flatMap((each) => Object.keys(each[key] ?? {})))
        expect(new Set(Object.keys(merged[key] ?? {}))).toEqual(names)
        for (const each of names) {
          const last = configs.findLastIndex((layer) => Object.hasOwn(layer[key] ?? {}, each))
          expect(merged[key]![each]).toBe(configs[last]![key]![each])
          expect(origins.get(`${key}.${each}`)).toBe(`layer ${last}`)
        }
      }
    }),
    { numRuns: 10_000 },
  )
})

const entry: fc.Arbitrary<CacheEntry> = fc.record(
  {
    kind: fc.constantFrom('text' as const, 'json' as const, 'bytes' as const),
    text: odd,
    version: odd,
    fetchedAt: fc.nat(),
  },
  { requiredKeys: ['kind', 'text', 'fetchedAt'] },
)

it('cache contents: what is written is read as the same, anything else is nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(odd, entry), { maxLength: 4 }), (pairs) => {
      const entries = new Map(pairs)
      expect(decodeEntries(encodeEntries(entries))).toEqual(entries)
    }),
    { numRuns: 6000 },
  )
  const pair = fc.array(fc.oneof(fc.jsonValue({ maxDepth: 2 }), entry), { maxLength: 3 })
  fc.assert(
    fc.property(
      fc.oneof(fc.jsonValue(), fc.record({ entries: fc.array(pair, { maxLength: 2 }) })),
      (content) => {
        const read = decodeEntries(Buffer.from(JSON.stringify(content)))
        for (const [key, { kind, text, fetchedAt }] of read ?? [])
          expect([typeof key, typeof kind, typeof text, typeof fetchedAt].join()).toBe(
            'string,string,string,number',
          )
      },
    ),
    { numRuns: 6000 },
  )
})

it('seals: give back any bytes, and nothing when a bit is another', () => {
  const label: SealLabel = { purpose: 'cache', scope: 'a scope' }
  const key = deriveKey(createSecretKey(randomBytes(32)), label)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(), fc.nat(7), fc.nat(), (plain, at, bit, length) => {
      const sealed = seal(plain, key, label)
      if (!open(sealed, key, label).equals(plain)) expect.unreachable()
      const changed = Buffer.from(sealed)
      changed[at % changed.length]! ^= 1 << bit
      for (const wrong of [changed, sealed.subarray(0, length % sealed.length)])
        expect(attempt(() => open(wrong, key, label), 'SEAL_BROKEN', 'KEY_MISSING')).toBeUndefined()
    }),
    { numRuns: 8000 },
  )
})

it('durations: a number of milliseconds, or an error', () => {
  const text = made('1', '0', '.', '5', 'ms', 's', 'm', 'h', 'd', ' ', '-', 'e', 'Infinity')
  fc.assert(
    fc.property(fc.oneof(text, fc.double(), fc.anything({ maxDepth: 1 })), (value) => {
      const ms = attempt(() => parseDuration(value as Duration, 'X'), 'CONFIG_INVALID')
      if (ms !== undefined && !(ms >= 0)) expect(value).toBe('not a duration')
    }),
    { numRuns: 10_000 },
  )
})

it('redaction: the same wherever the output is cut', async () => {
  const word = (max: number) =>
    fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '\n', '"', '='), maxLength: max })
  await fc.assert(
    fc.asyncProperty(
      fc.array(word(9), { maxLength: 3 }),
      fc.array(fc.oneof(word(9), fc.nat(2)), { maxLength: 6 }),
      fc.array(fc.nat(40), { maxLength: 6 }),
      async (values, parts, places) => {
        const secrets = values.map((value, index) => new Secret(`S${index}`, value))
        const bytes = Buffer.from(
          parts.map((part) => (typeof part === 'number' ? (values[part] ?? '') : part)).join(''),
        )
        const stream = new RedactStream(secrets)
        const out: Buffer[] = []
        stream.on('data', (chunk: Buffer) => out.push(chunk))
        const cuts = [0, ...places.map((at) => Math.min(at, bytes.length)).sort((a, b) => a - b)]
        for (const [index, start] of cuts.entries()) stream.write(bytes.subarray(start, cuts[index + 1]))
        await new Promise<void>((resolve) => stream.end(resolve))
        expect(Buffer.concat(out).toString()).toBe(createRedactor(secrets).apply(bytes.toString()))
      },
    ),
    { numRuns: 4000 },
  )
})
