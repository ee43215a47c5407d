import { createHmac } from 'node:crypto'
import type { Places } from './cold.ts'
import { reasonNotToScan } from './common.ts'
import { Content } from './content.ts'
import { Doubts } from './doubt.ts'
import { embeddedIn } from './embedded.ts'
import { NeedleFilter } from './filter.ts'
import { bytesOf, needlesOf } from './needles.ts'
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
  const doubts = once(() => new Doubts(needles))
  const forms = once(() => needles.map(bytesOf))
  // Tables, which a build needs only where there is a doubt.
  const filter = once(() => {
    const hex = needles.flatMap(({ owners }, index) => (owners[0]?.encoding === 'hex' ? [index] : []))
    return new NeedleFilter(forms(), new Set(hex))
  })
  const view = once(() => {
    const text = needles.map((needle) => needle.text)
    return new UnescapedView(filter, { forms: forms(), text, find: (bytes) => doubts().places(bytes) })
  })

  const rawMatches = (bytes: Uint8Array, matches: Match[]): void => {
    const raw = new Map<number, number>()
    filter().search(bytes, bytes.length, (index, start) => {
      if (!underLimit(raw, index, MOST_HITS)) return
      const { owners, form } = needles[index]!
      for (const owner of owners) matches.push({ ...owner, start, end: start + form.length })
    })
  }

  const undoneMatches = (
    bytes: Uint8Array,
    where: { wraps: boolean; places: Places | undefined },
    matches: Match[],
  ): void => {
    const undone = new Map<number, number>()
    const wanted = (index: number) => needles[index]!.text && underLimit(undone, index, MOST_TRIES)
    view().search(bytes, { ...where, wanted }, (index, start, end, escaping) => {
      for (const { name, encoding } of needles[index]!.owners)
        matches.push({ name, encoding: encoding === 'plain' ? escaping : encoding, start, end })
    })
  }

  const matchesIn = (content: Content, isCode = false): { matches: Match[]; embedded: boolean } => {
    const { text } = content
    const matches: Match[] = []
    const wraps = !isCode
    if (text === undefined) {
      rawMatches(content.bytes, matches)
      undoneMatches(content.bytes, { wraps, places: undefined }, matches)
      return { matches, embedded: true }
    }
    const { form, embedded } = doubts().raw(text)
    if (form) rawMatches(content.bytes, matches)
    const places = doubts().undone(text, wraps)
    if (places) undoneMatches(content.bytes, { wraps, places }, matches)
    return { matches, embedded }
  }

  const scanAt = (content: Content, asset: string, depth: number): Finding[] => {
    const { matches, embedded } = matchesIn(content, CODE.test(asset))
    const findings = matches.length === 0 ? [] : toFindings(matches, content.bytes, asset)
    if (depth === DEEPEST || !embedded) return findings
    for (const inner of embeddedIn(content.bytes))
      findings.push(...scanAt(new Content(inner.bytes), `${asset} (${inner.label})`, depth + 1))
    return findings
  }

  const ends = once(() => new Ends(forms()))

  return {
    unscannable,
    get reach() {
      return ends().reach
    },
    held: (bytes) => ends().held(bytes),
    redact: (text) => nameWithout(matchesIn(new Content(text)).matches, text),
    fingerprint(name, key) {
      // Two secrets may have one dot key: a change of either is a change.
      const texts = scannable.filter((value) => value.name === name).map(({ text }) => text.trim())
      return createHmac('sha256', key).update(JSON.stringify(texts.sort())).digest('hex')
    },
    scan(content, asset) {
      if (needles.length === 0) return []
      const { matches: inName } = matchesIn(new Content(asset))
      if (inName.length === 0) return scanAt(new Content(content), asset, 0)
      const safe = nameWithout(inName, asset)
      const names = new Set(inName.map((match) => match.name))
      const named = [...names].map(
        (name): Finding => ({ name, asset: safe, line: 1, column: 1, encoding: 'file name' }),
      )
      return [...named, ...scanAt(new Content(content), safe, 0)]
    },
  }
}

/** Made when it is first needed. */
function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

function underLimit(counts: Map<number, number>, index: number, limit: number): boolean {
  const count = counts.get(index) ?? 0
  counts.set(index, count + 1)
  return count < limit
}
