import { SecretsError } from '../core/errors.ts'
import type { ProviderContext } from '../core/types.ts'

/**
 * For providers whose work is over before anything could interrupt it: the caller may have gone already.
 * @throws SecretsError TIMEOUT when a deadline has passed, ABORTED otherwise.
 */
export function throwIfAborted({ signal, name }: ProviderContext): void {
  if (!signal.aborted) return
  if ((signal.reason as Error | undefined)?.name === 'TimeoutError')
    throw new SecretsError('TIMEOUT', `The time for reading from ${name} is over.`)
  throw new SecretsError('ABORTED', `Reading from ${name} was given up by the caller.`)
}
