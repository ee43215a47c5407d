import type { DashboardState, SecretView } from '../api.ts'

export interface Filter {
  readonly text: string
  /** A provider's name; empty: all. */
  readonly provider: string
  readonly consumer: '' | SecretView['consumer']
  readonly problems: boolean
}

/** Something a person should look at. */
export const isProblem = (secret: SecretView): boolean =>
  secret.stale || secret.error !== undefined || secret.masked === undefined

/** Those that a filter lets through. Each word of the text has to stand somewhere: `db vault` finds both. */
export function visible(secrets: readonly SecretView[], filter: Filter): SecretView[] {
  const words = filter.text.toLowerCase().split(/\s+/)
  return secrets.filter((secret) => {
    if (filter.provider !== '' && secret.provider !== filter.provider) return false
    if (filter.consumer !== '' && secret.consumer !== filter.consumer) return false
    if (filter.problems && !isProblem(secret)) return false
    const text = [secret.name, secret.reference, secret.description, ...secret.usedIn]
      .join('\n')
      .toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

/** How far Refresh All has come, as far as events in between tell. */
export function refreshed({ secrets }: DashboardState, since: number): number {
  return secrets.filter(({ fetchedAt = 0 }) => fetchedAt >= since).length
}
