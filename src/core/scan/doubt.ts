import { PLACE } from './escape.ts'
import type { Needle } from './needles.ts'
import { OPEN, PLUS, WRAPPED } from './seams.ts'

/** Runs that are rare in code, and of which every form of most values has one, at least this long. */
const RUN = 16
/** Any stretch of `RUN` holds one of its pieces whole, if they are counted from any place before it. */
const PIECE = RUN / 2

const TOKEN = String.raw`[\w+/-]`
const LIST = String.raw`[\d,]`
const WIDE = String.raw`(?:[^\0]\0)`

/** The tokens of keys and encodings, lists of bytes, UTF-16. A count in braces would be a slow loop. */
const RUNS: readonly RegExp[] = [
  new RegExp(`${TOKEN.repeat(RUN)}${TOKEN}*`, 'g'),
  new RegExp(`${LIST.repeat(RUN)}${LIST}*`, 'g'),
  new RegExp(`${WIDE.repeat(RUN / 2)}${WIDE}*`, 'g'),
]

/** So many forms without such a run are searched for one by one. */
const MOST_OTHERS = 12

/** What a text may be made of whose escapes and seams, undone one to three times, make a needle; its own bytes apart. */
const ESCAPED = String.raw`\w\\%&;#{}"'\`$+/\- \t\r\n`
/** Farther around an escape nobody looks. */
const FARTHEST = 16

/** Where escapes and seams are worth a look: see `Doubts`. */
export interface Places {
  readonly escape: RegExp
  readonly plus: RegExp
}

/**
 * Says of a text, a character for each byte, that it cannot hold a value, without tables and without a loop in JavaScript:
 * by patterns, which V8 makes machine code of at once. Whatever it doubts is searched.
 */
export class Doubts {
  /** All forms in small letters. */
  readonly #forms: string
  readonly #others: readonly string[]
  readonly #places: { any: RegExp } & Places

  constructor(needles: readonly Needle[]) {
    this.#forms = needles
      .map(({ form }) => form)
      .join('\n')
      .toLowerCase()
    this.#others = needles.flatMap(({ form }) => (RUNS.some((run) => form.search(run) !== -1) ? [] : [form]))
    const texts = needles.flatMap(({ form, text }) => (text ? [form] : []))
    this.#places = placesOf(texts)
  }

  get places(): Places {
    return this.#places
  }

  /** Whether a form may stand in the text as it is. */
  raw(text: string): boolean {
    const others = this.#others
    if (others.length > MOST_OTHERS || others.some((form) => text.includes(form))) return true
    const forms = this.#forms
    // A piece costs about a tenth as much as all forms have characters; then the tables are cheaper.
    let left = (text.length * 10 + 5e6) / forms.length
    for (const run of RUNS) {
      for (const found of text.match(run) ?? []) {
        for (let at = 0; at + PIECE <= found.length; at += PIECE) {
          // Hexadecimal digits are found in capitals as well.
          if (--left < 0 || forms.includes(found.slice(at, at + PIECE).toLowerCase())) return true
        }
      }
    }
    return false
  }

  /** Whether an escape or a seam may stand in a form. @param wraps whether base64 in lines counts */
  undone(text: string, wraps: boolean): boolean {
    return text.search(this.#places.any) !== -1 || (wraps && text.search(WRAPPED) !== -1)
  }
}

/**
 * A form that is written with escapes or seams is, with all of them, a run of its own characters and of those that
 * escapes and seams consist of, at least as long as the form. So a place counts only where such a run extends far
 * enough to one side. What opens a template counts anyway: its end may be far off.
 */
function placesOf(forms: readonly string[]): { any: RegExp } & Places {
  const shortest = forms.reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY)
  const half = Math.min(FARTHEST, Math.ceil((shortest - 1) / 2))
  const own = new Set(forms.join('').match(new RegExp(`[^${ESCAPED}]`, 'g')))
  const codes = Array.from(own, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  const side = `[${ESCAPED}${codes.join('')}]`.repeat(half)
  const near = `(?:(?=${side})|(?<=${side}[^]))`
  const escaped = `(?:${PLACE})${near}`
  const plus = `${PLUS}${near}`
  return {
    any: new RegExp(`${escaped}|${plus}|${OPEN}`),
    escape: new RegExp(escaped, 'g'),
    plus: new RegExp(plus, 'g'),
  }
}
