import type {
  CheckResult,
  DocumentMetadata,
  ListEntry,
  PatchRequest,
  ProviderContext,
  ReadRequest,
  ReadResult,
  RemoveRequest,
  VersionEntry,
  WriteRequest,
  WriteResult,
} from '../../core/types.ts'
import { checkVault } from './check.ts'
import { readDocument } from './documents.ts'
import { type Engine, Engines } from './engines.ts'
import { annotate, historyOf, metadataOf, rollBack } from './history.ts'
import { Leases } from './leases.ts'
import { listDocuments } from './list.ts'
import { forEach } from './many.ts'
import type { ResolvedVaultOptions } from './options.ts'
import { policyFor } from './policy.ts'
import type { Reach } from './reach.ts'
import { removeDocument, restoreDocument } from './remove.ts'
import { Session } from './session.ts'
import { versionsOf } from './versions.ts'
import { patchDocument, writeDocument } from './write.ts'

type Context = ProviderContext

/** What the provider does once it is used: loaded at the first call, with node-vault and node:https. */
export class Vault {
  readonly #session: Session
  readonly #leases: Leases
  readonly #known: Engine[] = []
  /** Engines and folders whose metadata the token may not see. */
  readonly #closed = new Set<string>()

  /** @throws SecretsError `FILE_UNREADABLE`, `CONFIG_INVALID` for what `tls` names */
  static async open(options: ResolvedVaultOptions, context: Context): Promise<Vault> {
    return new Vault(await Session.open(options, context))
  }

  private constructor(session: Session) {
    this.#session = session
    this.#leases = new Leases(session)
  }

  read(requests: readonly ReadRequest[], context: Context): Promise<readonly ReadResult[]> {
    const reach = this.#reach()
    return forEach(requests, context, (request) => readDocument(request, reach, context))
  }

  versions(requests: readonly ReadRequest[], context: Context) {
    return versionsOf(requests, this.#closed, this.#reach(), context)
  }

  list(path: string, context: Context): Promise<readonly ListEntry[]> {
    return listDocuments(path, this.#reach(), context)
  }

  write(request: WriteRequest, context: Context): Promise<WriteResult> {
    return writeDocument(request, this.#reach(), context)
  }

  patch(request: PatchRequest, context: Context): Promise<WriteResult> {
    return patchDocument(request, this.#reach(), context)
  }

  remove(request: RemoveRequest, context: Context): Promise<boolean> {
    return removeDocument(request, this.#reach(), context)
  }

  restore(request: Pick<RemoveRequest, 'path' | 'versions'>, context: Context): Promise<boolean> {
    return restoreDocument(request, this.#reach(), context)
  }

  history(path: string, context: Context): Promise<readonly VersionEntry[] | undefined> {
    return historyOf(path, this.#reach(), context)
  }

  rollback(request: Parameters<typeof rollBack>[0], context: Context): Promise<WriteResult> {
    return rollBack(request, this.#reach(), context)
  }

  metadata(path: string, context: Context): Promise<DocumentMetadata | undefined> {
    return metadataOf(path, this.#reach(), context)
  }

  annotate(request: Parameters<typeof annotate>[0], context: Context): Promise<void> {
    return annotate(request, this.#reach(), context)
  }

  policy(requests: readonly ReadRequest[], context: Context): Promise<string> {
    return policyFor(requests, this.#reach(), context)
  }

  check(requests: readonly ReadRequest[], context: Context): Promise<readonly CheckResult[]> {
    return checkVault(requests, this.#reach(), context)
  }

  close(): Promise<void> {
    return this.#session.close(this.#leases.drop())
  }

  /** For one call: what could not be found out is asked again by the next. */
  #reach(): Reach {
    const session = this.#session
    return { session, engines: new Engines(session, this.#known), leases: this.#leases }
  }
}
