import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { configCandidates, findConfig } from '../core/config/find.ts'
import { linksFile } from '../core/config/links.ts'
import { reasonOf, SecretsError } from '../core/errors.ts'
import { defaultTypesFile } from '../core/expose/types-file.ts'
import { mentionsOf } from '../core/mentions.ts'
import { closeOther, createSecrets, type Secrets, type SecretsOptions } from '../core/pipeline.ts'
import { findReaders } from '../core/readers.ts'
import { signalRefresh } from '../core/refresh-signal.ts'
import { changedNames, type Snapshot } from '../core/snapshot.ts'
import type { Watch } from '../core/watch.ts'
import { watchFiles } from '../core/watch-files.ts'
import type { DashboardHost, HostListener } from './host.ts'

/** How long (ms) a look through the sources is as good as a new one. */
const LOOK_LASTS = 10_000
const SOURCES = /\.([cm]?[jt]sx?|vue|svelte|astro|html?|mdx?)$/
/** What builds write, where nobody said otherwise. */
const BUILT = [
  'dist',
  'build',
  'out',
  'coverage',
  '.next',
  '.nuxt',
  '.output',
  '.svelte-kit',
  '.astro',
  '.vite',
]

const noop = (): void => {}

/** A project on its own, without a dev server: what `secrets dashboard` looks at. */
export class ProjectHost implements DashboardHost {
  readonly #given: SecretsOptions
  readonly #listeners = new Set<HostListener>()
  #profile: string | null | undefined
  #secrets: Secrets | undefined
  #snapshot: Snapshot | undefined
  #failure: SecretsError | undefined
  #watch: Watch | undefined
  #unwatchFiles: () => void = noop
  /** Which files are watched. */
  #watched = ''
  /** How the files were when they were read: one that is young is told of without having changed. */
  #read = ''
  /** One opening at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #looked: { readonly at: number; readonly key: string; readonly found: Map<string, string[]> } | undefined
  #isClosed = false

  constructor(options: SecretsOptions = {}) {
    this.#given = options
  }

  /** Reads configuration and values. What that meets is the host's `failure`; both are looked for again when they change. */
  async open(): Promise<void> {
    try {
      this.#secrets = await this.#create()
      await this.#load(this.#secrets).catch((error: unknown) => this.#fail(error))
      await this.#follow(this.#secrets)
    } catch (error) {
      this.#fail(error)
    }
    this.#followFiles()
  }

  get secrets(): Secrets | undefined {
    return this.#secrets
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  get failure(): SecretsError | undefined {
    return this.#failure
  }

  get options(): SecretsOptions {
    const profile = this.#profile
    if (profile === undefined) return this.#given
    return profile === null ? { ...this.#given, withoutProfile: true } : { ...this.#given, profile }
  }

  async refresh(names?: readonly string[]): Promise<void> {
    const secrets = this.#secrets
    if (!secrets || !this.#watch) return this.reconfigure()
    await this.#turn
    this.#looked = undefined
    // The dev servers of other bundlers look too.
    await signalRefresh(secrets.config.root).catch(noop)
    this.#use(await this.#watch.reload(names ?? true))
  }

  useProfile(name: string | null): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#profile
      this.#profile = name
      try {
        await this.#reopen()
      } catch (error) {
        this.#profile = before
        throw error
      }
    })
  }

  reconfigure(): Promise<void> {
    return this.#inTurn(() => this.#reopen())
  }

  async usedIn(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { config } = this.#secrets!
    const key = names.join()
    if (this.#looked?.key !== key || Date.now() - this.#looked.at > LOOK_LASTS) {
      const { root, files: configs, types } = config
      const mentions = mentionsOf(names)
      const own = new Set([
        ...configs,
        resolve(root, typeof types === 'string' ? types : defaultTypesFile(root)),
      ])
      const reads = (text: string): boolean => /virtual:secrets|\benv\b|%\w+%/.test(text)
      const skip = new Set(BUILT.map((folder) => resolve(root, folder)))
      const found = new Map<string, string[]>()
      for (const file of findReaders(root, { words: names, reads, skip }).files) {
        if (own.has(file) || !SOURCES.test(file)) continue
        const text = await readFile(file, 'utf8').catch(() => '')
        const module = relative(root, file).replaceAll('\\', '/')
        for (const name of mentions(text)) found.set(name, [...(found.get(name) ?? []), module].sort())
      }
      this.#looked = { at: Date.now(), key, found }
    }
    return this.#looked.found
  }

  listen(listener: HostListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatchFiles()
    this.#watch?.stop()
    await this.#secrets?.close()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(noop)
    return done
  }

  /** What there was stays until the other configuration has given its values. */
  async #reopen(): Promise<void> {
    const secrets = await this.#create()
    const before = this.#secrets
    try {
      await this.#load(secrets)
    } catch (error) {
      // Where there was nothing to keep, its names are worth showing.
      if (this.#snapshot && before) {
        closeOther(secrets, before)
        throw error
      }
      this.#fail(error)
    }
    this.#secrets = secrets
    this.#looked = undefined
    this.#watch?.stop()
    if (before) closeOther(before, secrets)
    await this.#follow(secrets)
    this.#followFiles()
    for (const listener of this.#listeners) listener.changed()
    if (this.#failure) throw this.#failure
  }

  #create(): Promise<Secrets> {
    this.#read = stampOf(configFiles(this.#given))
    return createSecrets(this.options)
  }

  async #load(secrets: Secrets): Promise<void> {
    const snapshot = await secrets.load()
    this.#secrets = secrets
    this.#use(snapshot)
  }

  #use(snapshot: Snapshot): void {
    const names = changedNames(this.#snapshot, snapshot)
    const isFirst = this.#snapshot === undefined && this.#failure === undefined
    this.#snapshot = snapshot
    this.#failure = undefined
    for (const listener of this.#listeners) {
      listener.failed(undefined)
      if (!isFirst) listener.rotated(names)
      listener.changed()
    }
  }

  async #follow(secrets: Secrets): Promise<void> {
    const { enabled } = secrets.config.watch
    const watch = await secrets.watch({
      ...(this.#snapshot && { from: this.#snapshot }),
      ...(!enabled && { interval: Infinity, only: () => false }),
      onChange: (_names, snapshot) => this.#use(snapshot),
      onError: (error) => this.#tell((listener) => listener.failed(error)),
      onRecover: () => this.#tell((listener) => listener.failed(undefined)),
      onAsked: (provider, error) => this.#tell((listener) => listener.asked(provider, error)),
    })
    if (this.#isClosed) watch.stop()
    else this.#watch = watch
  }

  #followFiles(): void {
    const files = configFiles(this.#given)
    if (this.#isClosed || this.#watched === files.join()) return
    this.#watched = files.join()
    this.#unwatchFiles()
    this.#unwatchFiles = watchFiles(files, () => {
      if (this.#read === stampOf(configFiles(this.#given))) return
      this.reconfigure().catch((error: unknown) => {
        if (error instanceof SecretsError) this.#tell((listener) => listener.failed(error))
      })
    })
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof SecretsError
        ? error
        : new SecretsError('REQUEST_REFUSED', `Reading failed: ${reasonOf(error)}.`)
    this.#tell((listener) => listener.failed(this.#failure))
  }

  #tell(what: (listener: HostListener) => void): void {
    for (const listener of this.#listeners) what(listener)
  }
}

/** What is read for the configuration, and what may yet come. */
function configFiles({ root = process.cwd(), configFile }: SecretsOptions): string[] {
  const found = findConfig(root)
  const files = configFile
    ? [resolve(configFile)]
    : [...found.files.map(({ file }) => file), ...configCandidates(found.root)]
  return [...new Set([...files, linksFile(found.root)])]
}

function stampOf(files: readonly string[]): string {
  return JSON.stringify(
    files.map((file) => {
      const { mtimeMs, size, ino } = statSync(file, { throwIfNoEntry: false }) ?? {}
      return [file, mtimeMs, size, ino]
    }),
  )
}
