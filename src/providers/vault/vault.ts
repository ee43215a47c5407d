import type { CheckResult, ListEntry, ProviderContext, ReadRequest, ReadResult } from '../../core/types.ts'
import { checkVault } from './check.ts'
import { listDocuments, readDocuments } from './documents.ts'
import { type Engine, Engines } from './engines.ts'
import type { ResolvedVaultOptions } from './options.ts'
import { Session } from './session.ts'

/** What the provider does once it is used: loaded at the first call, with node-vault and node:https. */
export class Vault {
  readonly #session: Session
  readonly #known: Engine[] = []

  /** @throws SecretsError `FILE_UNREADABLE`, `CONFIG_INVALID` for what `tls` names */
  static async open(options: ResolvedVaultOptions, context: ProviderContext): Promise<Vault> {
    return new Vault(await Session.open(options, context))
  }

  private constructor(session: Session) {
    this.#session = session
  }

  read(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly ReadResult[]> {
    return readDocuments(requests, this.#session, this.#engines(), context)
  }

  list(path: string, context: ProviderContext): Promise<readonly ListEntry[]> {
    return listDocuments(path, this.#session, this.#engines(), context)
  }

  check(requests: readonly ReadRequest[], context: ProviderContext): Promise<readonly CheckResult[]> {
    return checkVault(requests, this.#session, this.#engines(), context)
  }

  close(): void {
    this.#session.close()
  }

  #engines(): Engines {
    return new Engines(this.#session, this.#known)
  }
}
