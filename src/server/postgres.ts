import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Database, Row } from './database.ts'

/** Any number that only this project asks `pg_advisory_xact_lock` for. */
const MIGRATION_LOCK = 7_365_637_265

/** Postgres, for more than one machine. */
export async function openPostgres(url: string): Promise<Database> {
  const client = postgres(url, { max: 16, onnotice: () => undefined })
  const database = drizzle(client)
  const rowsOf = (result: unknown): readonly Row[] => [...(result as Iterable<Row>)]
  return {
    run: async (statement) => rowsOf(await database.execute(statement)),
    alone: (key, work) =>
      database.transaction(async (transaction) => {
        const run = async (statement: SQL): Promise<readonly Row[]> =>
          rowsOf(await transaction.execute(statement))
        // Whoever comes second waits here, and then sees what the first has written.
        await run(sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`)
        return work(run)
      }),
    migrate: (work) =>
      database.transaction(async (transaction) => {
        const run = async (statement: SQL): Promise<readonly Row[]> =>
          rowsOf(await transaction.execute(statement))
        await run(sql`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`)
        await work(run)
      }),
    close: () => client.end({ timeout: 5 }),
  }
}
