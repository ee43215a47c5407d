import { SecretsError } from '../core/errors.ts'
import type { Secrets } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { CheckResult } from '../core/types.ts'
import type { ProviderView } from './api.ts'
import { isOfProvider, leavesOf } from './problem.ts'

interface Answer {
  readonly health: ProviderView['health']
  readonly error?: SecretsError | undefined
  /** Unix time in ms. */
  readonly checkedAt?: number | undefined
  readonly checks?: readonly CheckResult[] | undefined
}

/** How the providers have answered, as far as they were asked since the start. */
export class Health {
  readonly #answers = new Map<string, Answer>()

  of(provider: string): Answer {
    return this.#answers.get(provider) ?? { health: 'unknown' }
  }

  /** Forgets those that are another place under the same name now. */
  keep(before: Secrets | undefined, after: Secrets | undefined): void {
    for (const name of this.#answers.keys()) {
      const [old, now] = [before, after].map((secrets) => secrets?.config.providers.get(name))
      if (old?.type !== now?.type || old?.location !== now?.location) this.#answers.delete(name)
    }
  }

  asked(provider: string, error: SecretsError | undefined, at = Date.now()): void {
    const { checks, checkedAt = 0 } = this.of(provider)
    if (at < checkedAt) return
    this.#answers.set(provider, { health: error ? 'failing' : 'ok', error, checkedAt: at, checks })
  }

  /** Of a Test Connection. */
  checked(provider: string, checks: readonly CheckResult[]): void {
    const wrong = checks.find(({ ok }) => !ok)
    const error =
      wrong &&
      new SecretsError('REQUEST_REFUSED', [wrong.label, wrong.detail].filter(Boolean).join(': '), {
        hint: wrong.hint,
      })
    this.#answers.set(provider, {
      health: error ? 'failing' : 'ok',
      error,
      checkedAt: Date.now(),
      checks,
    })
  }

  /** What values tell of where they come from. */
  loaded(snapshot: Snapshot): void {
    for (const name of snapshot.names()) {
      const { provider, source, fetchedAt, error } = snapshot.meta(name)!
      if (provider === undefined) continue
      if (source === 'provider') this.asked(provider, undefined, fetchedAt)
      else if (error && isOfProvider(error)) this.asked(provider, error)
    }
  }

  /** What a reading met that gave no values. */
  failed({ config }: Secrets, error: SecretsError): void {
    for (const problem of leavesOf(error)) {
      if (!isOfProvider(problem)) continue
      const references = [...config.secrets.values()]
        .filter(({ name }) => problem.names.includes(name))
        .flatMap(({ reference }) => reference ?? [])
      const imported = config.imports.filter(({ source }) => problem.names.includes(source))
      for (const { provider } of [...references, ...imported]) this.asked(provider, problem)
    }
  }
}
