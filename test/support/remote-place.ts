import type { Provider, SecretsConfig } from '../../src/core/types.ts'
import { canary } from './canary.ts'

/** A place whose values the test decides, watched closely: `A` and `C` are the client's, `B` is the server's. */
export class RemotePlace {
  values: Record<string, string> = {}
  #version = 1
  /** All that only servers may have. */
  readonly serverValues: string[] = []
  readonly settings: SecretsConfig

  constructor() {
    const remote: Provider = {
      type: 'remote',
      location: 'test',
      read: async (requests) =>
        requests.map(({ path }) => ({ value: this.values[path]!, version: String(this.#version) })),
      versions: async (requests) => requests.map(() => String(this.#version)),
    }
    this.settings = {
      providers: { remote },
      secrets: { A: 'remote:a', B: 'remote:b', C: 'remote:c' },
      client: ['A', 'C'],
      types: false,
      cache: false,
      watch: { interval: '100ms' },
    }
  }

  readonly secret = (): string => {
    const value = canary('server')
    this.serverValues.push(value)
    return value
  }

  readonly put = (changed: Record<string, string>): void => {
    this.values = { ...this.values, ...changed }
    this.#version++
  }
}
