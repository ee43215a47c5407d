import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Database, Row } from './database.ts'

export interface Project {
  readonly id: string
  /** The key of its signatures in hex; `null` until `set-key`. */
  readonly keyHash: string | null
}

export interface Device {
  readonly id: string
  readonly status: 'approved' | 'pending' | 'revoked'
}

/** Who asks, for the audit log. */
export interface Caller {
  readonly ip: string | null
  readonly userAgent: string | null
}

const ENVIRONMENTS = ['development', 'staging', 'production']
const VERSIONS_SHOWN = 50

/** Every statement that the server runs, and nothing else. Handlers keep no state beside it. */
export class Store {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async createProject(name: string): Promise<{ id: string; environments: string[] }> {
    const id = randomUUID()
    await this.#run(sql`INSERT INTO projects (id, name, created_at) VALUES (${id}, ${name}, ${now()})`)
    for (const environment of ENVIRONMENTS) await this.makeEnvironment(id, environment)
    return { id, environments: [...ENVIRONMENTS] }
  }

  async project(id: string): Promise<Project | undefined> {
    const row = await this.#first(sql`SELECT id, key_hash FROM projects WHERE id = ${id}`)
    return row && { id: text(row.id), keyHash: row.key_hash === null ? null : text(row.key_hash) }
  }

  /** @returns whether it was set now; a key that is there stays. */
  async setKey(id: string, keyHash: string): Promise<boolean> {
    const set = sql`UPDATE projects SET key_hash = ${keyHash} WHERE id = ${id} AND key_hash IS NULL RETURNING id`
    return (await this.#first(set)) !== undefined
  }

  async environment(projectId: string, name: string): Promise<string | undefined> {
    const row = await this.#first(
      sql`SELECT id FROM environments WHERE project_id = ${projectId} AND name = ${name}`,
    )
    return row && text(row.id)
  }

  /** Finds it or makes it, also when somebody else does at the same moment. */
  async makeEnvironment(projectId: string, name: string): Promise<string> {
    await this.#run(sql`
      INSERT INTO environments (id, project_id, name) VALUES (${randomUUID()}, ${projectId}, ${name})
      ON CONFLICT (project_id, name) DO NOTHING`)
    return (await this.environment(projectId, name))!
  }

  /** The next version of an environment. @param changedKeys names, where the client tells them */
  async push(environmentId: string, blob: string, changedKeys: readonly string[] | null): Promise<number> {
    const names = changedKeys === null ? null : JSON.stringify(changedKeys)
    const rows = await this.#database.alone(environmentId, (run) =>
      run(sql`
        INSERT INTO secret_versions (id, environment_id, version, encrypted_blob, changed_keys, created_at)
        SELECT ${randomUUID()}, ${environmentId}, COALESCE(MAX(version), 0) + 1, ${blob}, ${names}, ${now()}
        FROM secret_versions WHERE environment_id = ${environmentId}
        RETURNING version`),
    )
    return Number(rows[0]!.version)
  }

  async latest(environmentId: string): Promise<{ version: number; blob: string } | undefined> {
    const row = await this.#first(sql`
      SELECT version, encrypted_blob FROM secret_versions WHERE environment_id = ${environmentId}
      ORDER BY version DESC LIMIT 1`)
    return row && { version: Number(row.version), blob: text(row.encrypted_blob) }
  }

  async currentVersion(environmentId: string): Promise<{ version: number; updatedAt: string } | undefined> {
    const row = await this.#first(sql`
      SELECT version, created_at FROM secret_versions WHERE environment_id = ${environmentId}
      ORDER BY version DESC LIMIT 1`)
    return row && { version: Number(row.version), updatedAt: text(row.created_at) }
  }

  async versions(environmentId: string): Promise<Row[]> {
    const rows = await this.#run(sql`
      SELECT version, changed_keys, created_at FROM secret_versions WHERE environment_id = ${environmentId}
      ORDER BY version DESC LIMIT ${VERSIONS_SHOWN}`)
    return [...rows]
  }

  async blobOf(environmentId: string, version: number): Promise<string | undefined> {
    const row = await this.#first(sql`
      SELECT encrypted_blob FROM secret_versions
      WHERE environment_id = ${environmentId} AND version = ${version}`)
    return row && text(row.encrypted_blob)
  }

  /** The first device of a project is approved, later ones wait; a known one stays as it is. */
  async register(projectId: string, name: string, hash: string): Promise<Device> {
    const created = now()
    const insert = sql`
      INSERT INTO devices (id, project_id, device_name, device_hash, status, created_at, approved_at)
      SELECT ${randomUUID()}, ${projectId}, ${name}, ${hash},
        CASE WHEN COUNT(*) = 0 THEN 'approved' ELSE 'pending' END, ${created},
        CASE WHEN COUNT(*) = 0 THEN ${created} ELSE NULL END
      FROM devices WHERE project_id = ${projectId}
      ON CONFLICT (project_id, device_hash) DO NOTHING RETURNING id`
    await this.#database.alone(projectId, (run) => run(insert))
    return (await this.device(projectId, hash))!
  }

  async device(projectId: string, hash: string): Promise<Device | undefined> {
    const row = await this.#first(
      sql`SELECT id, status FROM devices WHERE project_id = ${projectId} AND device_hash = ${hash}`,
    )
    return row && { id: text(row.id), status: text(row.status) as Device['status'] }
  }

  async hasDevices(projectId: string): Promise<boolean> {
    return (
      (await this.#first(sql`SELECT id FROM devices WHERE project_id = ${projectId} LIMIT 1`)) !== undefined
    )
  }

  async seen(deviceId: string): Promise<void> {
    await this.#run(sql`UPDATE devices SET last_seen_at = ${now()} WHERE id = ${deviceId}`)
  }

  async approve(projectId: string, deviceId: string): Promise<boolean> {
    const set = sql`
      UPDATE devices SET status = 'approved', approved_at = ${now()}
      WHERE id = ${deviceId} AND project_id = ${projectId} RETURNING id`
    return (await this.#first(set)) !== undefined
  }

  async revoke(projectId: string, deviceId: string): Promise<boolean> {
    const set = sql`
      UPDATE devices SET status = 'revoked' WHERE id = ${deviceId} AND project_id = ${projectId} RETURNING id`
    return (await this.#first(set)) !== undefined
  }

  async devices(projectId: string): Promise<Row[]> {
    const rows = await this.#run(sql`
      SELECT id, device_name, status, created_at, approved_at, last_seen_at FROM devices
      WHERE project_id = ${projectId} ORDER BY created_at DESC, id`)
    return [...rows]
  }

  async audit(
    projectId: string,
    environmentId: string | null,
    action: string,
    caller: Caller,
  ): Promise<void> {
    await this.#run(sql`
      INSERT INTO audit_log (id, project_id, environment_id, action, ip, user_agent, created_at)
      VALUES (${randomUUID()}, ${projectId}, ${environmentId}, ${action}, ${caller.ip}, ${caller.userAgent}, ${now()})`)
  }

  /** Remembers a signature until it is too old anyway. @returns whether it is new */
  async firstUse(projectId: string, digest: string, expiresAt: number): Promise<boolean> {
    await this.#run(sql`DELETE FROM seen_signatures WHERE expires_at < ${Date.now()}`)
    const insert = sql`
      INSERT INTO seen_signatures (project_id, digest, expires_at) VALUES (${projectId}, ${digest}, ${expiresAt})
      ON CONFLICT (project_id, digest) DO NOTHING RETURNING digest`
    return (await this.#first(insert)) !== undefined
  }

  /** Answers whether the database does. */
  async ping(): Promise<void> {
    await this.#run(sql`SELECT 1 AS one`)
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  #run(statement: ReturnType<typeof sql>): Promise<readonly Row[]> {
    return this.#database.run(statement)
  }

  async #first(statement: ReturnType<typeof sql>): Promise<Row | undefined> {
    return (await this.#database.run(statement))[0]
  }
}

function now(): string {
  return new Date().toISOString()
}

function text(value: Row[string] | undefined): string {
  return String(value)
}
