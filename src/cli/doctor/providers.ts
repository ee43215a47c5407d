import { reasonOf, SecretsError } from '../../core/errors.ts'
import type { Secrets } from '../../core/pipeline.ts'
import { documentKey } from '../../core/reference.ts'
import type { CheckResult, Provider, ProviderContext, ReadRequest } from '../../core/types.ts'
import { withProgress } from '../progress.ts'
import type { CheckGroup } from './index.ts'

/** Every provider with every reference that the configuration makes to it, side by side. */
export async function providerChecks(secrets: Secrets): Promise<CheckGroup[]> {
  const providers = [...secrets.config.providers]
  const open = new Set(providers.map(([name]) => name))
  return withProgress(
    () => `Checking ${[...open].join(', ')} (${providers.length - open.size} of ${providers.length} done)`,
    () =>
      Promise.all(
        providers.map(async ([name, provider]) => {
          const checks = await checksOf(provider, requestsTo(secrets, name), secrets.contextFor(name))
          open.delete(name)
          const kind = provider.type === name ? name : `${name} (${provider.type})`
          return { title: `${kind}: ${provider.location}`, checks }
        }),
      ),
  )
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

async function checksOf(
  provider: Provider,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<readonly CheckResult[]> {
  if (!provider.check) return [{ label: 'check', ok: true, detail: 'this provider has no check of its own' }]
  try {
    return await Promise.race([provider.check(requests, context), lateBy(context)])
  } catch (error) {
    const detail =
      error instanceof SecretsError ? error.message : `The check itself failed: ${reasonOf(error)}.`
    return [
      { label: 'check', ok: false, detail, hint: error instanceof SecretsError ? error.hint : undefined },
    ]
  }
}

/** For a check that does not listen to its deadline; one that does has more to say, and comes first. */
function lateBy({ signal }: ProviderContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      setTimeout(() => reject(new SecretsError('TIMEOUT', 'There was no answer in time.')), 500)
    })
  })
}
