import type { SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import Libsql from 'libsql'
import { type Column, compile, type Database, type Query, type Row, type Values } from './database.ts'

/** How long a statement waits while another process writes, in ms. */
const BUSY_TIMEOUT = 10_000
/** How many statements are in one commit at most. */
const MOST_TOGETHER = 256
const dialect = new SQLiteSyncDialect()

/**
 * An embedded SQLite file. The driver under libSQL's own client, because that one has no prepared statements:
 * it would parse and plan the query of a pull each time, which costs four times as much as running it.
 * @param path of the file, or `:memory:`
 */
export function openSqlite(path: string): Database {
  const connection = new Libsql(path, { timeout: BUSY_TIMEOUT })
  // Readers go on while one writes; an acknowledged push is on the disk.
  connection.exec('PRAGMA journal_mode = WAL')
  connection.exec('PRAGMA synchronous = FULL')
  // 16 MB: moving the log into the file waits for the disk, whoever's turn it is.
  connection.exec('PRAGMA wal_autocheckpoint = 4000')
  const turns = new Turns(connection)

  const prepare = (statement: SQL, isSingle = false): Query => {
    const { text, bind } = compile(dialect, statement)
    let ready: Run | undefined
    // With the first run, because the tables may not be there before.
    const run: Run = (values) => (ready ??= runOf(connection, text, bind, isSingle))(values)
    return {
      run: (values = {}) => run(values),
      alone: async (_key, values) => run(values),
      together: (values) => turns.add(() => run(values)),
    }
  }
  return {
    prepare,
    async batch(statements) {
      const texts = statements.map((statement) => dialect.sqlToQuery(statement).sql)
      connection
        .transaction(() => {
          for (const text of texts) connection.exec(text)
        })
        .immediate()
    },
    async close() {
      await turns.flushed
      connection.close()
    },
  }
}

type Run = (values: Values) => readonly Row[]
type Connection = InstanceType<typeof Libsql>

function runOf(
  connection: Connection,
  text: string,
  bind: (values: Values) => Column[],
  isSingle: boolean,
): Run {
  const statement = connection.prepare<[Column[]]>(text)
  if (!statement.reader)
    return (values) => {
      statement.run(bind(values))
      return []
    }
  const names = statement.columns().map(({ name }) => name)
  const rowOf = (columns: Column[]): Row => {
    const row: Record<string, Column> = {}
    for (let index = 0; index < names.length; index++) row[names[index]!] = columns[index]!
    return row
  }
  const raw = statement.raw(true)
  if (isSingle)
    return (values) => {
      const columns = raw.get(bind(values)) as Column[] | undefined
      return columns ? [rowOf(columns)] : []
    }
  return (values) => (raw.all(bind(values)) as Column[][]).map(rowOf)
}

/**
 * Statements that may share a commit: those of all requests that are under way. Reads are here, too, where a commit
 * follows anyway: right after each other and under one lock they cost less. It waits as long as each turn of the
 * event loop brings more of them, so one pull waits for nobody, and 64 at once are written together.
 */
class Turns {
  flushed: Promise<void> | undefined
  readonly #connection: Connection
  readonly #commit: (runs: (() => unknown)[]) => void
  #waiting: (() => unknown)[] = []

  constructor(connection: Connection) {
    this.#connection = connection
    this.#commit = connection.transaction((runs: (() => unknown)[]) => {
      for (const run of runs) run()
    }).immediate
  }

  /** @returns when it is written: a killed server has it, a machine without power may miss the last ones. */
  async add<T>(run: () => T): Promise<T> {
    let result: T | undefined
    this.#waiting.push(() => {
      result = run()
    })
    this.flushed ??= new Promise((resolve, reject) => {
      const look = (before: number): void => {
        const count = this.#waiting.length
        if (count > before && count < MOST_TOGETHER) return void setImmediate(look, count)
        try {
          this.#flush()
          resolve()
        } catch (error) {
          reject(error)
        }
      }
      setImmediate(look, 0)
    })
    await this.flushed
    return result as T
  }

  #flush(): void {
    const runs = this.#waiting
    this.#waiting = []
    this.flushed = undefined
    // Nobody has to wait for the disk because somebody else has read something.
    this.#connection.exec('PRAGMA synchronous = NORMAL')
    try {
      this.#commit(runs)
    } finally {
      this.#connection.exec('PRAGMA synchronous = FULL')
    }
  }
}
