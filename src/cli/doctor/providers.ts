import { checkProvider } from '../../core/check.ts'
import type { Secrets } from '../../core/pipeline.ts'
import type { CheckGroup } from './index.ts'

/** Every provider with every reference that the configuration makes to it, side by side. */
export async function providerChecks(secrets: Secrets): Promise<CheckGroup[]> {
  const providers = [...secrets.config.providers]
  const open = new Set(providers.map(([name]) => name))
  const progress = showProgress(() => `Checking ${[...open].join(', ')} …`)
  try {
    return await Promise.all(
      providers.map(async ([name, provider]) => {
        const checks = await checkProvider(secrets, name)
        open.delete(name)
        progress.update()
        const kind = provider.type === name ? name : `${name} (${provider.type})`
        return { title: `${kind}: ${provider.location}`, checks }
      }),
    )
  } finally {
    progress.clear()
  }
}

/** One line on a terminal that goes away again. */
function showProgress(text: () => string): { update(): void; clear(): void } {
  const { stderr } = process
  if (!stderr.isTTY) return { update() {}, clear() {} }
  const clear = (): void => void stderr.write('\r\u001b[K')
  const update = (): void => {
    clear()
    stderr.write(text())
  }
  update()
  return { update, clear }
}
