import { createClient } from '@libsql/client'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { compile, type Database, oneByOne, type Row, type Values } from './database.ts'

const dialect = new SQLiteSyncDialect()

/**
 * A libSQL server or cluster: `libsql://…`, `http://…`.
 * @param authToken of it, where it wants one
 */
export function openLibsql(url: string, authToken?: string): Database {
  const client = createClient({ url, ...(authToken ? { authToken } : {}) })
  return {
    prepare(statement) {
      const { text, bind } = compile(dialect, statement)
      const run = async (values: Values = {}): Promise<readonly Row[]> => {
        const { rows } = await client.execute({ sql: text, args: bind(values) })
        return rows as unknown as Row[]
      }
      return {
        run,
        alone: (_key, values) => run(values),
        together: (values, follow) => oneByOne(run(values), follow),
      }
    },
    async batch(statements) {
      await client.batch(
        statements.map((statement) => dialect.sqlToQuery(statement).sql),
        'write',
      )
    },
    async close() {
      client.close()
    },
  }
}
