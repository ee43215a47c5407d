import type { CheckResult, ListEntry, ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { checkVault } from './check.ts'
import { listDocuments, readDocuments } from './documents.ts'
import { Engines } from './engines.ts'
import type { ResolvedVaultOptions } from './options.ts'
import { Session } from './session.ts'

/** What the provider does once it is used: loaded at the first call, with node-vault and node:https. */
export class Vault {
  readonly #session: Session
  readonly #engines: Engines

  static async open(options: ResolvedVaultOptions, context: ProviderContext): Promise<Vault> {
    return new Vault(await Session.open(options, context))
  }

  private constructor(session: Session) {
    this.#session = session
    this.#engines = new Engines(session)
  }

  async read(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly ReadResult[]> {
    this.#engines.forgetRefusals()
    return readDocuments(requests, this.#session, this.#engines, context)
  }

  async list(path: string, context: ProviderContext): Promise<readonly ListEntry[]> {
    this.#engines.forgetRefusals()
    return listDocuments(path, this.#session, this.#engines, context)
  }

  async check(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly CheckResult[]> {
    this.#engines.forgetRefusals()
    return checkVault(requests, this.#session, this.#engines, context)
  }

  close(): void {
    this.#session.close()
  }
}
