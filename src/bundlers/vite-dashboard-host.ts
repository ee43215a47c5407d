import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import type { ViteDevServer } from 'vite'
import type { SecretsError } from '../core/errors.ts'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import { mentionsOf } from '../core/mentions.ts'
import type { Secrets, SecretsOptions } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { DashboardHost, HostListener } from '../dashboard/host.ts'
import type { Session } from './session.ts'
import type { Rotation } from './vite-rotation.ts'

export interface SessionHostParts {
  readonly server: ViteDevServer
  readonly session: Session
  readonly rotation: Rotation
  readonly beside: ReadonlyMap<string, readonly ModuleUse[]>
}

/** The session of a running dev server: what is done here reaches the app as everything else that rotates. */
export class SessionHost implements DashboardHost {
  readonly #parts: SessionHostParts

  constructor(parts: SessionHostParts) {
    this.#parts = parts
  }

  get secrets(): Secrets | undefined {
    return this.#parts.session.secrets
  }

  get snapshot(): Snapshot {
    return this.#parts.session.snapshot
  }

  get failure(): SecretsError | undefined {
    return this.#parts.session.failure
  }

  get options(): SecretsOptions {
    return this.#parts.session.options
  }

  refresh(names?: readonly string[]): Promise<void> {
    return this.#parts.rotation.refresh(names)
  }

  useProfile(name: string | null): Promise<void> {
    return this.#parts.rotation.reconfigure(name)
  }

  reconfigure(): Promise<void> {
    return this.#parts.rotation.reconfigure()
  }

  /** As far as the server has been asked for modules. */
  async usedIn(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { server, beside } = this.#parts
    const mentions = mentionsOf(names)
    const found = new Map<string, Set<string>>()
    const add = (name: string, module: string): void =>
      void found.set(name, (found.get(name) ?? new Set()).add(module))
    const files = new Set<string>()
    for (const { moduleGraph } of Object.values(server.environments))
      for (const id of [CLIENT_ID, SERVER_ID])
        for (const { file } of moduleGraph.getModuleById(`\0${id}`)?.importers ?? [])
          if (file) files.add(file)
    for (const file of files) {
      const text = await readFile(file, 'utf8').catch(() => '')
      for (const name of mentions(text)) add(name, relative(server.config.root, file).replaceAll('\\', '/'))
    }
    for (const [page, uses] of beside)
      for (const { names: shown = [] } of uses) for (const name of shown) add(name, page)
    return new Map([...found].map(([name, modules]) => [name, [...modules].sort()]))
  }

  listen(listener: HostListener): () => void {
    return this.#parts.rotation.listen(listener)
  }
}
