import { SecretsError } from './errors.ts'
import { didYouMean } from './nearest.ts'
import { referenceError } from './reference.ts'

/**
 * `{{vault:NAME}}` and `{{vault:NAME.key.path}}` stand for another declared secret, whichever provider
 * holds it: the word `vault` means the whole of what is declared.
 */

const HINT = 'Write {{vault:NAME}} or {{vault:NAME.key}}.'

/** A piece of a template: text as it is, or the name that stands there. */
export type TemplatePart = string | { readonly alias: string; readonly index: number }

/**
 * @param owner whose template it is, for messages
 * @param strict whether every `{{` must be ours (declared templates) or others are left alone (values, files)
 * @throws SecretsError `TEMPLATE_INVALID`, pointing at the character; where `strict` is off by its number only,
 *   because the text around it is somebody's value
 */
export function parseTemplate(source: string, owner: string, strict = true): TemplatePart[] {
  const fail = (why: string, index: number): never => {
    if (!strict) {
      const line = source.slice(0, index).split('\n').length
      throw new SecretsError(
        'TEMPLATE_INVALID',
        `Cannot read the template in the value of ${owner}: ${why} (line ${line}, character ${index - source.lastIndexOf('\n', index - 1)}).`,
        { hint: HINT },
      )
    }
    // The line around the mistake only: a template can have many.
    const start = source.lastIndexOf('\n', index - 1) + 1
    const end = source.indexOf('\n', index)
    throw referenceError(
      'TEMPLATE_INVALID',
      `Cannot read the template of ${owner}: ${why}.`,
      source.slice(start, end === -1 ? undefined : end),
      index - start,
      HINT,
    )
  }
  const parts: TemplatePart[] = []
  let at = 0
  while (at < source.length) {
    let open = source.indexOf('{{', at)
    if (open === -1) break
    // Of `{{{` the last two open: the first is a brace of the text, as in `{{{vault:A}}: 1}`.
    while (source[open + 2] === '{') open++
    const inside = /^\{\{\s*vault:/.exec(source.slice(open, open + 64))
    if (!inside) {
      if (strict) fail('{{ is not followed by vault:', open)
      parts.push(source.slice(at, open + 2))
      at = open + 2
      continue
    }
    const close = source.indexOf('}}', open)
    if (close === -1) fail('{{ is never closed', open)
    const nameStart = open + inside[0].length
    const alias = source.slice(nameStart, close).trim()
    if (alias === '') fail('it names no secret', nameStart)
    const bad = alias.search(/[^\w$.-]/)
    if (bad !== -1)
      fail('a name is made of letters, digits, _, $, - and .', source.indexOf(alias, nameStart) + bad)
    if (open > at) parts.push(source.slice(at, open))
    parts.push({ alias, index: open })
    at = close + 2
  }
  if (at < source.length) parts.push(source.slice(at))
  return parts
}

/** The names that a template stands on. */
export function aliasesOf(parts: readonly TemplatePart[]): string[] {
  return parts.flatMap((part) => (typeof part === 'string' ? [] : [part.alias]))
}

/** Which declared name an alias means: itself, or the longest prefix of `NAME.key.path`. */
export function ownerOf(alias: string, isName: (name: string) => boolean): string | undefined {
  for (let end = alias.length; end > 0; end = alias.lastIndexOf('.', end - 1)) {
    const name = alias.slice(0, end)
    if (isName(name)) return name
  }
  return undefined
}

/**
 * Orders names so that each stands after those it needs.
 * @throws SecretsError `TEMPLATE_CYCLE`, with the circle written out
 */
export function orderByNeeds(needs: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (name: string): void => {
    if (done.has(name)) return
    const seen = path.indexOf(name)
    if (seen !== -1) {
      throw new SecretsError(
        'TEMPLATE_CYCLE',
        `Templates go in a circle: ${[...path.slice(seen), name].join(' → ')}.`,
        {
          hint: 'Take one of these names out of the template of the other.',
        },
      )
    }
    path.push(name)
    for (const needed of needs.get(name) ?? []) visit(needed)
    path.pop()
    done.add(name)
  }
  for (const name of needs.keys()) visit(name)
  return [...done].filter((name) => needs.has(name))
}

/** The template of `name` asks for something that is not there. */
export function unknownAlias(name: string, alias: string, known: Iterable<string>): SecretsError {
  return new SecretsError(
    'TEMPLATE_INVALID',
    `The template of ${name} names ${alias}, which is not declared.${didYouMean(alias, known)}`,
    { hint: 'Declare it under `secrets`, or mend the name.' },
  )
}
