import type { SecretsError } from '../../core/errors.ts'

/**
 * Every page of an answer that AWS gives in pieces.
 * @param malformed the error for a server that gives the same piece again and again
 */
export async function* pagesOf<Page extends { NextToken?: string | undefined }>(
  get: (token: { NextToken?: string }) => Promise<Page>,
  malformed: () => SecretsError,
): AsyncGenerator<Page, void> {
  const seen = new Set<string>()
  for (let token: string | undefined; ; ) {
    const page = await get(token === undefined ? {} : { NextToken: token })
    yield page
    token = page.NextToken
    if (!token) return
    if (seen.has(token)) throw malformed()
    seen.add(token)
  }
}

/** The objects in what should be a list of them: the SDK passes on whatever kind of JSON came. */
export function objectsIn<Entry extends object>(list: readonly Entry[] | undefined): Entry[] {
  return Array.isArray(list) ? list.filter((entry) => typeof entry === 'object' && entry !== null) : []
}
