import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import pLimit from 'p-limit'
import { deviceHash, makeDeviceSecret } from '../../src/core/crypto/vault-env.ts'
import { openProject } from '../../src/providers/vault-env/project.ts'
import { type RunningVaultServer, serve } from '../../src/server/index.ts'
import { Bao } from './bao.ts'
import { canariesIn, canary, canaryFiles } from './canary.ts'
import { buildPackage, CliPlace, type Run, type RunOptions } from './cli.ts'
import {
  type Addresses,
  CASES,
  projectFiles,
  registered,
  type Tried,
  withJson,
  writeFiles,
} from './cli-faults.ts'
import type { Servers } from './servers.ts'
import { WireClient } from './vault-env.ts'

/** A project, and what the commands are given there. */
export interface FaultProject {
  readonly place: CliPlace
  readonly id: string
  readonly env: Readonly<Record<string, string>>
  /** A command line in front of the program's. */
  readonly wrap?: readonly string[]
  readonly uid?: number | undefined
  /** The command lines of its case. */
  readonly lines: readonly (readonly string[])[]
}

/** Real servers and as many projects as a test wants, each with secrets of its own at all of them. */
export class FaultWorld {
  readonly #name: string
  /** Some processes at once: each is busy for a tenth of a second, and waits for the rest. */
  readonly pool = pLimit(4)
  readonly #built: string
  readonly #servers: Servers
  readonly #vaultEnv: RunningVaultServer
  readonly bao: Bao
  readonly #aws: SecretsManagerClient
  /** Of everything that was written anywhere. */
  readonly values: string[] = []
  readonly #places: CliPlace[] = []
  readonly #printed: string[] = []
  #count = 0
  #shared: Promise<WireClient> | undefined

  private constructor(name: string, built: string, servers: Servers, vaultEnv: RunningVaultServer) {
    this.#name = name
    this.#built = built
    this.#servers = servers
    this.#vaultEnv = vaultEnv
    this.bao = new Bao(servers.bao)
    this.#aws = new SecretsManagerClient({
      region: 'eu-central-1',
      endpoint: servers.moto.url,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
  }

  static async start(name: string, servers: Servers): Promise<FaultWorld> {
    const built = await buildPackage(`${name}-package`)
    // The page that the package's build makes; what is in it is no matter here.
    const page = ['index.html', 'app.js', 'app.css'].map((file) => [`dist/dashboard/${file}`, ''])
    writeFiles(built, Object.fromEntries(page))
    const vaultEnv = await serve({ port: 0, rateLimit: 0, databaseUrl: 'file::memory:' })
    return new FaultWorld(name, built, servers, vaultEnv)
  }

  async stop(): Promise<void> {
    this.#aws.destroy()
    await this.#vaultEnv.close()
  }

  get addresses(): Addresses {
    return { vault: this.#servers.bao.url, aws: this.#servers.moto.url, vaultEnv: this.#vaultEnv.url }
  }

  secret(prefix?: string): string {
    const value = canary(prefix)
    this.values.push(value)
    return value
  }

  /** An empty folder, without a configuration and without a login. */
  empty(command: string): FaultProject {
    const { place, id } = this.#place(command)
    return { place, id, env: {}, lines: CASES[command]!.args(id) }
  }

  /** A project whose secrets are nowhere: its servers are somebody else. */
  lost(command: string, at: Addresses, timeout: number): FaultProject {
    const { place, id } = this.#place(command)
    const key = `vk_${id}_${randomBytes(32).toString('hex')}`
    this.values.push(key)
    return this.#furnish(command, place, id, at, timeout, key)
  }

  /** A project in which everything works. */
  async sound(command: string): Promise<FaultProject> {
    const { place, id } = this.#place(command)
    const value = this.secret()
    await this.bao.write2('secret', `faults/${id}`, { value: 'first' })
    await this.bao.write2('secret', `faults/${id}`, { value })
    await this.#aws.send(new CreateSecretCommand({ Name: `faults-${id}`, SecretString: 'first' }))
    await this.#aws.send(new PutSecretValueCommand({ SecretId: `faults-${id}`, SecretString: this.secret() }))
    // Whoever registers a device, or makes versions, must not be in the way of others.
    const wire = await (/device|vault-env/.test(command)
      ? this.#vaultEnvProject()
      : (this.#shared ??= this.#vaultEnvProject()))
    const project = this.#furnish(command, place, id, this.addresses, 60_000, wire.key)
    if (!/(approve|revoke)-device/.test(command)) return project
    const registered = await wire.signed('devices/register', {
      device_name: 'first',
      device_hash: deviceHash(makeDeviceSecret()),
    })
    const lines = project.lines.map((line) =>
      line.map((word) => (word === 'DEVICE' ? String(registered.body.device_id) : word)),
    )
    return { ...project, lines }
  }

  /** The same project for somebody without rights. */
  locked(project: FaultProject, token: string): FaultProject {
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...env } = project.env
    const key = env.VAULT_KEY?.replace(/[^_]+$/, randomBytes(32).toString('hex'))
    return { ...project, env: { ...env, VAULT_TOKEN: token, ...(key && { VAULT_KEY: key }) } }
  }

  /** Runs a command line of a project; what it prints is searched at the end. */
  async run(project: FaultProject, line: readonly string[], options: RunOptions = {}): Promise<Run> {
    const { place, env, wrap = [], uid } = project
    const run = await place.reveal(line, { wrap, uid, ...options, env: { ...env, ...options.env } })
    this.#printed.push(run.stdout, run.stderr)
    return run
  }

  /**
   * Every command of the table that there is, in a project of its own.
   * @param how.every all its command lines, not only the first
   * @param how.staying also those that run until they are stopped
   */
  async tryAll(
    project: (command: string) => FaultProject | Promise<FaultProject>,
    {
      every = false,
      json = false,
      staying = true,
    }: { every?: boolean; json?: boolean; staying?: boolean } = {},
  ): Promise<Tried[]> {
    const { known } = registered()
    const rows = Object.entries(CASES).filter(([command, { stays }]) => known(command) && (staying || !stays))
    const tried = rows.map(([command, row]) =>
      this.pool(async () => {
        const made = await project(command)
        const runs: Tried[] = []
        for (const words of every ? made.lines : made.lines.slice(0, 1)) {
          const line = json ? withJson(words) : words
          const run = await this.run(made, line, {
            input: row.input ?? '',
            started: (child) => {
              if (row.stays) child.stdout!.once('data', () => child.kill('SIGTERM'))
            },
          })
          runs.push({ command, row, line, run, project: made })
        }
        return runs
      }),
    )
    return (await Promise.all(tried)).flat()
  }

  /** Places where a value stands that was to stay hidden. */
  leaks(): { printed: number[]; files: string[] } {
    const printed = canariesIn(this.#printed.join('\n'), this.values)
    // What a command was told to write in clear.
    const meant = /\/(pulled\.env|page\.txt|\.env|new\.env|push\.env)$/
    const files = this.#places.flatMap(({ folder }) =>
      canaryFiles(folder, this.values).filter((file) => !meant.test(file)),
    )
    return { printed, files }
  }

  async #vaultEnvProject(): Promise<WireClient> {
    const wire = await new WireClient(this.#vaultEnv.url).start()
    this.values.push(wire.key)
    for (const environment of ['development', 'production'])
      await openProject({
        url: wire.url,
        key: wire.key,
        deviceSecret: null,
        context: { environment, signal: AbortSignal.timeout(60_000), userAgent: 'test' },
      }).push({ SHARED_ONE: this.secret() }, ['SHARED_ONE'])
    return wire
  }

  #place(command: string): { place: CliPlace; id: string } {
    this.#count += 1
    const id = `${this.#name}-${this.#count}-${randomBytes(4).toString('hex')}`
    const program = command.startsWith('vault-env ') ? 'vault-env' : 'main'
    const place = new CliPlace(join(this.#name, String(this.#count)), this.#built, program)
    this.#places.push(place)
    return { place, id }
  }

  #furnish(
    command: string,
    place: CliPlace,
    id: string,
    at: Addresses,
    timeout: number,
    key: string,
  ): FaultProject {
    writeFiles(place.root, { ...projectFiles(id, at, timeout), ...CASES[command]!.files?.(id) })
    // `vault-env init` makes a project of its own.
    const own = command === 'vault-env init' ? {} : { VAULT_KEY: key }
    if (command === 'vault-env push')
      writeFiles(place.root, { '.env': `VAULT_KEY=${key}\nA=${this.secret()}\n` })
    return {
      place,
      id,
      env: {
        VAULT_TOKEN: this.#servers.bao.token,
        VAULT_URL: at.vaultEnv,
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        AWS_EC2_METADATA_DISABLED: 'true',
        ...own,
      },
      lines: CASES[command]!.args(id),
    }
  }
}
