import { createHmac } from 'node:crypto'
import { reasonNotToScan } from './common.ts'
import { embeddedIn } from './embedded.ts'
import { NeedleFilter } from './filter.ts'
import { needlesOf } from './needles.ts'
import { type Match, nameWithout, toFindings } from './report.ts'
import { Ends } from './stream.ts'
import type { Finding, Scanner, ScanValue, Unscannable } from './types.ts'
import { UnescapedView } from './view.ts'

/** A map in a module in an `eval` is two deep. */
const DEEPEST = 3

/** Where nobody breaks base64 into lines but in an escaped way, and where most of all bytes are. */
const CODE = /\.(?:[cm]?js|css|map)$/

/** How often one form of a value is followed up in one file: far more than is reported. */
const MOST_HITS = 50
/** The same in escaped text, where one place may be met in several ways. */
const MOST_TRIES = 80

/**
 * Prepares the search for values: once for many files.
 * @param values values that must not be found; the same value may have several names.
 */
export function createScanner(values: Iterable<ScanValue>): Scanner {
  const unscannable: Unscannable[] = []
  const scannable: ScanValue[] = []
  for (const value of values) {
    const reason = reasonNotToScan(value.text)
    if (reason === undefined) scannable.push(value)
    else unscannable.push({ name: value.name, reason })
  }
  const needles = needlesOf(scannable)
  const hex = needles.flatMap(({ owners }, index) => (owners[0]?.encoding === 'hex' ? [index] : []))
  const filter = new NeedleFilter(
    needles.map((needle) => needle.bytes),
    new Set(hex),
  )
  const view = new UnescapedView(filter, needles)

  const matchesIn = (given: Uint8Array, isCode = false): Match[] => {
    // One class for all that the inner loops see: Node's Buffer is another one, and both together are slow.
    const bytes = new Uint8Array(given.buffer, given.byteOffset, given.length)
    const matches: Match[] = []
    const raw = new Map<number, number>()
    filter.search(bytes, bytes.length, (index, start) => {
      if (!underLimit(raw, index, MOST_HITS)) return
      const { owners, bytes: form } = needles[index]!
      for (const owner of owners) matches.push({ ...owner, start, end: start + form.length })
    })
    const undone = new Map<number, number>()
    const wanted = (index: number) => needles[index]!.text && underLimit(undone, index, MOST_TRIES)
    view.search(bytes, { wanted, isCode }, (index, start, end, escaping) => {
      for (const { name, encoding } of needles[index]!.owners)
        matches.push({ name, encoding: encoding === 'plain' ? escaping : encoding, start, end })
    })
    return matches
  }

  const scanAt = (bytes: Uint8Array, asset: string, depth: number): Finding[] => {
    const findings = toFindings(matchesIn(bytes, CODE.test(asset)), bytes, asset)
    if (depth === DEEPEST) return findings
    for (const inner of embeddedIn(bytes))
      findings.push(...scanAt(inner.bytes, `${asset} (${inner.label})`, depth + 1))
    return findings
  }

  let ends: Ends | undefined
  const endsOf = (): Ends => {
    ends ??= new Ends(needles)
    return ends
  }

  return {
    unscannable,
    get reach() {
      return endsOf().reach
    },
    held: (bytes) => endsOf().held(bytes),
    redact: (text) => nameWithout(matchesIn(Buffer.from(text)), text),
    fingerprint(name, key) {
      // Two secrets may have one dot key: a change of either is a change.
      const texts = scannable.filter((value) => value.name === name).map(({ text }) => text.trim())
      return createHmac('sha256', key).update(JSON.stringify(texts.sort())).digest('hex')
    },
    scan(bytes, asset) {
      if (needles.length === 0) return []
      const inName = matchesIn(Buffer.from(asset))
      const safe = nameWithout(inName, asset)
      const names = new Set(inName.map((match) => match.name))
      const named = [...names].map(
        (name): Finding => ({ name, asset: safe, line: 1, column: 1, encoding: 'file name' }),
      )
      return [...named, ...scanAt(bytes, safe, 0)]
    },
  }
}

function underLimit(counts: Map<number, number>, index: number, limit: number): boolean {
  const count = counts.get(index) ?? 0
  counts.set(index, count + 1)
  return count < limit
}
