import { SecretsError } from './errors.ts'
import type { Reference } from './types.ts'

/**
 * `provider:path[?options][#field]`. Reserved characters (`?`, `#`, `%`, white space) inside a part are
 * percent-encoded (RFC 3986 section 2.1), so that every name a place can hold can be written.
 */

/** An error whose text shows the reference with a caret under the character that is wrong. */
export function referenceError(
  code: 'REFERENCE_INVALID' | 'TEMPLATE_INVALID',
  what: string,
  source: string,
  index: number,
  hint?: string,
): SecretsError {
  // A tab or a line end would push the caret away from what it points at.
  const shown = source.replace(/\s/g, ' ')
  return new SecretsError(code, `${what}\n  ${shown}\n  ${' '.repeat(index)}^`, { hint })
}

/** What a reference can begin with, so what a provider may be called. */
export const PROVIDER_NAME = /^[A-Za-z][\w-]*$/

/** What almost every reference is: a provider, a path and perhaps a field, with nothing that stands for something else. */
const PLAIN = /^([A-Za-z][\w-]*):([^\s?#%]+)(?:#([^\s?#%]+))?$/

/**
 * @param source the reference as written
 * @param owner whose it is, for the message: `secrets.DATABASE_URL`
 * @throws SecretsError `REFERENCE_INVALID`, pointing at the character
 */
export function parseReference(source: string, owner: string): Reference {
  const plain = PLAIN.exec(source)
  if (!plain) return parseWhole(source, owner)
  const [, provider, path, field] = plain as unknown as [string, string, string, string | undefined]
  return { provider, path, options: {}, field, source }
}

/** Apart, so that a start without such a reference never compiles it. */
function parseWhole(source: string, owner: string): Reference {
  const fail = (why: string, index: number, hint?: string): never => {
    throw referenceError(
      'REFERENCE_INVALID',
      `Cannot read the reference of ${owner}: ${why}.`,
      source,
      index,
      hint,
    )
  }
  const colon = source.indexOf(':')
  if (colon === -1)
    fail('it names no provider', 0, 'Write provider:path#field, for example vault:myapp/db#url.')
  const provider = source.slice(0, colon)
  if (provider === '') fail('the provider name is empty', 0)
  if (!PROVIDER_NAME.test(provider)) {
    const bad = [...provider].findIndex((char, at) => !(at === 0 ? /[A-Za-z]/ : /[\w-]/).test(char))
    fail('a provider name is made of letters, digits, - and _', Math.max(bad, 0))
  }
  const space = source.search(/\s/)
  if (space !== -1) fail('white space must be written as %20', space)

  const hash = source.indexOf('#', colon)
  const beforeField = hash === -1 ? source.length : hash
  const mark = source.indexOf('?', colon)
  const query = mark !== -1 && mark < beforeField ? mark : -1
  const pathEnd = query === -1 ? beforeField : query

  const decode = (start: number, end: number): string => {
    for (let at = source.indexOf('%', start); at !== -1 && at < end; at = source.indexOf('%', at + 1)) {
      if (!/^%[0-9a-f]{2}$/i.test(source.slice(at, Math.min(at + 3, end)))) {
        fail('% must be followed by two hexadecimal digits', at, 'A percent sign itself is written %25.')
      }
    }
    try {
      return decodeURIComponent(source.slice(start, end))
    } catch {
      return fail('the percent-encoded bytes are not UTF-8', start)
    }
  }

  const path = decode(colon + 1, pathEnd)
  if (path === '') fail('the path is empty', colon + 1)

  const options: [string, string][] = []
  for (let at = query + 1; query !== -1 && at <= beforeField; ) {
    const next = source.indexOf('&', at)
    const end = next === -1 || next > beforeField ? beforeField : next
    const equals = source.indexOf('=', at)
    if (equals === -1 || equals >= end) fail('an option is written name=value', at)
    const name = decode(at, equals)
    if (name === '') fail('an option has no name', at)
    if (equals + 1 === end) fail(`the option ${name} has no value`, end)
    if (options.some(([known]) => known === name)) fail(`the option ${name} stands twice`, at)
    const again = source.indexOf('?', at)
    if (again !== -1 && again < end)
      fail('? stands twice', again, 'Options are joined by &; a ? itself is written %3F.')
    options.push([name, decode(equals + 1, end)])
    at = end + 1
  }

  let field: string | undefined
  if (hash !== -1) {
    const second = source.indexOf('#', hash + 1)
    if (second !== -1) fail('# stands twice', second, 'A # inside a name is written %23.')
    const late = source.indexOf('?', hash)
    if (late !== -1)
      fail('? stands behind #', late, 'Options come before the field; a ? inside a name is written %3F.')
    field = decode(hash + 1, source.length)
    if (field === '') fail('the field after # is empty', hash + 1)
  }
  options.sort(([a], [b]) => (a < b ? -1 : 1))
  return { provider, path, options: Object.fromEntries(options), field, source }
}

const encode = (part: string): string => part.replace(/[%?#&=\s]/g, (char) => encodeURIComponent(char))

/** The document a reference reads from, as one text: equal texts are one request. */
export function documentKey(reference: Pick<Reference, 'provider' | 'path' | 'options'>): string {
  const options = Object.entries(reference.options).map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return `${reference.provider}:${encode(reference.path)}${options.length > 0 ? `?${options.join('&')}` : ''}`
}

/** The one way to write a reference, which is the key of its value in the cache. */
export function canonicalReference(reference: Reference): string {
  return documentKey(reference) + (reference.field === undefined ? '' : `#${encode(reference.field)}`)
}
