import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import type { Database, Query, Row, Step, Values } from './database.ts'
import { KINDS, STATEMENTS } from './statements.ts'

export interface Project {
  readonly id: string
  /** The key of its signatures; `undefined` until `set-key`. */
  readonly key: Buffer | undefined
}

export interface Device {
  readonly id: string
  readonly status: string
}

/** What a request of a project meets. */
export interface Access {
  /** `undefined`: there is none of that name. */
  readonly environmentId: string | undefined
  readonly hasDevices: boolean
  /** The one that asks, if the project knows it. */
  readonly device: Device | undefined
  /** Of a pull, where something is stored: the text that answers it, which all who pull the same may share. */
  readonly latest: Uint8Array<ArrayBuffer> | undefined
}

/** Where a request goes, and from which device. */
export interface Wanted {
  readonly project: string
  readonly environment: string
  readonly deviceHash: string | undefined
}

/** Who asks, for the audit log. */
export interface Caller {
  readonly ip: string | null
  readonly userAgent: string | null
}

const ENVIRONMENTS = ['development', 'staging', 'production']
/** How many projects' keys are kept in memory, and of how many devices when they were here. */
const KEPT = 10_000
/** How often signatures that are too old are forgotten, in ms. */
const FORGET_INTERVAL = 60_000
/** How exact `last_seen_at` is, in ms: it is not worth a write for each of many pulls at once. */
const SEEN_STEP = 1000

/** What the server keeps. Any number of them may stand before one database. */
export class Store {
  readonly #database: Database
  readonly #queries: Readonly<Record<keyof typeof STATEMENTS, Query>>
  /** Keys are set once and never changed, so nothing has to be forgotten here. */
  readonly #projects = new Map<string, Project>()
  /** What a row says; a database may give the same one again. */
  readonly #accesses = new WeakMap<Row, Access>()
  /** When it was last written that a device was here, in Unix ms. */
  readonly #seenAt = new Map<string, number>()
  #forgottenAt = 0

  constructor(database: Database) {
    this.#database = database
    this.#queries = Object.fromEntries(
      Object.entries(STATEMENTS).map(([name, statement]) => [
        name,
        database.prepare(statement, KINDS[name as keyof typeof STATEMENTS]),
      ]),
    ) as Record<keyof typeof STATEMENTS, Query>
  }

  async createProject(name: string): Promise<{ id: string; environments: string[] }> {
    const id = randomUUID()
    await this.#queries.createProject.run({ id, name, now: now() })
    for (const environment of ENVIRONMENTS) await this.makeEnvironment(id, environment)
    return { id, environments: [...ENVIRONMENTS] }
  }

  project(id: string): Project | Promise<Project | undefined> {
    return this.#projects.get(id) ?? this.#readProject(id)
  }

  async #readProject(id: string): Promise<Project | undefined> {
    const [row] = await this.#queries.project.run({ id })
    if (!row) return undefined
    const { key_hash: hash } = row
    const project = { id, key: typeof hash === 'string' ? Buffer.from(hash, 'hex') : undefined }
    if (project.key) keep(this.#projects, id, project)
    return project
  }

  /** @returns whether it was set now; a key that is there stays. */
  async setKey(id: string, keyHash: string): Promise<boolean> {
    return (await this.#queries.setKey.run({ id, keyHash })).length > 0
  }

  async environment(project: string, name: string): Promise<string | undefined> {
    const [row] = await this.#queries.environment.run({ project, name })
    return row && String(row.id)
  }

  /** Finds it or makes it, also when somebody else does at the same moment. */
  async makeEnvironment(project: string, name: string): Promise<string> {
    await this.#queries.makeEnvironment.run({ id: randomUUID(), project, name })
    return (await this.environment(project, name))!
  }

  /** @returns `undefined` for a project that is not there any more */
  async access({ project, environment, deviceHash }: Wanted): Promise<Access | undefined> {
    const [row] = await this.#queries.access.run({ project, environment, deviceHash: deviceHash ?? null })
    return row && accessOf(row)
  }

  /**
   * `access`, and what is stored there: all that a pull needs. Where there is something, that is written to the
   * audit log in the same commit.
   * @param pass throws for who must not have it @returns what `access` does
   */
  async pull(
    { project, environment, deviceHash }: Wanted,
    caller: Caller,
    pass: (access: Access) => Access['device'],
  ): Promise<Access | undefined> {
    const { pull, seen, audit } = this.#queries
    let access: Access | undefined
    await pull.together({ project, environment, deviceHash: deviceHash ?? null }, ([row]) => {
      access = row && this.#accessIn(row)
      if (!access) return []
      const device = pass(access)
      const { environmentId, latest } = access
      const steps: Step[] = []
      if (device && this.#isSeenNow(device.id))
        steps.push({ query: seen, values: { id: device.id, now: now() } })
      if (environmentId !== undefined && latest)
        steps.push({ query: audit, values: auditLine(project, environmentId, 'pull', caller) })
      return steps
    })
    return access
  }

  #accessIn(row: Row): Access {
    let access = this.#accesses.get(row)
    if (!access) this.#accesses.set(row, (access = accessOf(row)))
    return access
  }

  /** The next version of an environment. @param changedKeys names, where the client tells them */
  async push(environment: string, blob: string, changedKeys: readonly string[] | null): Promise<number> {
    const names = changedKeys === null ? null : JSON.stringify(changedKeys)
    const values = { id: timedId(), environment, blob, names, now: now() }
    const [row] = await this.#queries.push.alone(environment, values)
    return Number(row!.version)
  }

  async currentVersion(environment: string): Promise<{ version: number; updatedAt: string } | undefined> {
    const [row] = await this.#queries.currentVersion.run({ environment })
    return row && { version: Number(row.version), updatedAt: String(row.created_at) }
  }

  /** The last 50, newest first. */
  versions(environment: string): readonly Row[] | Promise<readonly Row[]> {
    return this.#queries.versions.run({ environment })
  }

  async blobOf(environment: string, version: number): Promise<string | undefined> {
    const [row] = await this.#queries.blob.run({ environment, version })
    return row && String(row.encrypted_blob)
  }

  async register(project: string, name: string, hash: string): Promise<Device> {
    await this.#queries.register.alone(project, { id: randomUUID(), project, name, hash, now: now() })
    const [row] = await this.#queries.device.run({ project, hash })
    return { id: String(row!.id), status: String(row!.status) }
  }

  /** That a device has passed the gate. @returns when it is written, where it has to be */
  seen(id: string): Promise<unknown> | undefined {
    return this.#isSeenNow(id) ? this.#queries.seen.together({ id, now: now() }) : undefined
  }

  /** Whether it has to be written that a device is here. */
  #isSeenNow(id: string): boolean {
    const time = Date.now()
    const last = this.#seenAt.get(id)
    if (last !== undefined && time - last < SEEN_STEP) return false
    keep(this.#seenAt, id, time)
    return true
  }

  async approve(project: string, id: string): Promise<boolean> {
    return (await this.#queries.approve.run({ project, id, now: now() })).length > 0
  }

  async revoke(project: string, id: string): Promise<boolean> {
    return (await this.#queries.revoke.run({ project, id })).length > 0
  }

  devices(project: string): readonly Row[] | Promise<readonly Row[]> {
    return this.#queries.devices.run({ project })
  }

  /** @returns when it is written */
  audit(project: string, environment: string | null, action: string, caller: Caller): Promise<unknown> {
    return this.#queries.audit.together(auditLine(project, environment, action, caller))
  }

  /** Remembers a signature until it is too old anyway. @returns whether it is new */
  async firstUse(project: string, digest: string, expires: number): Promise<boolean> {
    const time = Date.now()
    if (time - this.#forgottenAt >= FORGET_INTERVAL) {
      this.#forgottenAt = time
      await this.#queries.forget.run({ now: time })
    }
    return (await this.#queries.remember.run({ project, digest, expires })).length > 0
  }

  /** Answers whether the database does. */
  async ping(): Promise<void> {
    await this.#queries.ping.run()
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

function accessOf(row: Row): Access {
  const { version, encrypted_blob: blob } = row
  const id = text(row.device_id)
  return {
    environmentId: text(row.environment_id),
    hasDevices: Number(row.has_devices) === 1,
    device: id === undefined ? undefined : { id, status: String(row.status) },
    latest:
      typeof blob === 'string'
        ? Buffer.from(JSON.stringify({ secrets: blob, version: Number(version) }))
        : undefined,
  }
}

function auditLine(
  project: string,
  environment: string | null,
  action: string,
  { ip, userAgent }: Caller,
): Values {
  return { id: timedId(), project, environment, action, ip, userAgent, now: now() }
}

/** Sets it; the oldest goes where there are too many. */
function keep<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= KEPT && !map.has(key)) map.delete(map.keys().next().value!)
  map.set(key, value)
}

/** The texts of a moment, which many requests share. */
let moment = { time: 0, iso: '', idStart: '' }

function thisMoment(): typeof moment {
  const time = Date.now()
  if (time === moment.time) return moment
  const digits = time.toString(16).padStart(12, '0')
  moment = { time, iso: new Date(time).toISOString(), idStart: `${digits.slice(0, 8)}-${digits.slice(8)}-7` }
  return moment
}

function now(): string {
  return thisMoment().iso
}

/** A UUID of version 7 (RFC 9562): its time comes first, so rows that are added together lie together in an index. */
function timedId(): string {
  return thisMoment().idStart + randomUUID().slice(15)
}

function text(value: Row[string] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
