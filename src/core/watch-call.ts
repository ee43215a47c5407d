import type { ProviderContext } from './types.ts'
import type { WatchParts } from './watch.ts'

/**
 * A call that ends with its deadline, or when the watch does. Nothing of it stays with the watch afterwards.
 * @param stopping aborts when the watch ends
 */
export async function callWithin<T>(
  { config, contextFor }: Pick<WatchParts, 'config' | 'contextFor'>,
  stopping: AbortSignal,
  name: string,
  call: (context: ProviderContext) => Promise<T>,
): Promise<T> {
  const { deadlineOf } = await import('./fetch.ts')
  const controller = new AbortController()
  const stop = (): void => controller.abort(stopping.reason)
  stopping.addEventListener('abort', stop)
  const passed = new DOMException('The deadline has passed.', 'TimeoutError')
  const timer = setTimeout(() => controller.abort(passed), config.timeout).unref()
  const context = { ...contextFor(name), signal: controller.signal }
  try {
    return await Promise.race([call(context), deadlineOf(context)])
  } finally {
    clearTimeout(timer)
    stopping.removeEventListener('abort', stop)
  }
}
