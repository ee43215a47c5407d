import { loadEnvironmentKey } from '../core/crypto/keys.ts'
import { SecretsError, throwProblems } from '../core/errors.ts'
import { createExposure, type Exposure, textsOf } from '../core/expose/exposure.ts'
import type { Sealer } from '../core/expose/sealer.ts'
import { type Serve, serveFor } from '../core/expose/serve.ts'
import type { Logger } from '../core/log.ts'
import { closeOther, createSecrets, type Secrets, type SecretsOptions } from '../core/pipeline.ts'
import { checkPrefixes, createPolicy } from '../core/policy.ts'
import { createRedactor, type Redactor, Secret } from '../core/redact.ts'
import { createScanner } from '../core/scan/scanner.ts'
import type { Scanner } from '../core/scan/types.ts'
import { codeValue, Snapshot } from '../core/snapshot.ts'
import type { Consumer } from '../core/types.ts'
import type { Watch, WatchOptions } from '../core/watch.ts'
import { provide } from '../runtime/store.ts'
import { readsPatterns } from './reads-patterns.ts'
import { RetiredValues } from './retired-values.ts'
import { RUNTIME_FILE, runtimeFile } from './runtime-file.ts'
import { changeLine, problemText, RECOVERED, startLine, transformsLine } from './session-lines.ts'
import { writeSessionTypes } from './session-types.ts'

/** What the bundler tells before anything is resolved. */
export interface SessionPlace {
  /** The bundler's root: where the configuration is looked for. */
  readonly root: string
  /** The bundler's mode, which names the environment where nothing else does. */
  readonly mode: string | undefined
  /** Prefixes of names that the bundler itself hands to browsers. */
  readonly prefixes: readonly string[]
  readonly logger: Logger
  /** Server code runs in this process and nothing is emitted, so nothing is sealed. Default `false`. */
  readonly dev?: boolean
}

/** The options of the plugin: a whole configuration, or a few settings over `secrets.config.*`. */
export type PluginOptions = Omit<SecretsOptions, 'logger' | 'mode'>

/**
 * One plugin instance from its first hook to its last: the configuration, the values split by graph, the
 * scanner. Bundlers differ in when they ask; what they get is the same.
 */
export class Session {
  readonly #options: PluginOptions
  #secrets: Secrets | undefined
  #exposure: Exposure | undefined
  #serves: Record<Consumer, Serve> | undefined
  #scanner: Scanner | undefined
  #snapshot: Snapshot | undefined
  #redactor: Redactor | undefined
  readonly #retired = new RetiredValues()
  #logger: Logger | undefined
  #sealer: Sealer | undefined
  #names: ReadonlySet<string> = new Set()
  #place: SessionPlace | undefined
  #reads: readonly RegExp[] = []
  #failure: SecretsError | undefined
  #watch: Watch | undefined
  #watching: WatchOptions | undefined
  #hasProblem = false
  #isClosed = false
  /** Chosen while it runs; `null`: none. Kept when the configuration is read anew. */
  #profile: string | null | undefined
  /**
   * Which modules are looked at: those in which a managed name stands, and those that compute a key. Filled
   * once the names are known and before the first module asks; until then nothing matches. Everything else
   * stays on the bundler's own side. In dev, where names may come later and modules are JavaScript's anyway,
   * all that could read an environment.
   */
  readonly readsFilter: { readonly include: RegExp[] } = { include: [/[^\s\S]/] }

  constructor(options: PluginOptions = {}) {
    this.#options = options
  }

  /**
   * May be called again: values, and the configuration, are then read anew. In dev a failure leaves what there
   * was before; at its start a provider that cannot be reached is no failure but the session's `failure`.
   * @param profile to go on with; `null`: none. Default: as before
   * @throws SecretsError for the configuration, the policy (before anything is fetched) or the secrets
   */
  async prepare(place: SessionPlace, profile = this.#profile): Promise<void> {
    this.#logger = place.logger
    this.#place = place
    this.#isClosed = false
    const before = this.#secrets
    const secrets = await createSecrets(this.#optionsFor(place, profile))
    this.#secrets = secrets
    try {
      await this.#resolve(secrets, place)
    } catch (error) {
      if (place.dev && this.#exposure && before) {
        this.#secrets = before
        closeOther(secrets, before)
      }
      throw error
    }
    this.#profile = profile
    if (before) closeOther(before, secrets)
    if (this.#watching) await this.watch(this.#watching)
  }

  /** What `secrets` was made with. */
  get options(): SecretsOptions {
    return this.#optionsFor(this.#place!, this.#profile)
  }

  #optionsFor(place: SessionPlace, profile: string | null | undefined): SecretsOptions {
    const { root, mode, dev, logger } = place
    return {
      root,
      ...this.#options,
      ...(mode === undefined ? {} : { mode }),
      ...(dev === undefined ? {} : { dev }),
      ...(profile === undefined ? {} : profile === null ? { withoutProfile: true } : { profile }),
      logger,
    }
  }

  async #resolve(secrets: Secrets, place: SessionPlace): Promise<void> {
    const { config } = secrets
    const isSealed = config.server === 'sealed' && !place.dev
    const key = isSealed ? loadEnvironmentKey() : undefined
    throwProblems(
      checkPrefixes([...config.secrets.keys()], createPolicy(config.client), place.prefixes),
      (count) => `${count} names contradict the client list:`,
    )
    const snapshot = await this.#load(secrets, place)
    this.#expose(snapshot, place.prefixes, isSealed)
    if (this.#failure) return
    if (key) {
      const { createSealer } = await import('../core/expose/sealer.ts')
      this.#sealer = createSealer(key, this.exposure.server.manifest.scope, textsOf(snapshot))
    }
    await writeSessionTypes(this.config, this.exposure.names, place.logger)
    place.logger.info(startLine(snapshot, this.exposure.client.values.size))
    // What is sealed is what the schema made.
    if (!isSealed) this.#warnOfTransforms(snapshot, place.logger)
  }

  async #load(secrets: Secrets, { dev, logger }: SessionPlace): Promise<Snapshot> {
    try {
      const snapshot = await secrets.load()
      this.#failure = undefined
      return snapshot
    } catch (error) {
      const mayPass = error instanceof SecretsError && error.transient
      if (!dev || !mayPass || (this.#exposure && !this.#failure)) throw error
      this.#failure = error
      logger.warn(`${error.format()}\n  The server starts without values, and asks again.`)
      return new Snapshot(secrets.config.environment, secrets.config.profile, new Map())
    }
  }

  /**
   * Puts the values of another moment in place, in dev.
   * @throws SecretsError when the policy refuses them; what there was before is kept then
   */
  async accept(snapshot: Snapshot): Promise<void> {
    const { names } = this.exposure
    this.#expose(snapshot, this.#place!.prefixes, false, true)
    if (this.exposure.names.join() !== names.join())
      await writeSessionTypes(this.config, this.exposure.names, this.#place!.logger)
  }

  /** Why there are no values, in dev. They come when the provider does. */
  get failure(): SecretsError | undefined {
    return this.#failure
  }

  /** Tells changes until `close`, also across a second `prepare`. Not where the configuration says `watch: false`. */
  async watch(how: WatchOptions): Promise<void> {
    this.#watching = how
    this.#watch?.stop()
    this.#watch = undefined
    if (!this.config.watch.enabled) return
    const watch = await this.#secrets!.watch(how)
    // Closed, or begun anew, in this moment.
    if (this.#watching === how && !this.#watch) this.#watch = watch
    else watch.stop()
  }

  /**
   * Asks providers anew, for everything or some names. Where the session watches, what differs is told to the
   * watch's `onChange` first.
   * @throws SecretsError
   */
  async reload(names?: readonly string[]): Promise<Snapshot> {
    return this.#watch ? this.#watch.reload(names ?? true) : this.#secrets!.load({ refresh: names ?? true })
  }

  tellChanged(names: readonly string[]): void {
    this.#logger?.info(changeLine(names))
  }

  /** What keeps new values away; the ones there are stay. `undefined`: it is over. */
  tellProblem(error: SecretsError | undefined): void {
    if (error) this.#logger?.warn(problemText(error))
    else if (this.#hasProblem) this.#logger?.info(RECOVERED)
    this.#hasProblem = error !== undefined
  }

  /** Whether a module could read a managed name. */
  mayRead(code: string): boolean {
    return this.#reads.some((pattern) => pattern.test(code))
  }

  #expose(
    snapshot: Snapshot,
    prefixes: readonly string[],
    isSealed: boolean,
    isWhole = !this.#failure,
  ): void {
    const exposure = createExposure(this.config, snapshot, prefixes)
    if (isWhole) this.#failure = undefined
    if (this.#place?.dev && this.#snapshot) this.#retired.add(this.#snapshot, this.exposure)
    this.#snapshot = snapshot
    this.#exposure = exposure
    // A watching build comes here again, with other values.
    this.#scanner = undefined
    this.#redactor = undefined
    this.#names = new Set(exposure.names)
    this.#serves = { client: serveFor('client', exposure), server: serveFor('server', exposure, isSealed) }
    this.#reads = readsPatterns(exposure.names)
    this.readsFilter.include.splice(0, Infinity, ...(this.#place?.dev ? [/env/] : this.#reads))
    if (!isWhole) return
    // Server code that runs in this process (dev, prerendering) finds its values here.
    provide(
      exposure.server.manifest.scope,
      Object.fromEntries(exposure.names.map((name) => [name, codeValue(snapshot, name)])),
    )
  }

  /**
   * Names whose plain reads may be left to a bundler that can replace them: those that every graph may have. None where
   * not every read would mean the same, or somebody has to be told of each.
   */
  plainReads(): ReadonlySet<string> {
    const { replaceProcessEnv, manifest } = this.config
    if (replaceProcessEnv || manifest !== false || this.isSealed) return new Set()
    return new Set([...this.exposure.client.values.keys()].filter((name) => /^[A-Za-z_$][\w$]*$/.test(name)))
  }

  /** Whether the configuration is known, which it is before the values are. */
  get isConfigured(): boolean {
    return this.#secrets !== undefined
  }

  get secrets(): Secrets | undefined {
    return this.#secrets
  }

  get config(): Secrets['config'] {
    return this.#secrets!.config
  }

  /** Every managed name. */
  get names(): ReadonlySet<string> {
    return this.#names
  }

  get exposure(): Exposure {
    return this.#exposure!
  }

  get snapshot(): Snapshot {
    return this.#snapshot!
  }

  serve(consumer: Consumer): Serve {
    return this.#serves![consumer]
  }

  /**
   * A server output with the values that it needs, sealed; each file by itself, before its hash is taken.
   * @returns nothing where there is nothing to seal
   */
  seal(code: string, options: { map: boolean }): ReturnType<Sealer['seal']> {
    return this.#sealer?.seal(code, options)
  }

  /** The same as places in the output, for bundlers whose sources make maps of them. @param uses whether a name is needed */
  sealPlaces(code: string, uses?: (name: string) => boolean): ReturnType<Sealer['places']> {
    return this.#sealer?.places(code, uses)
  }

  /** A server module whose text tells sealed values apart, where hashes are taken before `seal`. */
  stamp(module: string): string {
    return this.#sealer?.stamp(module) ?? module
  }

  /** Whether server outputs carry their values. */
  get isSealed(): boolean {
    return this.#sealer !== undefined
  }

  /** What server modules import to fill their bindings. @param edge for runtimes that may lack Node's crypto */
  runtimeFile(edge: boolean): string {
    if (!this.#sealer) return RUNTIME_FILE
    return runtimeFile(edge ? 'sealed-edge' : 'sealed-node')
  }

  /** Made at the first output: a dev server needs none before it answers. */
  scanner(): Scanner {
    this.#scanner ??= this.#newScanner()
    return this.#scanner
  }

  #newScanner(): Scanner {
    const scanner = createScanner(this.#retired.with(this.#snapshot!, this.exposure))
    const blind = scanner.unscannable.map(({ name, reason }) => `${name} (${reason})`)
    if (blind.length > 0) this.#logger?.warn(`Not scanned for: ${blind.join(', ')}.`)
    return scanner
  }

  /** A text about to be shown, without any value that may stand in the source it quotes. */
  redact(text: string): string {
    this.#redactor ??= createRedactor(
      this.#retired
        .with(this.#snapshot!, this.exposure)
        // Numbers and flags of JSON documents would blot out half of the code.
        .filter(({ text }) => text.length >= 8)
        .map(({ name, text }) => new Secret(name, text)),
    )
    return this.#redactor.apply(text)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#watching = undefined
    this.#watch?.stop()
    await this.#secrets?.close()
  }

  #warnOfTransforms(snapshot: Snapshot, logger: Logger): void {
    const changed = this.exposure.names.filter((name) => {
      return snapshot.meta(name)?.transformed && !this.exposure.client.values.has(name)
    })
    if (changed.length > 0) logger.warn(transformsLine(changed))
  }
}
