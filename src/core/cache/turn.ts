import { SecretsError } from '../errors.ts'
import { lock } from '../files.ts'

/**
 * A holder that has been killed is known by its silence, in ms. A living one that is silent for longer (its
 * thread was busy) costs a second round of requests and nothing else, so this is short.
 */
const SILENCE = 5000

/**
 * Runs `work` while no other process of this machine runs it for the same cache, so that those behind find
 * what the first one fetched. Nobody is kept from working by it: after `timeout`, or where no lock can be
 * made, it runs all the same.
 * @param timeout ms, for waiting and working together.
 * @param work is told how much of that is left; a third at least, for a place that failed the one before.
 */
export async function inTurn<T>(
  path: string,
  timeout: number,
  work: (left: number) => Promise<T>,
): Promise<T> {
  const since = Date.now()
  let begun = false
  const begin = (): Promise<T> => {
    begun = true
    return work(Math.max(timeout - (Date.now() - since), timeout / 3))
  }
  try {
    return await lock(path, begin, { wait: timeout, stale: SILENCE })
  } catch (error) {
    if (begun || !(error instanceof SecretsError)) throw error
    return begin()
  }
}
