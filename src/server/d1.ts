import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { compile, type Database, oneByOne, type Row, type Values } from './database.ts'

/** What is used of a Workers binding to a D1 database; Cloudflare's own type fits it. */
export interface D1Binding {
  prepare(text: string): D1Statement
  batch(statements: never[]): Promise<unknown>
}

interface D1Statement {
  bind(...values: unknown[]): D1Statement
  all(): Promise<{ results: unknown[] }>
}

const dialect = new SQLiteSyncDialect()

/** Cloudflare D1. Each statement is a transaction of its own, and so is a batch. */
export function openD1(binding: D1Binding): Database {
  return {
    prepare(statement) {
      const { text, bind } = compile(dialect, statement)
      const run = async (values: Values = {}): Promise<readonly Row[]> => {
        const { results } = await binding
          .prepare(text)
          .bind(...bind(values))
          .all()
        return results as Row[]
      }
      return {
        run,
        alone: (_key, values) => run(values),
        together: (values, follow) => oneByOne(run(values), follow),
      }
    },
    async batch(statements) {
      const prepared = statements.map((statement) => binding.prepare(dialect.sqlToQuery(statement).sql))
      await binding.batch(prepared as never[])
    },
    close: async () => undefined,
  }
}
