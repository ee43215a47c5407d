import { checkProvider } from '../../core/check.ts'
import type { Secrets } from '../../core/pipeline.ts'
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
          const checks = await checkProvider(secrets, name)
          open.delete(name)
          const kind = provider.type === name ? name : `${name} (${provider.type})`
          return { title: `${kind}: ${provider.location}`, checks }
        }),
      ),
  )
}
