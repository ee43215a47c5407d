import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { ScanValue } from '../src/core/scan/types.ts'

/**
 * A process that has searched little asks patterns first whether a file can hold anything. Whatever the tables and
 * loops find that it uses later, the patterns must not rule out.
 */

const fresh = () => {
  vi.resetModules()
  return import('../src/core/scan/index.ts')
}

const chars = (set: string, minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...set), { minLength, maxLength }).map((list) => list.join(''))
const TOKEN = 'ABCXYZabcxyz0189_-'
const token = chars(TOKEN, 8, 50)
const line = chars(`${TOKEN}+/`, 40, 64)

/** Every kind of value that people have, and such as nobody has. */
const text = fc.oneof(
  token,
  chars('0123456789abcdef', 16, 64),
  chars('aB1,', 16, 60),
  chars('0123456789,', 16, 40),
  chars('aB1!"$%&/()=?\\`\'{}[]+~#<>|,;.:-_^ ', 8, 30),
  chars('aé€日😀\u0000\u0001\u007f\u00ff', 8, 20),
  chars('\u0001\u0002\n\t ', 10, 12),
  token.map((password) => `postgres://app:${password}@db.internal:5432/app?ssl=true`),
  token.map((part) =>
    JSON.stringify({ id: 7, private_key: part, 'token uri': 'https://a.example/t' }, null, 2),
  ),
  fc
    .array(line, { minLength: 2, maxLength: 5 })
    .map((lines) => `-----BEGIN KEY-----\n${lines.join('\n')}\n-----END KEY-----`),
  fc.array(line, { minLength: 2, maxLength: 3 }).map((lines) => lines.join('\\n')),
  fc.array(token, { minLength: 2, maxLength: 4 }).map((words) => words.join(' ')),
  fc.string({ unit: 'binary', minLength: 8, maxLength: 40 }),
)

const wellFormed = (value: string) => value.replace(/\p{Surrogate}/gu, '\ufffd')
const inJson = (value: string) => JSON.stringify(value).slice(1, -1)
const percent = (bytes: Buffer) => bytes.toString('hex').replace(/../g, '%$&')
const divided = (value: string, joint: string, end = '"') => {
  const middle = value.length >> 1
  return `"${inJson(value.slice(0, middle))}${joint}${inJson(value.slice(middle))}${end}`
}
const base64 = (value: string, before = 0) => Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(value)])

/** How a value gets into a file: as bytes, a character for each. */
const WAYS: readonly ((value: string) => string)[] = [
  ...[
    (value: string) => value,
    inJson,
    (value: string) => inJson(inJson(value)),
    (value: string) => inJson(inJson(inJson(value))),
    (value: string) => Array.from(value, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`).join(''),
    (value: string) => Array.from(value, (char) => `&#x${char.codePointAt(0)!.toString(16)};`).join(''),
    (value: string) =>
      value.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[char] ?? '&quot;'),
    (value: string) => encodeURIComponent(wellFormed(value)),
    (value: string) => encodeURIComponent(wellFormed(value)).replaceAll('%20', '+'),
    (value: string) => percent(Buffer.from(value)),
    (value: string) => divided(value, '" + "'),
    (value: string) => divided(value, "' +\n        '"),
    (value: string) => divided(value, '${"', '"}`'),
    (value: string) => inJson(divided(value, '" +\n  "')),
    (value: string) => value.replace(/.{5}/gs, '$&\\\n'),
    (value: string) => [...value].reverse().join(''),
    (value: string) => value.replaceAll('\n', '\r\n'),
    (value: string) => value.split('\n')[1] ?? value,
  ].map((way) => (value: string) => Buffer.from(way(value)).toString('latin1')),
  ...[0, 1, 2].map((before) => (value: string) => `${base64(value, before).toString('base64')}`),
  ...[0, 1, 2].map((before) => (value: string) => `${base64(value, before).toString('base64url')}zz`),
  (value) => base64(value, 100).toString('base64').replace(/.{76}/g, '$&\n'),
  (value) => Buffer.from(value).toString('hex'),
  (value) => Buffer.from(value).toString('hex').toUpperCase(),
  (value) =>
    Buffer.from(value)
      .toString('hex')
      .replace(/[a-c]/g, (digit) => digit.toUpperCase()),
  (value) => Buffer.from(value, 'utf16le').toString('latin1'),
  (value) => Buffer.from(value, 'utf16le').swap16().toString('latin1'),
  (value) => `[${Buffer.from(value).join(',')}]`,
  (value) => `data:application/json;base64,${Buffer.from(`{"a":"${inJson(value)}"}`).toString('base64')}`,
]

/** What is around it: much of it nearly is a form, an escape or a seam. */
const around = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          '(',
          ';',
          ' ',
          '\n',
          ',',
          '"',
          "'",
          '`',
          '\\',
          '%',
          '&',
          '+',
          '${',
          '"}',
          '\0',
          '=',
          '\r\n',
          '\xe9',
        ],
        ...[
          'function thisNameIsLongerThanMost(a,b){return a.b(c)}',
          'split(/\\s+/)',
          'a&&b%c',
          "don\\'t do this",
        ],
        ...[
          'data:image/png;base64,iVBORw0KGgo',
          '1,2,3,4,5,6,7,8,9,10,11',
          '&amp;',
          '" + "',
          '0a1b2c3d4e5f60718293',
        ],
      ),
      chars(TOKEN, 1, 70),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

const sample = fc.array(text, { minLength: 1, maxLength: 4 }).chain((texts) =>
  fc.record({
    texts: fc.constant(texts),
    parts: fc.array(fc.tuple(around, fc.constantFrom(...texts), fc.constantFrom(...WAYS)), { maxLength: 2 }),
    tail: around,
    asset: fc.constantFrom('a.js', 'a.html', 'a.bin', 'a.js.map'),
    asText: fc.boolean(),
  }),
)

test('patterns rule nothing out that loops find', { timeout: 120_000 }, async () => {
  const later = await fresh()
  later
    .createScanner([{ name: 'V', text: randomBytes(16).toString('hex') }])
    .scan(Buffer.alloc(5 << 20, ' '), 'a.js')
  let found = 0
  // A process stays cold for some megabytes only.
  for (let round = 0; round < 25; round++) {
    const first = await fresh()
    fc.assert(
      fc.property(sample, ({ texts, parts, tail, asset, asText }) => {
        const values: ScanValue[] = texts.map((value, at) => ({ name: `N${at}`, text: value }))
        // Maps have patterns of their own.
        const start = asset === 'a.js.map' ? '{' : ''
        const content = start + parts.map(([before, value, way]) => before + way(value)).join('') + tail
        // Both a text that is read from its UTF-8 and bytes that are none.
        const given = asText ? content : Buffer.from(content, 'latin1')
        const expected = later.createScanner(values).scan(given, asset)
        found += expected.length
        expect(first.createScanner(values).scan(given, asset)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  }
  expect(found).toBeGreaterThan(500)
})
