import { createClient } from '@libsql/client'
import type { SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import type { Database, Row } from './database.ts'

/**
 * An embedded SQLite file (`file:…`, `:memory:`) or a libSQL server (`libsql://…`, `http://…`).
 * @param authToken of a libSQL server
 */
export async function openLibsql(url: string, authToken?: string): Promise<Database> {
  const client = createClient({ url, ...(authToken ? { authToken } : {}) })
  if (url.startsWith('file:')) {
    // Readers go on while one writes; an acknowledged push is on the disk.
    await client.execute('PRAGMA journal_mode = WAL')
    await client.execute('PRAGMA synchronous = FULL')
    await client.execute('PRAGMA busy_timeout = 10000')
  }
  const database = drizzle(client)
  const run = (statement: SQL): Promise<readonly Row[]> => database.all<Row>(statement)
  return {
    run,
    alone: (_key, work) => work(run),
    migrate: (work) =>
      database.transaction(
        async (transaction) => {
          // `all` wants rows; a definition has none.
          await work(async (statement) => (await transaction.run(statement)).rows as unknown as Row[])
        },
        { behavior: 'immediate' },
      ),
    async close() {
      client.close()
    },
  }
}
