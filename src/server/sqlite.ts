import type { SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import Libsql from 'libsql'
import {
  type Column,
  compile,
  type Database,
  type Follow,
  type Kind,
  type Query,
  type Row,
  type Step,
} from './database.ts'
import { Memo } from './memo.ts'

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
  // The state of the data that reads see. Of what this connection commits it is told below, of what others do by SQLite:
  // for sure in a transaction that writes, since nobody else commits before its end.
  let state = {}
  let seenVersion: Column | undefined
  const dataVersion = lasting(connection, 'PRAGMA data_version', true)
  const turns = new Turns(connection, () => {
    const version = dataVersion([])[0]!.data_version!
    if (version !== seenVersion) state = {}
    seenVersion = version
  })

  const prepare = (statement: SQL, kind?: Kind): Query => {
    const { text, bind } = compile(dialect, statement)
    const prepared = lasting(connection, text, kind === 'row')
    const run: Run = (values) => {
      if (kind === undefined) state = {}
      return prepared(values)
    }
    const memo = new Memo()
    const inTurn: Run = kind === 'row' ? (values) => memo.rows(state, values, () => run(values)) : run
    return {
      run: (values = {}) => run(bind(values)),
      alone: async (_key, values) => run(bind(values)),
      together: (values, follow) => turns.add(() => inTurn(bind(values)), follow),
    }
  }
  return {
    prepare,
    async batch(statements) {
      state = {}
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

type Run = (values: Column[]) => readonly Row[]
type Connection = InstanceType<typeof Libsql>

/** A statement that is prepared with its first run, because the tables may not be there before. */
function lasting(connection: Connection, text: string, isRow: boolean): Run {
  let ready: Run | undefined
  return (values) => {
    try {
      ready ??= runOf(connection, text, isRow)
      return ready(values)
    } catch (error) {
      // The driver's `get` fails for ever once it has failed.
      ready = undefined
      throw error
    }
  }
}

function runOf(connection: Connection, text: string, isRow: boolean): Run {
  const statement = connection.prepare<[Column[]]>(text)
  if (!statement.reader)
    return (values) => {
      // `run` does the same, and makes an object that tells what it has done.
      statement.get(values)
      return []
    }
  const names = statement.columns().map(({ name }) => name)
  const rowOf = (columns: Column[]): Row => {
    const row: Record<string, Column> = {}
    for (let index = 0; index < names.length; index++) row[names[index]!] = columns[index]!
    return row
  }
  const raw = statement.raw(true)
  if (isRow)
    return (values) => {
      const columns = raw.get(values) as Column[] | undefined
      return columns ? [rowOf(columns)] : []
    }
  return (values) => (raw.all(values) as Column[][]).map(rowOf)
}

/**
 * Statements that may share a commit: those of all requests that are under way. Reads are here, too, where a commit
 * follows anyway: right after each other and under one lock they cost less. It waits as long as each turn of the
 * event loop brings more of them, so one pull waits for nobody, and 64 at once are written together.
 */
class Turns {
  flushed: Promise<void> | undefined
  readonly #connection: Connection
  readonly #commit: (runs: (() => void)[]) => void
  #waiting: (() => void)[] = []

  /** @param begun is called in each transaction before what is in it */
  constructor(connection: Connection, begun: () => void) {
    this.#connection = connection
    this.#commit = connection.transaction((runs: (() => void)[]) => {
      begun()
      for (const run of runs) run()
    }).immediate
  }

  /** @returns when it is written: a killed server has it, a machine without power may miss the last ones. */
  async add(run: () => readonly Row[], follow?: Follow): Promise<readonly Row[]> {
    let rows: readonly Row[] = []
    let steps: readonly Step[] = []
    let refusal: { error: unknown } | undefined
    this.#waiting.push(() => {
      rows = run()
      try {
        if (follow) steps = follow(rows)
      } catch (error) {
        refusal = { error }
      }
      for (const { query, values } of steps) void query.run(values)
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
    if (refusal) throw refusal.error
    return rows
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
