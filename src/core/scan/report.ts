import type { Encoding, Finding } from './types.ts'

/** How many places of one name are reported in one asset. */
const MOST = 20

/** Something found, by offset. */
export interface Match {
  readonly name: string
  readonly encoding: Encoding
  readonly start: number
  readonly end: number
}

/** The plainest first: where one place reads in several ways, that is how it is reported. */
const PLAINNESS: readonly Encoding[] = [
  'plain',
  'escaped',
  'html entities',
  'percent',
  'escaped twice',
  'concatenated',
  'base64',
  'base64url',
  'hex',
  'utf-16',
  'byte list',
  'reversed',
  'pem line',
]

/** One finding for each place of a name: of matches inside one another the longest, of equal ones the plainest. */
export function toFindings(matches: Match[], bytes: Uint8Array, asset: string): Finding[] {
  matches.sort(
    (a, b) =>
      a.start - b.start || b.end - a.end || PLAINNESS.indexOf(a.encoding) - PLAINNESS.indexOf(b.encoding),
  )
  const seen = new Map<string, { end: number; count: number }>()
  const place = places(bytes)
  const findings: Finding[] = []
  for (const { name, encoding, start, end } of matches) {
    const known = seen.get(name)
    if (known !== undefined && (end <= known.end || known.count === MOST)) continue
    seen.set(name, { end, count: (known?.count ?? 0) + 1 })
    findings.push({ name, asset, ...place(start), encoding })
  }
  return findings
}

/** A file's name for messages, with `[NAME]` in the place of values that were found in it. */
export function nameWithout(matches: readonly Match[], asset: string): string {
  const bytes = Buffer.from(asset)
  let shown = ''
  let at = 0
  for (const { name, start, end } of matches.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (start >= at) shown += `${bytes.toString('utf8', at, start)}[${name}]`
    at = Math.max(at, end)
  }
  return shown + bytes.toString('utf8', at)
}

/** Turns offsets, which must come in order, into lines and columns. */
function places(bytes: Uint8Array): (offset: number) => { line: number; column: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let line = 1
  let lineStart = 0
  return (offset) => {
    for (
      let end = buffer.indexOf(10, lineStart);
      end !== -1 && end < offset;
      end = buffer.indexOf(10, lineStart)
    ) {
      line++
      lineStart = end + 1
    }
    return { line, column: buffer.toString('utf8', lineStart, offset).length + 1 }
  }
}

/** Findings for a terminal: a table, and what to do. Empty for none. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return ''
  const rows = findings.map(({ name, asset, line, column, encoding, origin }) => [
    name,
    encoding === 'file name' ? asset : `${asset}:${line}:${column}`,
    encoding,
    origin ? `from ${origin.source}:${origin.line}:${origin.column}` : '',
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const table = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
  const names = new Set(findings.map((finding) => finding.name))
  const title = `${count(names.size, 'server-only secret')} found in ${count(findings.length, 'place')}:`
  return [
    title,
    ...table,
    'Find out how the value came there: an import in client code, a `define`, a prerendered page, a copied file.',
    'If the files have left this machine, rotate the secret. If browsers may see it, add its name to `client`.',
  ].join('\n')
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}
