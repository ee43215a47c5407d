import { inspect } from 'node:util'

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

  [inspect.custom](): string {
    return this.toString()
  }
}

/** Values shorter than this are not replaced in text: they would blot out half of what a person reads. */
const SHORTEST = 4

/** Replaces values in text that is about to be shown. */
export interface Redactor {
  apply(text: string): string
}

/** @param secrets longer values are replaced first, so that one inside another leaves no remainder; lines of long values count alone */
export function createRedactor(secrets: Iterable<Secret>): Redactor {
  const needles: [string, string][] = []
  for (const secret of secrets) {
    const text = secret.reveal()
    for (const part of new Set([text, JSON.stringify(text).slice(1, -1), ...text.split(/\r?\n/)])) {
      if (part.length >= SHORTEST) needles.push([part, secret.toString()])
    }
  }
  needles.sort(([a], [b]) => b.length - a.length)
  return {
    apply: (text) => needles.reduce((shown, [part, label]) => shown.replaceAll(part, () => label), text),
  }
}
