import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { createScanner, type Encoding, type Finding, formatFindings } from '../src/core/scan/index.ts'
import { canariesIn, canary } from './support/canary.ts'

const used: string[] = []
const said: string[] = []

/** Scans text or bytes for one value, or for several by name. */
function scan(
  content: string | Uint8Array,
  values: string | Record<string, string>,
  asset = 'a.js',
): Finding[] {
  const named = typeof values === 'string' ? { V: values } : values
  used.push(...Object.values(named))
  const scanner = createScanner(Object.entries(named).map(([name, text]) => ({ name, text })))
  const findings = scanner.scan(typeof content === 'string' ? Buffer.from(content) : content, asset)
  said.push(formatFindings(findings), JSON.stringify(findings), JSON.stringify(scanner.unscannable))
  return findings
}

function encodings(content: string | Uint8Array, values: string | Record<string, string>): Encoding[] {
  return scan(content, values).map((finding) => finding.encoding)
}

const NASTY = `${randomBytes(4).toString('hex')}Zq7"k'\\w<9>\${x}\`&/é`
const UNICODE = `pässwörd-日本-😀-${randomBytes(4).toString('hex')}`
const PEM = `-----BEGIN PRIVATE KEY-----\n${randomBytes(240)
  .toString('base64')
  .match(/.{1,64}/g)
  ?.join('\n')}\n-----END PRIVATE KEY-----\n`
const PLAIN = canary()
const VALUES = { PLAIN, NASTY, UNICODE, PEM }

afterAll(() => {
  expect(
    canariesIn(
      said.join('\n'),
      used.filter((value) => value.trim().length >= 8),
    ),
  ).toEqual([])
})

const unicodeEscapes = (text: string) =>
  text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')

const FORMS: Record<
  string,
  { encode: (value: string) => string | Uint8Array; encoding: Encoding; skip?: number }
> = {
  plain: { encode: (value) => value, encoding: 'plain' },
  base64: { encode: (value) => Buffer.from(value).toString('base64'), encoding: 'base64' },
  'base64 after one byte': {
    encode: (value) => Buffer.from(`:${value}`).toString('base64'),
    encoding: 'base64',
    skip: 2,
  },
  'base64 after two bytes': {
    encode: (value) => Buffer.from(`u:${value}.`).toString('base64'),
    encoding: 'base64',
    skip: 3,
  },
  hex: { encode: (value) => Buffer.from(value).toString('hex'), encoding: 'hex' },
  'upper-case hex': { encode: (value) => Buffer.from(value).toString('hex').toUpperCase(), encoding: 'hex' },
  'mixed-case hex': {
    encode: (value) =>
      Buffer.from(value)
        .toString('hex')
        .replace(/[a-f]/g, (digit, at: number) => (at % 3 ? digit : digit.toUpperCase())),
    encoding: 'hex',
  },
  'utf-16 little endian': { encode: (value) => Buffer.from(value, 'utf16le'), encoding: 'utf-16' },
  'utf-16 big endian': { encode: (value) => Buffer.from(value, 'utf16le').swap16(), encoding: 'utf-16' },
  'byte list': { encode: (value) => JSON.stringify([...Buffer.from(value)]), encoding: 'byte list', skip: 1 },
  reversed: { encode: (value) => [...value].reverse().join(''), encoding: 'reversed' },
  'every byte in percent': {
    encode: (value) => Buffer.from(value).toString('hex').replace(/../g, '%$&'),
    encoding: 'percent',
  },
  '\\u of all': { encode: unicodeEscapes, encoding: 'escaped' },
  '\\u{…} of all': {
    encode: (value) => Array.from(value, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`).join(''),
    encoding: 'escaped',
  },
  '\\x of all': {
    encode: (value) =>
      Array.from(value, (char) => {
        const code = char.codePointAt(0) ?? 0
        return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
      }).join(''),
    encoding: 'escaped',
  },
  'decimal entities': {
    encode: (value) => Array.from(value, (char) => `&#${char.codePointAt(0)};`).join(''),
    encoding: 'html entities',
  },
  'hex entities': {
    encode: (value) => Array.from(value, (char) => `&#x${char.codePointAt(0)?.toString(16)};`).join(''),
    encoding: 'html entities',
  },
  'twice \\u': {
    encode: (value) => unicodeEscapes(value).replaceAll('\\', '\\\\'),
    encoding: 'escaped twice',
  },
  'percent twice': {
    encode: (value) => Buffer.from(value).toString('hex').replace(/../g, '%25$&'),
    encoding: 'escaped twice',
  },
}

describe('forms', () => {
  for (const [title, { encode, encoding, skip = 0 }] of Object.entries(FORMS)) {
    test.each(Object.keys(VALUES) as (keyof typeof VALUES)[])(`${title}: %s`, (name) => {
      const form = Buffer.from(encode(VALUES[name].trim()) as string)
      for (const [before, after] of [
        ['', ''],
        ['const a="', '";\nb()'],
      ] as const) {
        const content = Buffer.concat([Buffer.from(before), form, Buffer.from(after)])
        expect(scan(content, VALUES)).toEqual([
          { name, asset: 'a.js', line: 1, column: before.length + skip + 1, encoding },
        ])
      }
    })
  }

  const url = randomBytes(40).toString('base64')
  test('base64url differs where + and / would stand', () => {
    const value = `${'\u00ff\u00fe>>>???'}${url}`
    expect(encodings(Buffer.from(value).toString('base64url'), value)).toEqual(['base64url'])
  })

  test('what usual encoders leave of the awkward values', () => {
    const attribute = NASTY.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    expect(encodings(JSON.stringify(NASTY), NASTY)).toEqual(['escaped'])
    expect(encodings(JSON.stringify(JSON.stringify(NASTY)), NASTY)).toEqual(['escaped twice'])
    expect(encodings(JSON.stringify(JSON.stringify(JSON.stringify(PEM))), PEM)).toEqual(['escaped twice'])
    expect(encodings(encodeURIComponent(NASTY), NASTY)).toEqual(['percent'])
    expect(encodings(encodeURIComponent(encodeURIComponent(NASTY)), NASTY)).toEqual(['escaped twice'])
    expect(
      encodings(`<a title="${attribute.replaceAll('"', '&quot;').replaceAll("'", '&apos;')}">`, NASTY),
    ).toEqual(['html entities'])
    expect(encodings(JSON.stringify(PEM), PEM)).toEqual(['escaped'])
    expect(encodings(PEM.replaceAll('\n', '\r\n'), PEM)).toEqual(['plain'])
    const spaced = `two words & ${canary()}`
    expect(encodings(new URLSearchParams({ q: spaced }).toString(), spaced)).toEqual(['percent'])
    expect(encodings(spaced.replace(' words', '\\\n words'), spaced)).toEqual(['escaped'])
    const markdown = 'sk_live_ab12_cd34_ef56'
    expect(encodings(markdown.replaceAll('_', '\\_'), markdown)).toEqual(['escaped'])
  })

  test('base64 whose signs a URL has escaped', () => {
    const value = '>>>???>>>???>>>???'
    expect(encodings(encodeURIComponent(Buffer.from(value).toString('base64')), value)).toEqual(['base64'])
  })
})

describe('constants that are put together', () => {
  const [a, b, c] = [PLAIN.slice(0, 9), PLAIN.slice(9, 20), PLAIN.slice(20)] as [string, string, string]
  test.each([
    [`"${a}" + "${b + c}"`],
    [`'${a}'+"${b}" +\n      \`${c}\``],
    [`\`${a}\${"${b}"}${c}\``],
    [`\`${a}\${ '${b}' }\${\`${c}\`}\``],
    [`\`\${"${a}"}${b}\` + "${c}"`],
    [`"${[...PLAIN].join('" + "')}"`],
  ])('%#', (code) => {
    expect(scan(`x(${code})`, PLAIN)).toMatchObject([{ line: 1, encoding: 'concatenated' }])
    // In a map, in an `eval`.
    expect(encodings(JSON.stringify({ sourcesContent: [code] }), PLAIN)).toHaveLength(1)
    expect(encodings(JSON.stringify(JSON.stringify(code)), PLAIN)).toHaveLength(1)
  })

  test('with escapes in them, in base64', () => {
    const at = NASTY.indexOf('"') + 1
    const code = `${JSON.stringify(NASTY.slice(0, at))} + ${JSON.stringify(NASTY.slice(at))}`
    expect(encodings(code, NASTY)).toHaveLength(1)
    const base64 = Buffer.from(PEM).toString('base64')
    expect(encodings(`"${base64.slice(0, 99)}" + '${base64.slice(99)}'`, PEM)).toContain('base64')
  })

  test('a value that is written like one', () => {
    const value = `${PLAIN}" + "x' + 'y${PLAIN}\\`
    expect(encodings(value, value)).toEqual(['plain'])
    expect(encodings(JSON.stringify(value), value)).toEqual(['escaped'])
  })

  test('not what is put together with something else', () => {
    for (const code of [`"${a}" + x + "${b}${c}"`, `"${a}" - "${b}${c}"`, `["${a}", "${b}${c}"].join("")`])
      expect(encodings(code, PLAIN)).toEqual([])
  })
})

describe('base64 in lines', () => {
  const bytes = Buffer.concat([randomBytes(50), Buffer.from(PLAIN), randomBytes(70)])
  const wrapped = (width: number, end: string) =>
    (bytes.toString('base64').match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(end)
  test.each([64, 76])('of %i characters', (width) => {
    for (const end of ['\n', '\r\n', '\n    '])
      expect(scan(`cert: |\n    ${wrapped(width, end)}\n`, PLAIN, 'a.yaml')).toMatchObject([
        { encoding: 'base64' },
      ])
    // As a string, in a map.
    for (const end of ['\n', '\r\n']) {
      const code = JSON.stringify(`x\n${wrapped(width, end)}\n`)
      expect(scan(code, PLAIN, 'a.js')).toMatchObject([{ encoding: 'base64' }])
      expect(scan(JSON.stringify([code]), PLAIN, 'a.js.map')).toMatchObject([{ encoding: 'base64' }])
    }
  })
})

describe('parts of long values', () => {
  test('a line of a key alone', () => {
    const [, line = ''] = PEM.split('\n')
    expect(encodings(`x = '${line}'`, PEM)).toEqual(['pem line'])
    expect(encodings(`x = '${Buffer.from(`..${line}.`).toString('base64')}'`, PEM)).toEqual(['base64'])
  })

  test('a key inside a JSON document, and one whose line ends are written out', () => {
    const [, line = ''] = PEM.split('\n')
    const account = JSON.stringify(
      { type: 'service_account', private_key: PEM, auth_uri: 'https://a.example/x' },
      null,
      2,
    )
    expect(encodings(line, account)).toEqual(['pem line'])
    expect(encodings(line, PEM.trim().replaceAll('\n', '\\n'))).toEqual(['pem line'])
    expect(
      scan('-----BEGIN PRIVATE KEY-----\n  "type": "service_account",\n"https://a.example/x"', account),
    ).toEqual([])
  })

  test('the whole is reported once, not once a line', () => {
    expect(encodings(PEM, PEM)).toEqual(['plain'])
  })
})

describe('names and places', () => {
  test('one value under two names, a value inside another', () => {
    const inner = canary()
    const findings = scan(`a\n b = "x-${inner}-y"`, { A: inner, B: inner, C: `x-${inner}-y` })
    expect(findings.map(({ name, line, column }) => ({ name, line, column }))).toEqual([
      { name: 'C', line: 2, column: 7 },
      { name: 'A', line: 2, column: 9 },
      { name: 'B', line: 2, column: 9 },
    ])
  })

  test('lines and columns, also behind Windows line ends, wide characters and escapes', () => {
    expect(scan(`one\r\ntwo\r\n  é😀 ${PLAIN}`, PLAIN)).toMatchObject([{ line: 3, column: 7 }])
    expect(scan(`\n\n"\\n\\u00e9" + ${JSON.stringify(NASTY)}`, NASTY)).toMatchObject([
      { line: 3, column: 15 },
    ])
    expect(scan(`${PLAIN}\n${PLAIN}${PLAIN}\n`, PLAIN)).toMatchObject([
      { line: 1, column: 1 },
      { line: 2, column: 1 },
      { line: 2, column: PLAIN.length + 1 },
    ])
  })

  test('the first twenty places of a name, and all names', () => {
    const other = canary()
    const findings = scan(`${`${PLAIN}\n`.repeat(1000)}${other}`, { PLAIN, OTHER: other })
    expect(findings.map((finding) => finding.line)).toEqual([
      ...Array.from({ length: 20 }, (_, at) => at + 1),
      1001,
    ])
    expect(scan(`${JSON.stringify(NASTY)}\n`.repeat(1000), NASTY)).toHaveLength(20)
  })

  test('at the start, at the end, next to one another, in the midst of long runs', () => {
    for (const content of [
      PLAIN,
      `a${PLAIN}`,
      `${PLAIN}a`,
      `${'a'.repeat(70_000)}${PLAIN}${'\0'.repeat(70_000)}`,
    ])
      expect(encodings(content, PLAIN)).toEqual(['plain'])
    expect(encodings(Buffer.alloc(0), PLAIN)).toEqual([])
    expect(encodings(PLAIN.slice(0, -1), PLAIN)).toEqual([])
    for (let size = 65_530; size < 65_545; size++)
      expect(scan('\\'.repeat(2 * size) + JSON.stringify(NASTY), NASTY)).toMatchObject([
        { column: 2 * size + 2 },
      ])
    const twice = JSON.stringify(JSON.stringify(NASTY))
    expect(scan(`${unicodeEscapes('k"'.repeat(9000))}${twice}`, NASTY)).toMatchObject([{ column: 108_004 }])
  })

  test('a value in the name of a file is found and not repeated', () => {
    const findings = scan(PLAIN, PLAIN, `assets/${PLAIN}.js`)
    expect(findings).toEqual([
      { name: 'V', asset: 'assets/[V].js', line: 1, column: 1, encoding: 'file name' },
      { name: 'V', asset: 'assets/[V].js', line: 1, column: 1, encoding: 'plain' },
    ])
  })

  test('inside a data URL, also inside another', () => {
    const map = JSON.stringify({ sources: ['a'], sourcesContent: [`x(${JSON.stringify(NASTY)})`] })
    const inner = `x()\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,${Buffer.from(map).toString('base64')}`
    expect(scan(inner, NASTY)).toMatchObject([
      { asset: 'a.js (inline source map)', line: 1, encoding: 'escaped twice' },
    ])
    const outer = `new Worker("data:text/javascript;base64,${Buffer.from(inner).toString('base64')}")`
    expect(scan(outer, NASTY)).toMatchObject([{ asset: 'a.js (data URL) (inline source map)' }])
  })
})

describe('values', () => {
  test('what would be found everywhere is listed, not looked for', () => {
    const words = [
      '',
      ' ',
      'x',
      'true',
      'short12',
      'production',
      'LOCALHOST',
      'http://localhost:3000',
      '12345678',
      'eu-central-1',
    ]
    words.push('xxxxxxxx', 'abababab', 'changeme', 'your-api-key', '10000000', '2024-01-31', ' padded ')
    const scanner = createScanner(words.map((text, at) => ({ name: `N${at}`, text })))
    expect(scanner.unscannable.map(({ name }) => name)).toEqual(words.map((_, at) => `N${at}`))
    expect(scanner.unscannable[0]?.reason).toBe('empty')
    expect(scanner.unscannable[3]?.reason).toMatch(/shorter than 8/)
    expect(scanner.unscannable[5]?.reason).toMatch(/common/)
    expect(scanner.scan(Buffer.from(words.join('\n')), 'a.js')).toEqual([])
  })

  test('what looks a little like a common word is looked for', () => {
    for (const value of [
      'my-Kq8sJ2xx',
      'production-9f3',
      'password-of-mine',
      '<a1b2c3d4>',
      '192.168.17.4',
      '48151623',
    ])
      expect(encodings(`"${value}"`, value)).toEqual(['plain'])
  })

  test('white space around a value does not count', () => {
    expect(encodings(`"${PLAIN}"`, `\n ${PLAIN}\r\n`)).toEqual(['plain'])
  })

  test('signs of regular expressions mean themselves', () => {
    expect(encodings('.*.*.*.*.*.* (a|b)+[^c]$ \\d\\d', '.*(a|b)+[^c]$\\d')).toEqual([])
    expect(encodings('x.*(a|b)+[^c]$\\dx', '.*(a|b)+[^c]$\\d')).toEqual(['plain'])
  })

  test('bytes that are no text, which travel in base64', () => {
    // Always with a slash: without one nothing would be escaped below.
    const value = `${randomBytes(24).toString('base64')}/${randomBytes(24).toString('base64')}`
    expect(encodings(`key="${value}"`, value)).toEqual(['plain'])
    expect(encodings(JSON.stringify({ key: value.replaceAll('/', '\\/') }), value)).toEqual(['escaped twice'])
  })

  test('a value of a megabyte', () => {
    const large = randomBytes(750_000).toString('base64')
    const scanner = createScanner([{ name: 'L', text: large }])
    for (const form of [large, unicodeEscapes(large), Buffer.from(large).toString('base64')])
      expect(scanner.scan(Buffer.from(`a${form}`), 'a.js')).toMatchObject([{ name: 'L', line: 1, column: 2 }])
    expect(scanner.scan(Buffer.from(large.slice(1)), 'a.js')).toEqual([])
  })

  test('a value that repeats itself, in a file that repeats it', () => {
    const unit = randomBytes(5).toString('hex')
    expect(scan(unit.repeat(100_000), unit.repeat(100))).toHaveLength(20)
  })
})

test('the report for people', () => {
  expect(formatFindings([])).toBe('')
  const text = formatFindings(scan(`${PLAIN}\n${JSON.stringify(NASTY)}`, VALUES, 'assets/index.js'))
  expect(text).toContain('2 server-only secrets found in 2 places:')
  expect(text).toMatch(/^ {2}PLAIN {2}assets\/index\.js:1:1 {2}plain$/m)
  expect(text).toMatch(/^ {2}NASTY {2}assets\/index\.js:2:2 {2}escaped$/m)
})
