import { SecretsError } from './errors.ts'

/** A server secret, or the module of them, asked for by client code. */
export interface Denial {
  /** The name, or `undefined` when the whole server module was imported. */
  readonly name: string | undefined
  /** The module that asks, as an absolute path or id. */
  readonly module: string
  /** Where in its source; absent where the source is not at hand. */
  readonly place?: SourcePlace | undefined
}

export interface SourcePlace {
  readonly source: string
  /** Offset in `source`, UTF-16. */
  readonly start: number
}

/** The modules that import one. */
export type ImportersOf = (id: string) => Iterable<string>

/**
 * The shortest way from a module up to one that nothing imports (an entry), the module first. In a
 * circle without an entry: the module alone, which is still a denial.
 */
export function importChain(module: string, importersOf: ImportersOf): string[] {
  const from = new Map<string, string | undefined>([[module, undefined]])
  for (const id of from.keys()) {
    const importers = [...importersOf(id)]
    if (importers.length === 0) {
      // `from` leads from the entry back down to the module.
      const chain: string[] = []
      for (let at: string | undefined = id; at !== undefined; at = from.get(at)) chain.unshift(at)
      return chain
    }
    for (const importer of importers) if (!from.has(importer)) from.set(importer, id)
  }
  return [module]
}

export interface Position {
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

export function positionOf({ source, start }: SourcePlace): Position {
  const before = source.slice(0, start)
  return { line: before.split('\n').length, column: start - before.lastIndexOf('\n') }
}

/** The lines around a place, with a caret under it. */
export function codeFrame(place: SourcePlace, around = 2): string {
  const { line, column } = positionOf(place)
  const lines = place.source.split(/\r?\n/)
  const first = Math.max(1, line - around)
  const last = Math.min(lines.length, line + around)
  const width = String(last).length
  const rows: string[] = []
  for (let number = first; number <= last; number++) {
    // A minified line would be the whole file.
    const text = lines[number - 1]!.slice(0, 160)
    rows.push(`${number === line ? '>' : ' '} ${String(number).padStart(width)} | ${text}`)
    if (number === line && column <= 160) rows.push(`  ${' '.repeat(width)} | ${' '.repeat(column - 1)}^`)
  }
  return rows.join('\n')
}

/**
 * The error of a denial: the name, the import chain from the asking module up, the code, the fix. The same
 * in dev and in build.
 * @param show makes an id short for a person (relative to the root)
 */
export function denialError(
  denial: Denial,
  importersOf: ImportersOf,
  show: (id: string) => string,
): SecretsError {
  const { name, module, place } = denial
  const what =
    name === undefined
      ? 'Client code imports virtual:secrets/server, which holds server secrets.'
      : `Client code reads ${name}, which is a server secret.`
  const position = place && positionOf(place)
  const chain = importChain(module, importersOf).map((id, index, all) => {
    const at = index === 0 && position ? `:${position.line}:${position.column}` : ''
    return `  ${index === 0 ? '' : 'imported by '}${show(id)}${at}${index === all.length - 1 && index > 0 ? ' (entry)' : ''}`
  })
  const frame = place ? `\n\n${codeFrame(place)}` : ''
  return new SecretsError('SERVER_SECRET_IN_CLIENT', `${what}\n\n${chain.join('\n')}${frame}\n`, {
    hint: fixFor(name),
  })
}

function fixFor(name: string | undefined): string {
  if (name === undefined) {
    return [
      'Import virtual:secrets/client for what browsers may see, or move this code to a module that only',
      'the server loads. For types alone, `import type` is allowed.',
    ].join('\n')
  }
  return [
    `Read ${name} on the server and send the browser only what it needs.`,
    `If browsers really may see it, add it to the list: client: ['${name}'].`,
  ].join('\n')
}
