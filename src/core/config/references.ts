import { SecretsError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { parseReference } from '../reference.ts'
import type { Provider, Reference, SecretsConfig } from '../types.ts'

/** `{environment}` and `{profile}` in a reference stand for the active ones. */
export function fillPlaceholders(
  source: string,
  place: { readonly environment: string; readonly profile: string | undefined },
): string {
  if (!source.includes('{')) return source
  return source
    .replaceAll('{environment}', () => encodeURIComponent(place.environment))
    .replaceAll('{profile}', () => encodeURIComponent(place.profile ?? 'default'))
}

/** How an environment is called where a name may hold only lower case letters, digits and `-`. */
export function slugOf(environment: string): string {
  return environment
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
}

/** `aws` or `aws:` alone means the secret named after the environment (one secret = one environment). */
export function wholePlace(source: string, environment: string): string {
  return isBare(source) ? `${source.replace(':', '')}:${slugOf(environment)}` : source
}

/** A provider without a path. */
export function isBare(source: string): boolean {
  return /^[\w-]+:?$/.test(source)
}

/**
 * A reference whose provider is configured, and has nothing against it.
 * @throws SecretsError `REFERENCE_INVALID`, `PROVIDER_UNKNOWN`
 */
export function checkedReference(
  source: string,
  owner: string,
  config: SecretsConfig,
  providers: ReadonlyMap<string, Provider>,
): Reference {
  const reference = parseReference(source, owner)
  if (!Object.hasOwn(config.providers ?? {}, reference.provider)) {
    const known = Object.keys(config.providers ?? {})
    throw new SecretsError(
      'PROVIDER_UNKNOWN',
      `${owner} names the provider ${reference.provider}, which is not configured.${didYouMean(reference.provider, known)}`,
      { hint: known.length > 0 ? `Configured: ${known.join(', ')}.` : 'Add it under `providers`.' },
    )
  }
  const wrong = providers.get(reference.provider)?.validate?.(reference)
  if (wrong !== undefined) {
    throw new SecretsError('REFERENCE_INVALID', `Cannot use the reference of ${owner} (${source}): ${wrong}`)
  }
  return reference
}
