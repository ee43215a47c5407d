import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { NeedleFilter } from '../src/core/scan/filter.ts'
import { createScanner } from '../src/core/scan/index.ts'

/** The same questions answered the slow and obvious way. */

const utf8 = (code: number) =>
  Buffer.from(String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0xfffd : code)).toString('latin1')

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const LETTERS: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', 0: '\0' }

/** Whole texts, as Latin-1 strings of UTF-8 bytes, with one kind of escape undone everywhere. */
const UNDO: readonly ((text: string) => string)[] = [
  (text) =>
    text.replace(
      /\\(?:x([\da-f]{2})|u([\da-f]{4})(?:\\u([\da-f]{4}))?|u\{([\da-f]{1,6})\}|(\r\n|[\s\S]))/gi,
      (all, byte, unit, second, point, char) => {
        if (char !== undefined) return /[\r\n]/.test(char) ? '' : (LETTERS[char] ?? char)
        if (point !== undefined) {
          const code = Number.parseInt(point, 16)
          return code > 0x10ffff ? all.slice(1) : utf8(code)
        }
        if (byte !== undefined) return utf8(Number.parseInt(byte, 16))
        const high = Number.parseInt(unit, 16)
        if (second === undefined) return utf8(high)
        const low = Number.parseInt(second, 16)
        if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000)
          return utf8(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        return utf8(high) + UNDO[0]?.(all.slice(6))
      },
    ),
  (text) =>
    text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,9})|#x([\da-f]{1,8}));/gi, (all, name, decimal, hex) => {
      if (name !== undefined) return NAMED[name] ?? all
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
      return code > 0x10ffff ? all : utf8(code)
    }),
  (text) => text.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
]

function readings(text: string, passes = 3): Set<string> {
  const all = new Set([text])
  if (passes > 0)
    for (const undo of UNDO) {
      const undone = undo(text)
      if (undone !== text) for (const reading of readings(undone, passes - 1)) all.add(reading)
    }
  return all
}

const hexOf = (char: string, digits: number) => (char.codePointAt(0) ?? 0).toString(16).padStart(digits, '0')
const ESCAPES: readonly ((char: string) => string)[] = [
  (char) => char,
  (char) => char,
  (char) => `\\${char}`,
  (char) => (char === '\n' ? '\\n' : char),
  (char) => `\\x${hexOf(char, 2)}`.slice(0, 4),
  (char) =>
    char
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  (char) => `\\u{${hexOf(char, 1)}}`,
  (char) => `&#x${hexOf(char, 1)};`,
  (char) => `&#${char.codePointAt(0)};`,
  (char) => Buffer.from(char).toString('hex').replace(/../g, '%$&'),
  (char) => (char === '&' ? '&amp;' : char === '"' ? '&quot;' : char),
  (char) => `\\\n${char}`,
]

/** Few characters, and those that escapes are made of: collisions are what is to be tried. */
const character = fc.constantFrom(...'ab14nux%&;#\\"\n{}é😀')
const value = fc
  .array(character, { minLength: 8, maxLength: 14 })
  .map((chars) => chars.join(''))
  .filter((text) => createScanner([{ name: 'V', text }]).unscannable.length === 0)

/** Escapes each character in a way of its own, up to three times over. */
const escaped = (text: string) =>
  fc
    .array(fc.array(fc.constantFrom(...ESCAPES), { minLength: 1, maxLength: 30 }), {
      minLength: 0,
      maxLength: 3,
    })
    .map((rounds) =>
      rounds.reduce(
        (now, ways) => Array.from(now, (char, at) => ways[at % ways.length]?.(char) ?? char).join(''),
        text,
      ),
    )
const noise = fc.array(fc.oneof(character, fc.constantFrom('\\n', '\\"', '%4', '\\\\', '&quot;', '\\u')), {
  maxLength: 20,
})

const sample = fc
  .array(value, { minLength: 1, maxLength: 3 })
  .chain((values) =>
    fc.record({
      values: fc.constant(values),
      parts: fc.array(fc.tuple(noise, fc.constantFrom(...values).chain(escaped)), {
        minLength: 1,
        maxLength: 3,
      }),
      tail: noise,
    }),
  )
  .map(({ values, parts, tail }) => ({
    values,
    content: [...parts.flatMap(([before, form]) => [...before, form]), ...tail].join(''),
  }))

describe('the scan agrees with undoing everything and looking for each value', () => {
  test('for escaped text', () => {
    fc.assert(
      fc.property(sample, ({ values, content }) => {
        const texts = [...readings(Buffer.from(content).toString('latin1'))]
        const scanner = createScanner(values.map((text, at) => ({ name: `N${at}`, text })))
        const found = new Set(scanner.scan(Buffer.from(content), 'a.js').map((finding) => finding.name))
        for (const [at, text] of values.entries()) {
          const needle = Buffer.from(text.trim()).toString('latin1')
          if (texts.some((reading) => reading.includes(needle))) expect(found).toContain(`N${at}`)
        }
      }),
      { numRuns: 4000 },
    )
  })

  test('for constants put together', () => {
    const joints = fc.constantFrom(...['" + "', '"+"', '" +\n\t"', '" + "" + "', '${"', '"}'])
    const divided = value.chain((text) =>
      fc.record({
        text: fc.constant(text),
        cuts: fc.array(fc.tuple(fc.nat(text.length), joints), { minLength: 1, maxLength: 5 }),
        twice: fc.boolean(),
      }),
    )
    fc.assert(
      fc.property(divided, ({ text, cuts, twice }) => {
        // What surrounds a value does not count, and may stand where an escaped template begins.
        fc.pre(text === text.trim())
        // A brace of the value's own next to a quote cannot be told from a template's without parsing.
        fc.pre(!/[{}]/.test(text) || !cuts.some(([, joint]) => /[{}]/.test(joint)))
        let code = '"'
        let at = 0
        let open = false
        for (const [cut, joint] of cuts.toSorted(([a], [b]) => a - b)) {
          code += JSON.stringify(text.slice(at, cut)).slice(1, -1)
          // A brace closes what another one opened.
          code += joint === '${"' || joint === '"}' ? (open ? '"}' : '${"') : joint
          if (joint === '${"' || joint === '"}') open = !open
          at = cut
        }
        code += `${JSON.stringify(text.slice(at)).slice(1, -1)}${open ? '"}' : ''}"`
        const scanner = createScanner([{ name: 'V', text }])
        const content = twice ? JSON.stringify(code) : code
        expect(scanner.scan(Buffer.from(content), 'a.js')).not.toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  test('for raw bytes, all places', () => {
    const bytes = (minLength: number, maxLength: number) =>
      fc
        .array(fc.integer({ min: 97, max: 99 }), { minLength, maxLength })
        .map((list) => Uint8Array.from(list))
    fc.assert(
      fc.property(
        fc.array(bytes(3, 12), { minLength: 1, maxLength: 8 }),
        bytes(0, 300),
        (needles, content) => {
          const found: string[] = []
          new NeedleFilter(needles).search(content, content.length, (needle, start) =>
            found.push(`${needle}@${start}`),
          )
          const expected: string[] = []
          for (const [index, needle] of needles.entries())
            for (
              let at = Buffer.from(content).indexOf(needle);
              at !== -1;
              at = Buffer.from(content).indexOf(needle, at + 1)
            )
              expected.push(`${index}@${at}`)
          expect(found.sort()).toEqual(expected.sort())
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('for bytes that are no text', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 40 }),
        fc.uint8Array({ maxLength: 400 }),
        (needle, content) => {
          const found: number[] = []
          const all = Buffer.concat([content, needle, content])
          new NeedleFilter([needle]).search(all, all.length, (_, start) => found.push(start))
          expect(found).toContain(content.length)
        },
      ),
      { numRuns: 500 },
    )
  })
})

test('a process that has searched much finds what one finds that has searched little', async () => {
  const fresh = async () => {
    vi.resetModules()
    return import('../src/core/scan/index.ts')
  }
  const values = [
    { name: 'A', text: 'Zq7"k%41w<9>x&/e' },
    { name: 'B', text: 'aaaabbbbaaaabbbbc' },
  ]
  const later = (await fresh()).createScanner(values)
  later.scan(Buffer.alloc(5 << 20, ' '), 'a.bin')
  const first = (await fresh()).createScanner(values)
  const parts = fc.constantFrom(
    ...[
      'Zq7',
      '"',
      '\\"',
      'k',
      '%41',
      '%25',
      '41',
      'w',
      '<9',
      '&lt;',
      '9>',
      'x&',
      '&amp;',
      '/e',
      '&',
      '&&',
      '\\x61mp;',
    ],
    ...[
      '%',
      '%%',
      '4',
      '\\',
      '\\\\',
      '#',
      ';',
      '" + "',
      "'+'",
      '`',
      '${',
      '${"',
      '"}',
      '+',
      ' ',
      '\n',
      'aaaa',
      'bbbb',
      'c',
    ],
  )
  const pieces = fc.array(parts, { maxLength: 60 })
  const whole = fc.constantFrom('', ...values.map(({ text }) => text))
  fc.assert(
    fc.property(pieces, whole, pieces, (before, value, after) => {
      const cut = value.length >> 1
      for (const joint of ['', '" + "', '\\\n']) {
        const text = [...before, value.slice(0, cut), joint, value.slice(cut), ...after].join('')
        const bytes = Buffer.from(text)
        expect(first.scan(bytes, 'a.js')).toEqual(later.scan(bytes, 'a.js'))
      }
    }),
    { numRuns: 2000 },
  )
})
