import type { SecretsError } from '../core/errors.ts'
import type { Secrets, SecretsOptions } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'

/** What a host tells while it works. */
export interface HostListener {
  /** Values differ, and are in use where they are used. */
  rotated(names: readonly string[]): void
  /** A provider was asked. @param error what came of it, if anything did */
  asked(provider: string, error: SecretsError | undefined): void
  /** Values could not be read, or not be used. The ones there were stay. @param error `undefined`: that is over */
  failed(error: SecretsError | undefined): void
  /** Anything else that a state shows. */
  changed(): void
}

/** Where the dashboard looks and works: the session of a dev server, or a project of its own. */
export interface DashboardHost {
  /** `undefined`: the configuration could not be read. Another one after `useProfile` and `reconfigure`. */
  readonly secrets: Secrets | undefined
  /** The values in use; `undefined`: there were none yet. */
  readonly snapshot: Snapshot | undefined
  /** Why there are no values at all. */
  readonly failure: SecretsError | undefined
  /** What `secrets` was made with. */
  readonly options: SecretsOptions
  /** Asks providers anew, for everything or some names, and brings what differs to where it is used. @throws SecretsError */
  refresh(names?: readonly string[]): Promise<void>
  /** @param name `null`: none @throws SecretsError for a profile that is none, or has no values; the one before stays */
  useProfile(name: string | null): Promise<void>
  /** The configuration was changed. @throws SecretsError */
  reconfigure(): Promise<void>
  /** The modules that read each name, relative to the root. */
  usedIn(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>
  /** @returns how to end that */
  listen(listener: HostListener): () => void
}
