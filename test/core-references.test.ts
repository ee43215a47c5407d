import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAge, parseDuration } from '../src/core/duration.ts'
import { extract, inMode, isExact, leaves, pick } from '../src/core/extract.ts'
import { nearest } from '../src/core/nearest.ts'
import { canonicalReference, documentKey, parseReference } from '../src/core/reference.ts'
import { orderByNeeds, ownerOf, parseTemplate } from '../src/core/template.ts'
import type { Duration, Json } from '../src/core/types.ts'
import { failure, messages } from './support/core.ts'

const parse = (source: string) => parseReference(source, 'secrets.X')
const parts = (source: string) => {
  const { provider, path, options, field } = parse(source)
  return { provider, path, options, field }
}

describe('references', () => {
  it.each([
    ['vault:myapp/db#password', 'vault', 'myapp/db', {}, 'password'],
    ['local:STRIPE_KEY', 'local', 'STRIPE_KEY', {}, undefined],
    ['aws:prod/stripe?stage=AWSPREVIOUS#key', 'aws', 'prod/stripe', { stage: 'AWSPREVIOUS' }, 'key'],
    ['aws:a?version=3', 'aws', 'a', { version: '3' }, undefined],
    ['v:a?b=2&a=1&c=x=y#f.g.0', 'v', 'a', { a: '1', b: '2', c: 'x=y' }, 'f.g.0'],
    ['vault:team%20a/db#p%23w', 'vault', 'team a/db', {}, 'p#w'],
    ['vault:50%25?x=%26%3D#%3F', 'vault', '50%', { x: '&=' }, '?'],
    ['vault:%C3%BCber/straße#schlüssel', 'vault', 'über/straße', {}, 'schlüssel'],
    [
      'aws:arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf#user:name',
      'aws',
      'arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf',
      {},
      'user:name',
    ],
    ['vault_2-b:a&b=c', 'vault_2-b', 'a&b=c', {}, undefined],
  ] as const)('%s', (source, provider, path, options, field) => {
    expect(parts(source)).toEqual({ provider, path, options, field })
  })

  it('writes any path, options and field so that reading it gives the same', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
    const odd = fc.oneof(
      text,
      fc.constantFrom(' ', '\u00a0', '\u2028', '\ufeff', '%', '%2', '?#&=', 'a:b', '__proto__'),
    )
    fc.assert(
      fc.property(
        odd,
        fc.dictionary(odd, odd, { maxKeys: 3 }),
        fc.option(odd, { nil: undefined }),
        (path, options, field) => {
          const made = { provider: 'p', path, options: { ...options }, field, source: '' }
          const again = parse(canonicalReference(made))
          expect(again.path).toBe(path)
          expect(again.field).toBe(field)
          expect(Object.entries(again.options).sort()).toEqual(Object.entries(options).sort())
          expect(canonicalReference(parse(canonicalReference(again)))).toBe(canonicalReference(again))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('gives equal references one key, however they are written', () => {
    expect(canonicalReference(parse('v:a?y=2&x=1#f'))).toBe(canonicalReference(parse('v:%61?x=1&y=%32#%66')))
    expect(documentKey(parse('v:a#f'))).toBe(documentKey(parse('v:a#g')))
    expect(documentKey(parse('v:a?x=1'))).not.toBe(documentKey(parse('v:a?x=2')))
  })

  // The caret stands under the character that is wrong.
  it.each([
    ['myapp/db', '^', 'it names no provider'],
    [':a', '^', 'the provider name is empty'],
    ['my app:a', '  ^', 'a provider name is made of letters'],
    ['1v:a', '^', 'a provider name is made of letters'],
    ['a/b:c', ' ^', 'a provider name is made of letters'],
    ['vault:', '      ^', 'the path is empty'],
    ['vault:#a', '      ^', 'the path is empty'],
    ['vault:a b', '       ^', 'white space must be written as %20'],
    ['vault:a\tb', '       ^', 'white space must be written as %20'],
    ['vault:a\nb', '       ^', 'white space must be written as %20'],
    ['vault:a%zz', '       ^', '% must be followed by two hexadecimal digits'],
    ['vault:a%2', '       ^', '% must be followed by two hexadecimal digits'],
    ['vault:a%2#0', '       ^', '% must be followed by two hexadecimal digits'],
    ['vault:a%ff', '      ^', 'the percent-encoded bytes are not UTF-8'],
    ['vault:a?', '        ^', 'an option is written name=value'],
    ['vault:a?version', '        ^', 'an option is written name=value'],
    ['vault:a?version#x=1', '        ^', 'an option is written name=value'],
    ['vault:a?=1', '        ^', 'an option has no name'],
    ['vault:a?v=', '          ^', 'the option v has no value'],
    ['vault:a?v=1&', '            ^', 'an option is written name=value'],
    ['vault:a?v=1&v=2', '            ^', 'the option v stands twice'],
    ['vault:a?v=1?w=2', '           ^', '? stands twice'],
    ['vault:a#', '        ^', 'the field after # is empty'],
    ['vault:a#b#c', '         ^', '# stands twice'],
    ['vault:a#b?version=1', '         ^', '? stands behind #'],
  ])('%j points at the mistake', async (source, caret, why) => {
    const error = await failure(() => parse(source))
    expect(error.code).toBe('REFERENCE_INVALID')
    const [first, shown, pointer] = error.message.split('\n')
    expect(first).toContain('secrets.X')
    expect(first).toContain(why)
    expect(shown).toBe(`  ${source.replace(/\s/g, ' ')}`)
    expect(pointer).toBe(`  ${caret}`)
  })
})

describe('templates', () => {
  it('splits text and names', () => {
    expect(parseTemplate('https://{{vault:HOST}}/{{ vault:db.path.0 }}', 'X')).toEqual([
      'https://',
      { alias: 'HOST', index: 8 },
      '/',
      { alias: 'db.path.0', index: 23 },
    ])
    expect(parseTemplate('', 'X')).toEqual([])
    expect(parseTemplate('{{vault:A}}{{vault:$B-c}}', 'X')).toHaveLength(2)
    expect(parseTemplate('{"a":{{{vault:A}}}', 'X')).toEqual(['{"a":{', { alias: 'A', index: 6 }, '}'])
  })

  it('leaves what is not ours alone in values', () => {
    for (const text of ['{{ other }}', '{{', 'a {{{ b', '{{{{x}}}}', '{{vaults:A}}', '}}'])
      expect(parseTemplate(text, 'X', false).join('')).toBe(text)
    expect(parseTemplate('{{other}} {{vault:A}} {{more}}', 'X', false)).toEqual([
      '{{',
      'other}} ',
      { alias: 'A', index: 10 },
      ' {{',
      'more}}',
    ])
  })

  it.each([
    ['a {{b}}', '  ^', '{{ is not followed by vault:'],
    ['a {{vault:A', '  ^', '{{ is never closed'],
    ['a {{vault:}}', '          ^', 'it names no secret'],
    ['a {{vault: }}', '          ^', 'it names no secret'],
    ['{{vault:A B}}', '         ^', 'a name is made of letters'],
    ['{{vault:  A/B}}', '           ^', 'a name is made of letters'],
    ['first line\nx {{vault:A!}} y\nlast', '           ^', 'a name is made of letters'],
  ])('%j points at the mistake', async (source, caret, why) => {
    const error = await failure(() => parseTemplate(source, 'secrets.X'))
    expect(error.code).toBe('TEMPLATE_INVALID')
    const [first, shown, pointer, ...rest] = error.message.split('\n')
    expect(first).toContain(why)
    expect(source.split('\n')).toContain(shown!.slice(2))
    expect(pointer).toBe(`  ${caret}`)
    expect(rest).toEqual([])
  })

  it('tells the place and never the text of a value', async () => {
    const error = await failure(() => parseTemplate('one\npa55word@{{vault:HOST', 'X', false))
    expect(error.message).toContain('line 2, character 10')
    expect(error.shown).not.toContain('pa55word')
  })

  it('finds the declared name of an alias: the longest', () => {
    const names = new Set(['db', 'db.main', 'A'])
    const owner = (alias: string) => ownerOf(alias, (name) => names.has(name))
    expect(owner('A')).toBe('A')
    expect(owner('db.user')).toBe('db')
    expect(owner('db.main.user.0')).toBe('db.main')
    expect(owner('dbx.user')).toBeUndefined()
  })

  it('puts names behind what they need, and prints a circle', async () => {
    const order = orderByNeeds(new Map(Object.entries({ a: ['b', 'c'], b: ['c'], c: [], d: ['a', 'a'] })))
    expect(order).toEqual(['c', 'b', 'a', 'd'])
    const circle = async (needs: Record<string, string[]>) =>
      messages(await failure(() => orderByNeeds(new Map(Object.entries(needs)))))[0]
    expect(await circle({ a: ['a'] })).toContain('a → a.')
    expect(await circle({ x: ['a'], a: ['b'], b: ['c'], c: ['a'] })).toContain(': a → b → c → a.')
  })
})

describe('fields and modes', () => {
  const reference = parse('v:doc#f')
  const whole = parse('v:doc')

  it('takes a key before a dot path, and list positions', () => {
    const root: Json = { 'a.b': 1, a: { b: 2, c: [{ d: 'x' }] }, list: ['0'] }
    expect(pick(root, 'a.b')).toBe(1)
    expect(pick(root, 'a.c.0.d')).toBe('x')
    expect(pick(root, 'a.c.length')).toBeUndefined()
    expect(pick(root, 'constructor')).toBeUndefined()
    expect(pick(root, 'a.__proto__.x')).toBeUndefined()
    expect(leaves('n', root).map(([path]) => path)).toEqual(['n.a.b', 'n.a.b', 'n.a.c.0.d', 'n.list.0'])
  })

  it('reads text, bytes and objects', () => {
    expect(extract({ value: 'text' }, whole, 'X')).toEqual({ kind: 'text', text: 'text' })
    expect(extract({ value: new Uint8Array([0, 255]) }, whole, 'X')).toEqual({ kind: 'text', text: 'AP8=' })
    expect(extract({ value: { f: { g: 1 } } }, reference, 'X')).toEqual({ kind: 'json', text: '{"g":1}' })
    expect(extract({ value: '{"f":"x"}' }, reference, 'X')).toEqual({ kind: 'text', text: 'x' })
  })

  it.each([
    ['plain', 'WRONG_TYPE'],
    ['[1]', 'WRONG_TYPE'],
    [new Uint8Array([1]), 'WRONG_TYPE'],
    ['{}', 'FIELD_NOT_FOUND'],
  ] as const)('no field in %j: %s', async (value, code) => {
    expect((await failure(() => extract({ value }, reference, 'X'))).code).toBe(code)
  })

  it('gives numbers and flags as text, and never one that was rounded', async () => {
    const text = (value: Json) =>
      inMode(extract({ value: { f: value } }, reference, 'X'), 'plaintext', 'X', reference).text
    expect([text(42), text(true), text(1.5), text(-0.25)]).toEqual(['42', 'true', '1.5', '-0.25'])
    for (const written of ['12345678901234567890', '1e400']) {
      const value = JSON.parse(written) as number
      expect(isExact([{ value }])).toBe(false)
      expect((await failure(() => text(value))).message).toContain('more digits than')
      expect(
        (await failure(() => inMode({ kind: 'text', text: `[${written}]` }, 'json', 'X', whole))).code,
      ).toBe('WRONG_TYPE')
    }
    // The word "null" would be a password that anybody can guess.
    expect((await failure(() => text(null))).message).toContain('is null')
  })

  it('names the fields of a document that was meant in part', async () => {
    const object = { kind: 'json', text: '{"user":"u","pass":"p"}' } as const
    const error = await failure(() => inMode(object, 'plaintext', 'X', whole))
    expect(error.format()).toContain('user, pass')
    expect(error.format()).toContain('v:doc#user')
    expect(inMode(object, 'json', 'X', whole)).toEqual(object)
    expect((await failure(() => inMode({ kind: 'text', text: 'no' }, 'json', 'X', whole))).message).toContain(
      'is not JSON',
    )
  })
})

describe('durations and guesses', () => {
  it.each([
    [0, 0],
    [1500, 1500],
    [Infinity, Infinity],
    ['250ms', 250],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ] as const)('%s is %s ms', (value, ms) => {
    expect(parseDuration(value, 'x')).toBe(ms)
  })

  it.each([-1, Number.NaN, '5', '5 m', 'm', '-5m', '5M', '1e3s', '', null, {}])(
    '%j is none',
    async (value) => {
      expect((await failure(() => parseDuration(value as Duration, 'cache.ttl'))).message).toBe(
        'cache.ttl is not a duration.',
      )
    },
  )

  it('says ages for people', () => {
    const ages = [-5, 999, 1000, 59_999, 60_000, 3_600_000, 90_000_000, 172_800_000].map(formatAge)
    expect(ages).toEqual([
      '0 seconds',
      '0 seconds',
      '1 second',
      '59 seconds',
      '1 minute',
      '1 hour',
      '1 day',
      '2 days',
    ])
  })

  it('guesses what is near, and nothing else', () => {
    expect(nearest('clinet', ['client', 'cache'])).toBe('client')
    expect(nearest('DATABSE_URL', ['API_URL', 'DATABASE_URL'])).toBe('DATABASE_URL')
    expect(nearest('x', ['db', 'a'])).toBeUndefined()
    expect(nearest('', ['a'])).toBeUndefined()
    expect(nearest('zzz', ['vault'])).toBeUndefined()
  })
})
