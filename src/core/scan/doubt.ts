import { Offsets, type Places } from './cold.ts'
import { MARK } from './embedded.ts'
import { PLACE } from './escape.ts'
import type { Needle } from './needles.ts'
import { OPEN, PLUS, WRAPPED } from './seams.ts'

/**
 * Keys, encodings and lists of bytes consist of these, in longer runs than code does: of most values every form has
 * such a run.
 */
const TOKEN = String.raw`[\w+/,-]`
const LONG = 24
/** Where a form has no long one. A data URL that is worth a look has one of this length, in any case. */
const SHORT = 16
/** Of which a form has one or the other: source maps have long runs, but of both together. */
const APART: readonly string[] = [String.raw`[\w+/-]`, String.raw`[\d,]`]
/** UTF-16 of what most values consist of. */
const WIDE = /(?:[^\0]\0){8}/

const HEX = /[\da-fA-F]{16}/

/** So many forms without such a run are searched for one by one. */
const MOST_OTHERS = 12

/** What a text may be made of whose escapes and seams, undone one to three times, make a needle; its own bytes apart. */
const ESCAPED = String.raw`\w\\%&;#{}"'\`$+/\- \t\r\n`
/** Of more text it is not asked which characters it has. */
const MOST_TEXT = 1 << 20
/** Farther around an escape nobody looks. */
const FARTHEST = 16

/**
 * Says of a text, a character for each byte, that it cannot hold a value, without tables and without a loop in JavaScript:
 * by patterns, which V8 makes machine code of at once. Whatever it doubts is searched.
 */
export class Doubts {
  readonly #size: number
  readonly #run: RegExp
  /** Of each form its first run, which is the form itself for most. */
  readonly #runs: string[] = []
  /** The same of hexadecimal ones, which are found in any case. */
  readonly #digits: string[] = []
  readonly #others: string[] = []
  readonly #place: RegExp

  constructor(needles: readonly Needle[]) {
    const narrow = needles.filter(({ form }) => !WIDE.test(form))
    const long = runOf(TOKEN, LONG)
    let runs = narrow.map((needle) => runIn(needle, long, LONG))
    const isLong = !runs.includes(undefined) && needles.every(({ form }) => form.length >= LONG)
    this.#size = isLong ? LONG : SHORT
    this.#run = isLong ? long : runOf(TOKEN, SHORT)
    if (!isLong) runs = narrow.map((needle) => runIn(needle, this.#run, SHORT))
    for (let index = 0; index < narrow.length; index++) {
      const { form, owners } = narrow[index]!
      const run = runs[index]
      if (run === undefined) this.#others.push(form)
      else if (owners[0]?.encoding === 'hex') this.#digits.push(run)
      else this.#runs.push(run)
    }
    this.#place = placeOf(needles.flatMap(({ form, text }) => (text ? [form] : [])))
  }

  /** @returns whether a form may stand in the text as it is, and whether a data URL may */
  raw(text: string): { readonly form: boolean; readonly embedded: boolean } {
    if (this.#others.length > MOST_OTHERS) return { form: true, embedded: text.includes(MARK) }
    const isJson = text.startsWith('{')
    const found = isJson
      ? APART.flatMap((char) => text.match(runOf(char, this.#size)) ?? [])
      : text.match(this.#run)
    const runs = [...new Set(found)]
    const embedded = isJson ? text.includes(MARK) : runs.some((run) => run.includes(MARK))
    return { form: this.#mayHold(text, runs), embedded }
  }

  #mayHold(text: string, runs: readonly string[]): boolean {
    if (this.#others.some((form) => text.includes(form))) return true
    if (text.includes('\0') && WIDE.test(text)) return true
    if (runs.length === 0) return false
    const joined = runs.join('\n')
    // Else the tables are cheaper.
    if (joined.length * (this.#runs.length + this.#digits.length) > text.length * 32 + 25e6) return true
    if (this.#runs.some((run) => joined.includes(run))) return true
    const hex = HEX.test(joined) ? joined.toLowerCase() : ''
    return hex !== '' && this.#digits.some((run) => hex.includes(run))
  }

  /** Where escapes and seams may be in a form. */
  places(text: string): Places {
    const pattern = this.#place
    const places = { escapes: new Offsets(), pluses: new Offsets(), opens: new Offsets() }
    pattern.lastIndex = 0
    while (pattern.test(text)) {
      const at = pattern.lastIndex - 1
      const sign = text[at]
      if (sign === '+') places.pluses.add(at)
      else if (sign === '$') places.opens.add(at)
      else places.escapes.add(at)
    }
    return places
  }

  /** @returns the places, if there are any or if base64 is broken into lines and that is asked for */
  undone(text: string, wraps: boolean): Places | undefined {
    const places = this.places(text)
    const some = !places.escapes.isEmpty || !places.pluses.isEmpty || !places.opens.isEmpty
    return some || (wraps && text.search(WRAPPED) !== -1) ? places : undefined
  }
}

/** A count in braces would be a slow loop. */
function runOf(char: string, length: number): RegExp {
  return new RegExp(`${char.repeat(length)}${char}*`, 'g')
}

/** A form's first run that has no commas, or only digits beside them. */
function runIn({ form, owners }: Needle, pattern: RegExp, size: number): string | undefined {
  pattern.lastIndex = 0
  const run = pattern.exec(form)?.[0]
  if (owners[0]?.encoding === 'byte list' || !run?.includes(',')) return run
  return run.split(',').find((part) => part.length >= size)
}

/**
 * A form that is written with escapes or seams is, with all of them, a run of its own characters and of those that
 * escapes and seams consist of, at least as long as the form. So a place counts only where such a run extends far
 * enough to one side. What opens a template counts anyway: its end may be far off.
 */
function placeOf(forms: readonly string[]): RegExp {
  const shortest = forms.reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY)
  const half = Math.min(FARTHEST, Math.ceil((shortest - 1) / 2))
  const all = forms.join('')
  const own = all.length > MOST_TEXT ? '[^]' : `[${ESCAPED}${charactersIn(all)}]`
  const side = own.repeat(half)
  return new RegExp(`(?:${PLACE}|${PLUS})(?:(?=${side})|(?<=${side}[^]))|${OPEN}`, 'g')
}

/** Those that escapes do not consist of, for a class of a pattern. */
function charactersIn(text: string): string {
  const own = new Set(text.match(new RegExp(`[^${ESCAPED}]`, 'g')))
  return Array.from(own, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')
}
