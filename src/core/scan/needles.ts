import { base64Inside, toUrlAlphabet } from '../redact.ts'
import type { Encoding, ScanValue } from './types.ts'

/** A byte string to look for, and what it would mean to find it. */
export interface Needle {
  /** A character for each byte. */
  readonly form: string
  /** Who is found when it is: several values may share a form. */
  readonly owners: { readonly name: string; readonly encoding: Encoding }[]
  /** Whether it is text that a minifier, JSON or HTML may have escaped. */
  text: boolean
}

/** Shorter lines and tokens of a value stand for nothing on their own. */
const SHORTEST_PART = 16

/** `-----BEGIN PRIVATE KEY-----`, brackets, and `key: value`, `"key": value`, `KEY=value`. */
const STRUCTURE = /^-----|^[-{}[\]()]|^["'\w.-]+\s*[:=]\s*[^\s=]/

/** Every form in which the values are looked for, each form once. */
export function needlesOf(values: readonly ScanValue[]): Needle[] {
  const needles = new Map<string, Needle>()
  /** @param form a character for each byte */
  const add = (name: string, encoding: Encoding, form: string, text = false) => {
    const known = needles.get(form)
    if (known === undefined) needles.set(form, { form, owners: [{ name, encoding }], text })
    else {
      known.text ||= text
      // The first encoding that is tried is the plainest.
      if (!known.owners.some((owner) => owner.name === name)) known.owners.push({ name, encoding })
    }
  }
  for (const { name, text } of values) {
    const whole = text.trim()
    for (const form of lineEndings(whole)) {
      const bytes = Buffer.from(form)
      add(name, 'plain', bytes.toString('latin1'), true)
      addBase64(bytes, (encoding, inner) => add(name, encoding, inner, true))
      add(name, 'hex', bytes.toString('hex'))
      // What escapes with `%` is undone by the unescaped view, except for a form's plus signs.
      if (form.includes(' ')) add(name, 'percent', asBytes(form.replaceAll(' ', '+')), true)
      const wide = Buffer.from(form, 'utf16le')
      add(name, 'utf-16', wide.toString('latin1'))
      add(name, 'utf-16', wide.swap16().toString('latin1'))
      add(name, 'byte list', bytes.join(','))
      add(name, 'reversed', asBytes([...form].reverse().join('')), true)
    }
    for (const part of partsOf(whole)) {
      const bytes = Buffer.from(part)
      add(name, 'pem line', bytes.toString('latin1'), true)
      addBase64(bytes, (encoding, inner) => add(name, encoding, inner, true))
    }
  }
  return [...needles.values()]
}

/** A value of several lines, as it is, and with the line ends that a template literal or a form gives it. */
function lineEndings(text: string): Iterable<string> {
  if (!text.includes('\n')) return [text]
  const unix = text.replaceAll('\r\n', '\n')
  return new Set([text, unix, unix.replaceAll('\n', '\r\n')])
}

function addBase64(bytes: Uint8Array, add: (encoding: Encoding, inner: string) => void): void {
  for (const inner of base64Inside(bytes)) {
    add('base64', inner)
    add('base64url', toUrlAlphabet(inner))
  }
}

/** A text's UTF-8, a character for each byte. */
function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Not a Buffer: inner loops that see two classes of bytes are slow. */
export function bytesOf({ form }: Needle): Uint8Array {
  return new Uint8Array(Buffer.from(form, 'latin1'))
}

/**
 * Lines of a value that has several, which would be a leak on their own: free text, and the opaque tokens
 * of structured text (a key in PEM, in JSON, in a kubeconfig). Not what every such document holds.
 */
function partsOf(text: string): Iterable<string> {
  if (!text.includes('\n') && !text.includes('\r') && !text.includes('\\n')) return []
  // A key in an environment variable often has its line ends written as `\n`.
  const lines = text
    .replaceAll('\\n', '\n')
    .replaceAll('\\r', '')
    .split(/[\r\n]+/)
  if (lines.length === 1) return []
  const free = lines.map((line) => line.trim()).filter((line) => !STRUCTURE.test(line))
  const tokens = lines.flatMap((line) => line.match(/[A-Za-z0-9+/_-]+={0,2}/g) ?? [])
  const opaque = tokens.filter((token) => /\d/.test(token) && /[a-z]/.test(token) && /[A-Z]/.test(token))
  return new Set([...free, ...opaque].filter((part) => part.length >= SHORTEST_PART))
}
