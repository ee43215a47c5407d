import { reasonOf, SecretsError } from './errors.ts'
import type { Secrets } from './pipeline.ts'
import { documentKey } from './reference.ts'
import type { CheckResult, ProviderContext, ReadRequest } from './types.ts'

/**
 * Test Connection: what a provider says of itself, and of every reference that the configuration makes to it.
 * Never throws for what is found.
 */
export async function checkProvider(secrets: Secrets, name: string): Promise<readonly CheckResult[]> {
  const provider = secrets.config.providers.get(name)!
  if (!provider.check) return [{ label: 'check', ok: true, detail: 'this provider has no check of its own' }]
  const context = secrets.contextFor(name)
  try {
    return await Promise.race([provider.check(requestsTo(secrets, name), context), lateBy(context)])
  } catch (error) {
    const detail =
      error instanceof SecretsError ? error.message : `The check itself failed: ${reasonOf(error)}.`
    return [
      { label: 'check', ok: false, detail, hint: error instanceof SecretsError ? error.hint : undefined },
    ]
  }
}

function requestsTo({ config }: Secrets, name: string): ReadRequest[] {
  const references = [
    ...config.imports,
    ...[...config.secrets.values()].flatMap(({ reference }) => reference ?? []),
  ]
  const mine = references.filter(({ provider }) => provider === name)
  return [
    ...new Map(mine.map((each) => [documentKey(each), { path: each.path, options: each.options }])).values(),
  ]
}

/** For a check that does not listen to its deadline; one that does has more to say, and comes first. */
function lateBy({ signal }: ProviderContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      setTimeout(() => reject(new SecretsError('TIMEOUT', 'There was no answer in time.')), 500)
    })
  })
}
