import { is, Placeholder, type SQL, sql } from 'drizzle-orm'
import { MIGRATIONS } from './migrations.ts'

/** A column's value as the drivers give it. */
export type Column = string | number | null
export type Row = Readonly<Record<string, Column>>
/** What stands for the placeholders of a statement, by their names. */
export type Values = Readonly<Record<string, Column>>

/** A statement that is compiled once and run often. */
export interface Query {
  run(values?: Values): readonly Row[] | Promise<readonly Row[]>
  /**
   * `run`, while nobody else does for the same key. Where one statement is atomic by itself (SQLite has one
   * writer), that is enough.
   */
  alone(key: string, values: Values): Promise<readonly Row[]>
  /**
   * `run` with those of the other requests that are under way: a database may take many in one commit. Resolves after it.
   * @param follow what is to be run because of these rows, in the same commit where there is one. What it throws is
   * thrown, and touches no other request
   */
  together(values: Values, follow?: Follow): Promise<readonly Row[]>
}

export type Follow = (rows: readonly Row[]) => readonly Step[]

export interface Step {
  readonly query: Query
  readonly values: Values
}

/**
 * What makes some databases quicker when they know it: `row` reads one row at most and changes nothing, `note`
 * changes nothing that a `row` reads.
 */
export type Kind = 'row' | 'note'

/** What the store needs of a database: the SQL is the same everywhere, the ways to be atomic are not. */
export interface Database {
  prepare(statement: SQL, kind?: Kind): Query
  /** Runs statements in their order: all of them or none. */
  batch(statements: readonly SQL[]): Promise<void>
  close(): Promise<void>
}

/** A statement in the words of one database. */
export interface Compiled {
  readonly text: string
  bind(values: Values): Column[]
}

interface Dialect {
  sqlToQuery(statement: SQL): { sql: string; params: unknown[] }
}

export function compile(dialect: Dialect, statement: SQL): Compiled {
  const { sql: text, params } = dialect.sqlToQuery(statement)
  const names = params.map((param) => {
    if (!is(param, Placeholder)) throw new TypeError(`a value stands in a statement: ${text}`)
    return String(param.name)
  })
  return { text, bind: (values) => names.map((name) => values[name] ?? null) }
}

/** `Query.together` where each statement is a commit of its own. */
export async function oneByOne(
  reading: Promise<readonly Row[]>,
  follow: Follow | undefined,
): Promise<readonly Row[]> {
  const rows = await reading
  if (follow) await Promise.all(follow(rows).map(({ query, values }) => query.run(values)))
  return rows
}

/** Brings the schema up to date. Several servers may start at once. */
export async function migrate(database: Database): Promise<void> {
  const latest = database.prepare(sql`SELECT max(version) AS version FROM schema_migrations`)
  const done = async (): Promise<number> => Number((await latest.run())[0]?.version ?? 0)
  const table = [sql`CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)`]
  // Postgres lets one of two who do this at the same moment fail.
  await database.batch(table).catch(() => database.batch(table))
  for (let version = await done(); version < MIGRATIONS.length; version = await done()) {
    // The number first: who comes second fails at it, before the tables that are there already.
    const mark = sql.raw(`INSERT INTO schema_migrations (version) VALUES (${version + 1})`)
    const statements = MIGRATIONS[version]!.map((text) => sql.raw(text))
    try {
      await database.batch([mark, ...statements])
    } catch (error) {
      if ((await done()) === version) throw error
    }
  }
}
