import { formatAge } from '../core/duration.ts'
import type { SecretsError } from '../core/errors.ts'
import type { Snapshot } from '../core/snapshot.ts'

/** How many secrets, from where, how old. @param clientCount how many of them browsers may see */
export function startLine(snapshot: Snapshot, clientCount: number): string {
  const names = snapshot.names()
  const metas = names.map((name) => snapshot.meta(name)!)
  const places = [...new Set(metas.map(({ provider, source }) => provider ?? source))].sort()
  const overridden = metas.filter(({ source }) => source === 'process.env').map(({ name }) => name)
  const oldest = Math.min(
    ...metas.flatMap(({ fetchedAt, source }) => (source === 'cache' ? (fetchedAt ?? []) : [])),
  )
  return [
    `${names.length} secret${names.length === 1 ? '' : 's'} for ${snapshot.environment}`,
    places.length > 0 ? ` from ${places.join(', ')}` : '',
    Number.isFinite(oldest) ? `, cached ${formatAge(Date.now() - oldest)} ago` : '',
    `; ${clientCount} for clients`,
    overridden.length > 0 ? ` (from process.env: ${overridden.join(', ')})` : '',
  ].join('')
}

/** The names that changed, a few of them. */
export function changeLine(names: readonly string[]): string {
  const rest = names.length - 5
  const text = rest > 0 ? `${names.slice(0, 5).join(', ')} and ${rest} more` : names.join(', ')
  return `${text} changed at the provider`
}

/** A problem while there are values: what becomes of them stands below. */
export function problemText(error: SecretsError): string {
  return `${error.format()}\n  Until then the values of before stay in use. It is asked again.`
}

/** One line, when what was told is over. */
export const RECOVERED = 'The provider answers again.'

/** A schema is code of the configuration, which a built server does not have. */
export function transformsLine(names: readonly string[]): string {
  return (
    `${names.join(', ')}: the schema changes the value. A built server that fetches by itself gets it unchanged; ` +
    'start it with `secrets run`, which hands over what the schema made.'
  )
}
