/** `inspect.custom`, without the module that has it: its import is a part of every start. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/**
 * A value on its way through the program. It prints as `[secret NAME]` wherever something prints it
 * (template strings, JSON, `console.log`, error messages) and gives its text only through `reveal()`,
 * so that every place that does is found by searching for that word.
 */
export class Secret {
  readonly name: string
  readonly #text: string

  constructor(name: string, text: string) {
    this.name = name
    this.#text = text
  }

  /** The value itself. For JSON documents and values that a schema made into something else: JSON text. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return `[secret ${this.name}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [INSPECT](): string {
    return this.toString()
  }
}

/** Values shorter than this are not replaced in text: they would blot out half of what a person reads. */
const SHORTEST = 4
/** Base64 of less stands in ordinary text by chance. */
const SHORTEST_BASE64 = 8

/** A text that must not be shown, and what is shown in its place. */
export interface RedactionNeedle {
  readonly text: string
  readonly label: string
}

/**
 * Every form in which a value is looked for: as it is, as a JSON string has it, each of its lines, and in
 * base64 wherever it may stand inside a longer encoded text. Longest first, each text once.
 */
export function redactionNeedles(secrets: Iterable<Secret>): RedactionNeedle[] {
  const needles = new Map<string, string>()
  for (const secret of secrets) {
    const text = secret.reveal()
    const label = secret.toString()
    const plain = [text, JSON.stringify(text).slice(1, -1), ...text.split(/\r?\n/)]
    const forms = [
      ...plain.filter((form) => form.length >= SHORTEST),
      ...(text.length < SHORTEST ? [] : base64Forms(text)),
    ]
    for (const form of forms) if (!needles.has(form)) needles.set(form, label)
  }
  return [...needles].map(([text, label]) => ({ text, label })).sort((a, b) => b.text.length - a.text.length)
}

/**
 * The characters that a value's own bits decide wholly, for each place it can have inside a longer encoded
 * text: behind 0, 1 or 2 bytes of a group of three (RFC 4648 section 4).
 */
export function base64Inside(bytes: Uint8Array): string[] {
  const padded = Buffer.alloc(2 + bytes.length)
  padded.set(bytes, 2)
  return [0, 1, 2].map((before) => {
    const encoded = padded.toString('base64', 2 - before)
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
  })
}

/** The same in the alphabet of URLs (RFC 4648 section 5). */
export function toUrlAlphabet(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}

function base64Forms(text: string): string[] {
  return base64Inside(Buffer.from(text))
    .flatMap((inner) => [inner, toUrlAlphabet(inner)])
    .filter((form) => form.length >= SHORTEST_BASE64)
}

/** A place of a needle in a text. */
export interface RedactionHit {
  readonly start: number
  readonly end: number
  readonly label: string
}

/** The order in which hits are taken: where two begin together, the longer one names the place. */
export function byPlace(a: RedactionHit, b: RedactionHit): number {
  return a.start - b.start || b.end - a.end
}

/** Replaces values in text that is about to be shown. */
export interface Redactor {
  apply(text: string): string
}

/**
 * Values that overlap are replaced together, by the name of the first, so that none leaves a remainder; what
 * was put in their place is not looked at again.
 */
export function createRedactor(secrets: Iterable<Secret>): Redactor {
  const needles = redactionNeedles(secrets)
  return {
    apply(text) {
      const hits: RedactionHit[] = []
      for (const { text: needle, label } of needles) {
        for (let start = text.indexOf(needle); start !== -1; start = text.indexOf(needle, start + 1))
          hits.push({ start, end: start + needle.length, label })
      }
      let shown = ''
      let at = 0
      for (const { start, end, label } of hits.sort(byPlace)) {
        if (start >= at) shown += text.slice(at, start) + label
        at = Math.max(at, end)
      }
      return shown + text.slice(at)
    },
  }
}
