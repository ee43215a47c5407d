import { type SQL, sql } from 'drizzle-orm'
import { MIGRATIONS } from './migrations.ts'

/** A column's value as the drivers give it. */
export type Column = string | number | null
export type Row = Readonly<Record<string, Column>>

/** What the store needs of a database: the SQL is the same everywhere, the ways to be atomic are not. */
export interface Database {
  /** Runs one statement. */
  run(statement: SQL): Promise<readonly Row[]>
  /**
   * Runs `work` while nobody else does for the same key; all of it or nothing. Where one statement is
   * atomic by itself (SQLite's only writer), that is enough.
   */
  alone(key: string, work: (run: Database['run']) => Promise<readonly Row[]>): Promise<readonly Row[]>
  /** Runs a migration: all of it or nothing, and waits for another process that migrates. */
  migrate(work: (run: Database['run']) => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** Brings the schema up to date. Several servers may start at once. */
export async function migrate(database: Database): Promise<void> {
  await database.migrate(async (run) => {
    await run(sql`CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)`)
    const rows = await run(sql`SELECT max(version) AS version FROM schema_migrations`)
    const done = Number(rows[0]?.version ?? 0)
    for (const [index, statements] of MIGRATIONS.entries()) {
      if (index < done) continue
      for (const statement of statements) await run(sql.raw(statement))
      await run(sql`INSERT INTO schema_migrations (version) VALUES (${index + 1})`)
    }
  })
}
