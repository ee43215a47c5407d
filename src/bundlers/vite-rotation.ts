import { basename } from 'node:path'
import type { DevEnvironment, ErrorPayload, HtmlTagDescriptor, ViteDevServer } from 'vite'
import { SecretsError } from '../core/errors.ts'
import { CLIENT_ID, SERVER_ID } from '../core/expose/ids.ts'
import { changedNames, type Snapshot } from '../core/snapshot.ts'
import type { HostListener } from '../dashboard/host.ts'
import type { Session, SessionPlace } from './session.ts'
import { RECOVERED } from './session-lines.ts'
import { keepRunning } from './vite-env-files.ts'

/** What a page was given, to be compared with what it would be given now. */
interface Picture {
  readonly failed: boolean
  /** Names and what may be done with them: where these differ, every module has to be looked at anew. */
  readonly shape: string
  readonly client: ReadonlyMap<string, string>
  readonly serverModule: string | undefined
}

export interface RotationOptions {
  readonly server: ViteDevServer
  readonly session: Session
  readonly place: SessionPlace
  /** The names that a page shows by itself, by page. */
  readonly shownIn: () => Iterable<readonly string[]>
}

const noop = (): void => {}

/**
 * Brings changes of values and of the configuration into a running dev server, which is never restarted for
 * them. What crosses to browsers are the new module, asked for as any other, and names of the client list.
 * @returns `undefined` where nobody works on the project while it runs
 */
export function followChanges(options: RotationOptions): Rotation | undefined {
  const { server, session } = options
  // Tools that only load modules, such as a test run, do not watch.
  if (server.config.server.watch === null) return undefined
  if (session.config.watch.enabled) keepRunning(server, session)
  const rotation = new Rotation(options)
  const start = (): void => {
    setImmediate(() => {
      if (!session.isClosed) rotation.start()
    })
  }
  if (server.httpServer) server.httpServer.once('listening', start)
  else start()

  const isConfig = (file: string): boolean =>
    session.config.files.includes(file) || /^secrets\.(config\.\w+|links\.json)$/.test(basename(file))
  server.watcher.add([...session.config.files])
  let timer: NodeJS.Timeout | undefined
  for (const event of ['add', 'change', 'unlink'] as const) {
    server.watcher.on(event, (file) => {
      if (!isConfig(file)) return
      clearTimeout(timer)
      timer = setTimeout(() => {
        rotation.reconfigure().catch((error: unknown) => rotation.fail(error))
      }, 50).unref()
    })
  }
  return rotation
}

/** What changes while a dev server runs, and how it gets into the app. */
export class Rotation {
  readonly #server: ViteDevServer
  readonly #session: Session
  readonly #place: SessionPlace
  readonly #shownIn: RotationOptions['shownIn']
  /** One change at a time. */
  #turn: Promise<void> = Promise.resolve()
  /** What the overlay shows. */
  #shown: ErrorPayload | undefined
  readonly #listeners = new Set<HostListener>()
  /** How often values of clients have changed. */
  #round = 0

  constructor({ server, session, place, shownIn }: RotationOptions) {
    this.#server = server
    this.#session = session
    this.#place = place
    this.#shownIn = shownIn
  }

  get #client(): DevEnvironment {
    return this.#server.environments.client
  }

  start(): void {
    const session = this.#session
    // For pages that are opened later.
    this.#client.hot.on('vite:client:connect', (_data, client) => {
      if (this.#shown) client.send(this.#shown)
    })
    // What was sent while a page did not listen yet is lost; so each says what it has when it does.
    this.#client.hot.on('secrets:served', ({ round }: { round: number }) => {
      if (round !== this.#round) void updateClient(this.#client, [...session.names], false)
    })
    this.#client.hot.on('secrets:shown', ({ round }: { round: number }, client) => {
      if (round !== this.#round) client.send({ type: 'full-reload', path: '*' })
    })
    void session
      .watch({
        onChange: (names, snapshot) => this.#inTurn(() => this.#rotate(names, snapshot)),
        onError: (error) => {
          // Said at the start already, and by whatever asks for a value.
          if (!session.failure) this.fail(error)
          else this.#tell((listener) => listener.failed(error))
        },
        onRecover: () => {
          session.tellProblem(undefined)
          this.#tell((listener) => listener.failed(undefined))
          this.#heal()
        },
        onAsked: (provider, error) => this.#tell((listener) => listener.asked(provider, error)),
      })
      .catch((error: unknown) => this.fail(error))
  }

  /** What the client module says of itself, to be told when it changed while its page was loading. */
  get mark(): string {
    return `import.meta.hot?.send('secrets:served', { round: ${this.#round} })\n`
  }

  /**
   * The same for a page that shows values by itself. Vite makes a module of the script, which every page at this
   * address shares, so what this page has stands outside of it.
   */
  get pageMark(): HtmlTagDescriptor[] {
    const read = `document.querySelector('meta[name="secrets-shown"]').content`
    const children = `import.meta.hot?.send('secrets:shown', { round: Number(${read}) })`
    return [
      { tag: 'meta', attrs: { name: 'secrets-shown', content: String(this.#round) } },
      { tag: 'script', attrs: { type: 'module' }, children },
    ]
  }

  /** @returns how to end that */
  listen(listener: HostListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(what: (listener: HostListener) => void): void {
    for (const listener of this.#listeners) what(listener)
  }

  /** Asks providers anew. @throws SecretsError; what there was before is kept then */
  async refresh(names?: readonly string[]): Promise<void> {
    const session = this.#session
    const snapshot = await session.reload(names)
    await this.#inTurn(async () => {
      // The watch has told already what differs. What does not is younger now.
      if (session.snapshot !== snapshot)
        await this.#rotate(changedNames(session.snapshot, snapshot), snapshot)
    })
  }

  /**
   * The configuration was edited, or another profile is to be used.
   * @param profile `null`: none. Default: as before
   * @throws SecretsError; what there was before is kept then
   */
  reconfigure(profile?: string | null): Promise<void> {
    return this.#inTurn(async () => {
      const before = pictureOf(this.#session)
      const { snapshot } = this.#session
      await this.#session.prepare(this.#place, profile)
      this.#server.watcher.add([...this.#session.config.files])
      this.#heal()
      await this.#bring(before)
      const names = changedNames(snapshot, this.#session.snapshot)
      this.#tell((listener) => listener.rotated(names))
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(noop)
    return done
  }

  async #rotate(names: readonly string[], snapshot: Snapshot): Promise<void> {
    const before = pictureOf(this.#session)
    await this.#session.accept(snapshot)
    this.#heal()
    await this.#bring(before)
    // Vite may clear the screen with what it says of an update: so this comes last.
    if (before.failed) this.#place.logger.info(RECOVERED)
    else if (names.length > 0) this.#session.tellChanged(names)
    this.#tell((listener) => listener.rotated(names))
  }

  /** Brings what differs to where it is used. */
  async #bring(before: Picture): Promise<void> {
    const after = pictureOf(this.#session)
    const names = [...after.client].flatMap(([name, text]) => (before.client.get(name) === text ? [] : name))
    const isOther = before.failed || before.shape !== after.shape
    if (isOther || names.length > 0) this.#round++
    if (isOther) {
      for (const { moduleGraph } of Object.values(this.#server.environments)) moduleGraph.invalidateAll()
      this.#client.hot.send({ type: 'full-reload', path: '*' })
      return
    }
    const isInPage = [...this.#shownIn()].some((shown) => shown.some((name) => names.includes(name)))
    const updates: (Promise<void> | undefined)[] = []
    for (const environment of Object.values(this.#server.environments)) {
      if (environment.config.consumer === 'client') updates.push(updateClient(environment, names, isInPage))
      else updateServer(environment, names, before.serverModule !== after.serverModule)
    }
    if (names.length > 0) {
      if (isInPage) this.#client.hot.send({ type: 'full-reload', path: '*' })
      else this.#client.hot.send({ type: 'custom', event: 'secrets:update', data: { names } })
    }
    await Promise.all(updates)
  }

  /** In the terminal and, unless the work goes on with the values there are, over the page. */
  fail(error: unknown): void {
    this.#report(error)
    if (error instanceof SecretsError) this.#tell((listener) => listener.failed(error))
  }

  #report(error: unknown): void {
    const known = error instanceof SecretsError ? error.format() : String((error as Error).message)
    const { logger } = this.#server.config
    if (error instanceof SecretsError && error.transient) {
      this.#session.tellProblem(error)
      return
    }
    logger.error(`[secrets] ${known}`, { timestamp: true })
    // A page whose first message is an error takes the next update for a reason to load itself anew.
    if (!this.#shown) this.#client.hot.send({ type: 'update', updates: [] })
    this.#shown = { type: 'error', err: { message: known, stack: '', plugin: 'unplugin-secrets' } }
    this.#client.hot.send(this.#shown)
  }

  /** What was shown is over. */
  #heal(): void {
    if (!this.#shown) return
    this.#shown = undefined
    this.#client.hot.send({ type: 'update', updates: [] })
  }
}

function pictureOf(session: Session): Picture {
  const { names, client, policy } = session.exposure
  return {
    failed: session.failure !== undefined,
    shape: JSON.stringify([
      names,
      names.filter((name) => policy.allows(name)),
      [...client.values.keys()],
      session.config.replaceProcessEnv,
    ]),
    client: new Map([...client.values].map(([name, value]) => [name, JSON.stringify(value) ?? ''])),
    serverModule: session.serve('server').moduleFor(SERVER_ID),
  }
}

/** @param reloads whether the page is loaded anew anyway */
function updateClient(
  environment: DevEnvironment,
  names: readonly string[],
  reloads: boolean,
): Promise<void> | undefined {
  const module = environment.moduleGraph.getModuleById(`\0${CLIENT_ID}`)
  if (!module || names.length === 0) return undefined
  if (!reloads && environment.config.server.hmr !== false) return environment.reloadModule(module)
  environment.moduleGraph.invalidateModule(module)
  return undefined
}

/**
 * The bindings have their new values already. What imported them runs anew when it is next asked for, so that
 * what it made of the old ones (a pool, a client) is made again; the module of the bindings itself stays,
 * because code that is still running looks at it.
 */
function updateServer({ moduleGraph }: DevEnvironment, names: readonly string[], isOther: boolean): void {
  const server = moduleGraph.getModuleById(`\0${SERVER_ID}`)
  if (server && isOther) moduleGraph.invalidateModule(server)
  else for (const importer of server?.importers ?? []) moduleGraph.invalidateModule(importer)
  const client = moduleGraph.getModuleById(`\0${CLIENT_ID}`)
  if (client && names.length > 0) moduleGraph.invalidateModule(client)
}
