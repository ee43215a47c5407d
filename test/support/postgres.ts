import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Bao } from './bao.ts'
import { freePort, type RunningServer } from './servers.ts'

export interface Postgres extends RunningServer {
  readonly password: string
  /** `postgres://…` of the superuser, database `postgres`. */
  readonly url: string
  /** Runs one statement as the superuser; the rows as unaligned text. */
  query(sql: string): string
}

/** A PostgreSQL cluster of its own on a free port. PostgreSQL refuses to be root, so root becomes `postgres`. */
export async function startPostgres(program: string): Promise<Postgres> {
  const bin = dirname(program)
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'))
  const data = join(folder, 'data')
  const password = randomBytes(16).toString('hex')
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  const asUser: { uid?: number; gid?: number } = {}
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    asUser.uid = id('-u')
    asUser.gid = id('-g')
    for (const path of [folder, passwordFile]) await chown(path, asUser.uid, asUser.gid)
  }
  await chmod(folder, 0o700)
  const run = (name: string, args: string[]): void => {
    execFileSync(join(bin, name), args, { ...asUser, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  run('initdb', [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--no-sync',
  ])
  const port = await freePort()
  const settings = `-p ${port} -h 127.0.0.1 -c unix_socket_directories='' -c fsync=off`
  run('pg_ctl', ['-D', data, '-l', join(folder, 'log'), '-w', '-t', '60', '-o', settings, 'start'])
  const stopNow = (): void => {
    try {
      run('pg_ctl', ['-D', data, '-m', 'immediate', 'stop'])
    } catch {}
  }
  process.once('exit', stopNow)
  return {
    port,
    password,
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    query: (sql) =>
      execFileSync(
        join(bin, 'psql'),
        ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-v', 'ON_ERROR_STOP=1', '-Atc', sql],
        { encoding: 'utf8', env: { PATH: process.env.PATH, PGPASSWORD: password } },
      ).trim(),
    async stop() {
      process.off('exit', stopNow)
      stopNow()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Mounts OpenBao's engine that lends logins of a PostgreSQL. */
export async function mountLogins(bao: Bao, mount: string, { port, password }: Postgres): Promise<void> {
  await bao.call('POST', `sys/mounts/${mount}`, { type: 'database' })
  await bao.call('POST', `${mount}/config/main`, {
    plugin_name: 'postgresql-database-plugin',
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${port}/postgres?sslmode=disable`,
    username: 'postgres',
    password,
    allowed_roles: ['*'],
  })
}

/** A role of that engine. @param ttl how long a login lasts. @param longest also when it is renewed */
export function loginRole(bao: Bao, mount: string, name: string, ttl: string, longest: string) {
  return bao.call('POST', `${mount}/roles/${name}`, {
    db_name: 'main',
    default_ttl: ttl,
    max_ttl: longest,
    creation_statements: [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
    ],
  })
}
