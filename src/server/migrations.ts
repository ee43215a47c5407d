/**
 * The schema, in steps that are never changed once released. SQLite (libSQL, D1) and Postgres take the same text.
 * Nothing here can hold a value, a vault key or a device secret: blobs are ciphertext, hashes are hashes, and
 * `key_hash` checks signatures but decrypts nothing. Times are ISO 8601 in UTC, with milliseconds.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE projects (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      key_hash TEXT,
      created_at TEXT NOT NULL
    )`,
    `CREATE TABLE environments (
      id TEXT PRIMARY KEY,
      project_id TEXT NOT NULL REFERENCES projects (id),
      name TEXT NOT NULL,
      UNIQUE (project_id, name)
    )`,
    `CREATE TABLE secret_versions (
      id TEXT PRIMARY KEY,
      environment_id TEXT NOT NULL REFERENCES environments (id),
      version INTEGER NOT NULL,
      encrypted_blob TEXT NOT NULL,
      changed_keys TEXT,
      created_at TEXT NOT NULL,
      UNIQUE (environment_id, version)
    )`,
    `CREATE TABLE devices (
      id TEXT PRIMARY KEY,
      project_id TEXT NOT NULL REFERENCES projects (id),
      device_name TEXT NOT NULL,
      device_hash TEXT NOT NULL,
      status TEXT NOT NULL,
      created_at TEXT NOT NULL,
      approved_at TEXT,
      last_seen_at TEXT,
      UNIQUE (project_id, device_hash)
    )`,
    `CREATE TABLE audit_log (
      id TEXT PRIMARY KEY,
      project_id TEXT NOT NULL,
      environment_id TEXT,
      action TEXT NOT NULL,
      ip TEXT,
      user_agent TEXT,
      created_at TEXT NOT NULL
    )`,
    'CREATE INDEX audit_log_project ON audit_log (project_id, created_at)',
    `CREATE TABLE seen_signatures (
      project_id TEXT NOT NULL,
      digest TEXT NOT NULL,
      expires_at BIGINT NOT NULL,
      PRIMARY KEY (project_id, digest)
    )`,
    'CREATE INDEX seen_signatures_expiry ON seen_signatures (expires_at)',
  ],
]
