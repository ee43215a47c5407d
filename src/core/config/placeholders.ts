/** `{environment}` and `{profile}` in a reference stand for the active ones. */
export function fillPlaceholders(
  source: string,
  place: { environment: string; profile: string | undefined },
): string {
  return source
    .replaceAll('{environment}', () => encodeURIComponent(place.environment))
    .replaceAll('{profile}', () => encodeURIComponent(place.profile ?? 'default'))
}

/** `aws` or `aws:` alone means the secret named after the environment (one secret = one environment). */
export function wholePlace(source: string, environment: string): string {
  if (!/^[\w-]+:?$/.test(source)) return source
  const slug = environment
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return `${source.replace(':', '')}:${slug}`
}
