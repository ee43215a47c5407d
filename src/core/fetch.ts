import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf, SecretsError } from './errors.ts'
import { documentKey } from './reference.ts'
import type { Provider, ProviderContext, ReadRequest, ReadResult, Reference } from './types.ts'

/** Waits between tries: 200 ms, 400 ms, … up to 3 s, each between half and the whole of that. */
const FIRST_WAIT = 200
const LONGEST_WAIT = 3000

export interface FetchOptions {
  readonly providers: ReadonlyMap<string, Provider>
  readonly context: Omit<ProviderContext, 'name' | 'signal'>
  /** One deadline over all tries, in ms. */
  readonly timeout: number
}

/**
 * Reads the documents behind the references: one request a document, one call a provider, the providers
 * side by side. Tries again what may pass (network, 5xx, 429, sealed) until the deadline.
 * @returns the answer for each `documentKey`; never throws for what a provider could not do
 */
export async function fetchDocuments(
  references: Iterable<Reference>,
  options: FetchOptions,
): Promise<Map<string, ReadResult>> {
  const byProvider = new Map<string, Map<string, ReadRequest>>()
  for (const reference of references) {
    const requests = byProvider.get(reference.provider) ?? new Map<string, ReadRequest>()
    requests.set(documentKey(reference), { path: reference.path, options: reference.options })
    byProvider.set(reference.provider, requests)
  }
  const answers = new Map<string, ReadResult>()
  await Promise.all(
    [...byProvider].map(async ([name, requests]) => {
      const provider = options.providers.get(name)!
      for (const [key, result] of await readWithRetry(provider, name, requests, options))
        answers.set(key, result)
    }),
  )
  return answers
}

async function readWithRetry(
  provider: Provider,
  name: string,
  requests: ReadonlyMap<string, ReadRequest>,
  options: FetchOptions,
): Promise<Map<string, ReadResult>> {
  const { debug } = options.context
  const controller = new AbortController()
  // Each request under way listens to it; that many listeners are no leak.
  setMaxListeners(0, controller.signal)
  const deadline = Date.now() + options.timeout
  // By this reason a provider tells its own deadline from a caller that has gone.
  const passed = new DOMException('The deadline has passed.', 'TimeoutError')
  const timer = setTimeout(() => controller.abort(passed), options.timeout)
  const context: ProviderContext = { ...options.context, name, signal: controller.signal }
  const answers = new Map<string, ReadResult>()
  let open = [...requests]
  try {
    for (let attempt = 0; ; attempt++) {
      const results = await readOnce(provider, open, context)
      const again: typeof open = []
      let asked = 0
      for (const [index, entry] of open.entries()) {
        const result = results[index]
        answers.set(entry[0], result)
        if (!(result instanceof SecretsError && result.transient)) continue
        again.push(entry)
        asked = Math.max(asked, result.retryAfter ?? 0)
      }
      const wait = Math.max(
        asked,
        Math.min(FIRST_WAIT * 2 ** attempt, LONGEST_WAIT) * (0.5 + Math.random() / 2),
      )
      // A wait that ends behind the deadline is spared: the answer would be the same, later.
      if (again.length === 0 || Date.now() + wait >= deadline) return answers
      debug(`${name}: ${again.length} of ${requests.size} to try again in ${Math.round(wait)} ms`)
      await sleep(wait)
      open = again
    }
  } finally {
    clearTimeout(timer)
  }
}

/** The deadline itself, for a provider that does not listen to the signal. */
export function deadlineOf({ signal, name }: ProviderContext): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void =>
      reject(
        new SecretsError('TIMEOUT', `The provider ${name} did not answer in time.`, {
          hint: 'Raise `timeout`, or look at the network.',
        }),
      )
    if (signal.aborted) fail()
    // A provider that listens has a better message; let it come first.
    else signal.addEventListener('abort', () => setImmediate(fail), { once: true })
  })
}

/** The contract, for providers that never met a type checker. What is not it must reach neither cache nor code. */
function isResult(result: unknown): result is ReadResult {
  if (result === undefined || result instanceof SecretsError) return true
  if (typeof result !== 'object' || result === null) return false
  const { value, version } = result as { value?: unknown; version?: unknown }
  const isValue = typeof value === 'string' || (typeof value === 'object' && value !== null)
  return isValue && (version === undefined || typeof version === 'string')
}

function malformed(name: string, { path }: ReadRequest): SecretsError {
  return new SecretsError('RESPONSE_MALFORMED', `The provider ${name} gave no document for ${path}.`, {
    hint: 'An answer is { value, version? }, undefined where there is nothing, or a SecretsError.',
  })
}

/** One call; what the provider throws is the answer to every request. */
async function readOnce(
  provider: Provider,
  entries: readonly (readonly [string, ReadRequest])[],
  context: ProviderContext,
): Promise<readonly ReadResult[]> {
  try {
    const requests = entries.map(([, request]) => request)
    const results = await Promise.race([provider.read(requests, context), deadlineOf(context)])
    if (results.length === entries.length)
      return results.map((result, index) =>
        isResult(result) ? result : malformed(context.name, entries[index]![1]),
      )
    throw new SecretsError(
      'RESPONSE_MALFORMED',
      `The provider ${context.name} gave ${results.length} answers to ${entries.length} requests.`,
    )
  } catch (error) {
    const known =
      error instanceof SecretsError
        ? error
        : new SecretsError('REQUEST_REFUSED', `The provider ${context.name} failed: ${reasonOf(error)}.`, {
            hint: `It points at ${provider.location}.`,
          })
    return entries.map(() => known)
  }
}
