import { type SQL, sql } from 'drizzle-orm'
import type { Kind } from './database.ts'

const $ = sql.placeholder

/**
 * What a request of a project meets: the environment, the device that asks, and whether there are devices at
 * all. One row as long as the project is there.
 */
const access = (columns: SQL, joins: SQL): SQL => sql`
  SELECT e.id AS environment_id, d.id AS device_id, d.status,
    CASE WHEN EXISTS (SELECT 1 FROM devices WHERE project_id = p.id) THEN 1 ELSE 0 END AS has_devices ${columns}
  FROM projects p
  LEFT JOIN environments e ON e.project_id = p.id AND e.name = ${$('environment')}
  LEFT JOIN devices d ON d.project_id = p.id AND d.device_hash = ${$('deviceHash')} ${joins}
  WHERE p.id = ${$('project')}`

const LATEST = sql`(SELECT MAX(version) FROM secret_versions WHERE environment_id = e.id)`

/** Every statement that the server runs, and nothing else. */
export const STATEMENTS = {
  ping: sql`SELECT 1 AS one`,

  createProject: sql`
    INSERT INTO projects (id, name, created_at) VALUES (${$('id')}, ${$('name')}, ${$('now')})`,
  project: sql`SELECT key_hash FROM projects WHERE id = ${$('id')}`,
  setKey: sql`
    UPDATE projects SET key_hash = ${$('keyHash')} WHERE id = ${$('id')} AND key_hash IS NULL RETURNING id`,

  access: access(sql``, sql``),
  pull: access(
    sql`, v.version, v.encrypted_blob`,
    sql`LEFT JOIN secret_versions v ON v.environment_id = e.id AND v.version = ${LATEST}`,
  ),
  environment: sql`
    SELECT id FROM environments WHERE project_id = ${$('project')} AND name = ${$('name')}`,
  makeEnvironment: sql`
    INSERT INTO environments (id, project_id, name) VALUES (${$('id')}, ${$('project')}, ${$('name')})
    ON CONFLICT (project_id, name) DO NOTHING`,

  push: sql`
    INSERT INTO secret_versions (id, environment_id, version, encrypted_blob, changed_keys, created_at)
    SELECT ${$('id')}, ${$('environment')}, COALESCE(MAX(version), 0) + 1, ${$('blob')}, ${$('names')}, ${$('now')}
    FROM secret_versions WHERE environment_id = ${$('environment')}
    RETURNING version`,
  currentVersion: sql`
    SELECT version, created_at FROM secret_versions WHERE environment_id = ${$('environment')}
    ORDER BY version DESC LIMIT 1`,
  versions: sql`
    SELECT version, changed_keys, created_at FROM secret_versions WHERE environment_id = ${$('environment')}
    ORDER BY version DESC LIMIT 50`,
  blob: sql`
    SELECT encrypted_blob FROM secret_versions
    WHERE environment_id = ${$('environment')} AND version = ${$('version')}`,

  /** The first device of a project is approved, later ones wait; a known one stays as it is. */
  register: sql`
    INSERT INTO devices (id, project_id, device_name, device_hash, status, created_at, approved_at)
    SELECT ${$('id')}, ${$('project')}, ${$('name')}, ${$('hash')},
      CASE WHEN COUNT(*) = 0 THEN 'approved' ELSE 'pending' END, ${$('now')},
      CASE WHEN COUNT(*) = 0 THEN ${$('now')} ELSE NULL END
    FROM devices WHERE project_id = ${$('project')}
    ON CONFLICT (project_id, device_hash) DO NOTHING`,
  device: sql`
    SELECT id, status FROM devices WHERE project_id = ${$('project')} AND device_hash = ${$('hash')}`,
  seen: sql`UPDATE devices SET last_seen_at = ${$('now')} WHERE id = ${$('id')}`,
  approve: sql`
    UPDATE devices SET status = 'approved', approved_at = ${$('now')}
    WHERE id = ${$('id')} AND project_id = ${$('project')} RETURNING id`,
  revoke: sql`
    UPDATE devices SET status = 'revoked' WHERE id = ${$('id')} AND project_id = ${$('project')} RETURNING id`,
  devices: sql`
    SELECT id, device_name, status, created_at, approved_at, last_seen_at FROM devices
    WHERE project_id = ${$('project')} ORDER BY created_at DESC, id`,

  audit: sql`
    INSERT INTO audit_log (id, project_id, environment_id, action, ip, user_agent, created_at)
    VALUES (${$('id')}, ${$('project')}, ${$('environment')}, ${$('action')}, ${$('ip')}, ${$('userAgent')}, ${$('now')})`,

  forget: sql`DELETE FROM seen_signatures WHERE expires_at < ${$('now')}`,
  remember: sql`
    INSERT INTO seen_signatures (project_id, digest, expires_at)
    VALUES (${$('project')}, ${$('digest')}, ${$('expires')})
    ON CONFLICT (project_id, digest) DO NOTHING RETURNING digest`,
} as const satisfies Record<string, SQL>

export const KINDS: Partial<Record<keyof typeof STATEMENTS, Kind>> = {
  ping: 'row',
  project: 'row',
  access: 'row',
  pull: 'row',
  environment: 'row',
  currentVersion: 'row',
  blob: 'row',
  device: 'row',
  seen: 'note',
  audit: 'note',
  forget: 'note',
  remember: 'note',
}
