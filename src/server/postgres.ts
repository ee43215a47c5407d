import { PgDialect } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { type Column, compile, type Database, oneByOne, type Row, type Values } from './database.ts'

const dialect = new PgDialect()

/** Postgres, for more than one machine. */
export function openPostgres(url: string): Database {
  const client = postgres(url, { max: 16, onnotice: () => undefined })
  return {
    prepare(statement) {
      const { text, bind } = compile(dialect, statement)
      const runOn = (connection: postgres.ISql, values: Values): Promise<readonly Row[]> =>
        connection.unsafe<Record<string, Column>[]>(text, bind(values), { prepare: true })
      const run = (values: Values = {}): Promise<readonly Row[]> => runOn(client, values)
      return {
        run,
        async alone(key, values) {
          let rows: readonly Row[] = []
          await client.begin(async (transaction) => {
            // Whoever comes second waits here, and then sees what the first has written.
            await transaction`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`
            rows = await runOn(transaction, values)
          })
          return rows
        },
        together: (values, follow) => oneByOne(run(values), follow),
      }
    },
    async batch(statements) {
      await client.begin(async (transaction) => {
        for (const statement of statements) await transaction.unsafe(dialect.sqlToQuery(statement).sql)
      })
    },
    close: () => client.end({ timeout: 5 }),
  }
}
