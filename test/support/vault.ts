import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { SecretsError } from '../../src/core/errors.ts'
import type { JsonObject, Provider, ProviderContext, ReadRequest, ReadResult } from '../../src/core/types.ts'
import { type VaultOptions, vault } from '../../src/providers/vault/index.ts'
import type { Bao } from './bao.ts'
import { canariesIn } from './canary.ts'

/** A line of a policy. */
export function may(path: string, ...capabilities: string[]): string {
  return `path "${path}" { capabilities = ${JSON.stringify(capabilities.length ? capabilities : ['read'])} }`
}

/** Collects everything that a person or a log could see, and the values that must not stand in it. */
export class Watch {
  readonly values: string[] = []
  readonly seen: string[] = []
  readonly #open: Provider[] = []
  readonly #warn = (warning: Error) => this.seen.push(`${warning.name}: ${warning.message}`)

  constructor() {
    process.on('warning', this.#warn)
  }

  /** Marks a value, a token or another credential. */
  secret(value: string): string {
    this.values.push(value)
    return value
  }

  provider(options: VaultOptions): Provider {
    const provider = vault(options)
    this.#open.push(provider)
    this.seen.push(inspect(provider, { depth: 20, showHidden: true }), JSON.stringify(provider))
    return provider
  }

  withToken(url: string, token: string, options: VaultOptions = {}): Provider {
    return this.provider({ url, auth: { method: 'token', token }, ...options })
  }

  /** A token that may do only this. */
  async lowToken(bao: Bao, ...lines: string[]): Promise<string> {
    const policy = `low-${randomBytes(6).toString('hex')}`
    await bao.policy(policy, lines.join('\n'))
    return this.secret(await bao.token([policy]))
  }

  context(overrides: Partial<ProviderContext> = {}): ProviderContext {
    return {
      name: 'vault',
      root: process.cwd(),
      environment: 'test',
      profile: undefined,
      signal: AbortSignal.timeout(30_000),
      concurrency: 16,
      userAgent: 'unplugin-secrets/test',
      debug: (message) => this.seen.push(message),
      ...overrides,
    }
  }

  async read(provider: Provider, path: string, options: ReadRequest['options'] = {}): Promise<ReadResult> {
    const [result] = await provider.read([{ path, options }], this.context())
    if (result instanceof SecretsError) this.keep(result)
    return result
  }

  /** The object of a document that must be there. */
  async value(provider: Provider, path: string, options: ReadRequest['options'] = {}): Promise<JsonObject> {
    const result = await this.read(provider, path, options)
    if (result instanceof SecretsError) throw result
    return result!.value as JsonObject
  }

  /** The error of one document, thrown or returned. */
  async error(provider: Provider, path: string, options: ReadRequest['options'] = {}): Promise<SecretsError> {
    const result = await this.read(provider, path, options).catch((error: unknown) => error)
    expect(result).toBeInstanceOf(SecretsError)
    return this.keep(result as SecretsError)
  }

  keep(error: SecretsError): SecretsError {
    this.seen.push(error.format(), inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error))
    return error
  }

  /** To be called at the end: nothing that was seen holds a marked value. */
  async finish(): Promise<void> {
    for (const provider of this.#open) {
      this.seen.push(inspect(provider, { depth: 20, showHidden: true }))
      await provider.close?.()
    }
    process.off('warning', this.#warn)
    expect(this.seen.filter((line) => line.startsWith('MaxListenersExceededWarning'))).toEqual([])
    expect(this.values.length).toBeGreaterThan(0)
    expect(this.seen.length).toBeGreaterThan(0)
    expect(canariesIn(this.seen.join('\n'), this.values)).toEqual([])
  }
}
