import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { commands as secretsCommands } from '../../src/cli/commands/index.ts'
import { commands as vaultEnvCommands } from '../../src/cli/vault-env/index.ts'
import type { CliPlace, Run } from './cli.ts'

/** How one command is tried. Commands of `secrets` by their name, those of `vault-env` with it in front. */
export interface FaultCase {
  /**
   * Command lines that succeed in a sound project; a second one asks another provider.
   * @param id of the project: what is written at a provider has it in its path
   */
  args(id: string): readonly (readonly string[])[]
  /** What the project has besides. */
  files?(id: string): Readonly<Record<string, string>>
  /** What is piped in. */
  readonly input?: string
  /** The exit code in an empty folder. */
  readonly bare: number
  /** Who must answer: `nobody` goes on without a network. */
  readonly asks: 'providers' | 'server' | 'nobody'
  /** Its result tells what is wrong, with this exit code instead of the error's (`error`: the error's). */
  readonly reports?: number | 'error'
  /** Whether it has to write in the project. */
  readonly writes?: boolean
  /** It needs nobody's rights. */
  readonly isOpen?: boolean
  /** It runs until it is stopped. */
  readonly stays?: boolean
}

const once =
  (...args: string[]) =>
  () => [args]
const named =
  (command: string, ...rest: string[]) =>
  () => [
    [command, 'VAULT_ONE', ...rest],
    [command, 'AWS_ONE', ...rest],
  ]
const device = { bare: 5, asks: 'server' } as const

/** A row for every command. Each is run in a project of its own. */
export const CASES: Readonly<Record<string, FaultCase>> = {
  init: { args: once('init', '--yes', '--force'), bare: 0, asks: 'nobody', writes: true },
  set: {
    args: () => [
      ['set', 'VAULT_ONE'],
      ['set', 'AWS_ONE'],
    ],
    input: 'new',
    bare: 0,
    asks: 'providers',
  },
  get: { args: named('get'), bare: 3, asks: 'providers' },
  list: { args: once('list'), bare: 0, asks: 'providers', reports: 'error' },
  unset: { args: named('unset', '--yes'), bare: 3, asks: 'providers' },
  refresh: { args: once('refresh'), bare: 0, asks: 'providers' },
  doctor: { args: once('doctor'), bare: 0, asks: 'providers', reports: 1 },
  run: { args: once('run', '--', process.execPath, '-e', '0'), bare: 0, asks: 'providers' },
  versions: { args: named('versions'), bare: 1, asks: 'providers' },
  rollback: {
    args: () => [
      ['rollback', 'VAULT_ONE', '1', '--yes'],
      ['rollback', 'AWS_ONE', '--yes'],
    ],
    bare: 1,
    asks: 'providers',
  },
  diff: { args: once('diff', 'development', 'production'), bare: 0, asks: 'providers' },
  pull: { args: once('pull', '--yes', '--output', 'pulled.env'), bare: 3, asks: 'providers', writes: true },
  push: { args: once('push', '--yes', '--file', 'push.env'), bare: 3, asks: 'providers' },
  inject: {
    args: once('inject', 'page.tpl', '--output', 'page.txt'),
    bare: 3,
    asks: 'providers',
    writes: true,
  },
  template: {
    args: (id) => [['template', `vault:faults/${id}/new`, '--fields', 'a,b']],
    bare: 1,
    asks: 'providers',
  },
  migrate: {
    args: (id) => [
      ['migrate', `vault:faults/${id}`, `vault:faults/${id}/moved`, '--yes'],
      ['migrate', `aws:faults-${id}`, `aws:faults-${id}-moved`, '--yes'],
    ],
    bare: 1,
    asks: 'providers',
  },
  'move-to-local': {
    args: once('move-to-local', 'VAULT_ONE', '--yes'),
    bare: 3,
    asks: 'providers',
    writes: true,
  },
  policy: { args: once('policy', 'aws'), bare: 3, asks: 'nobody' },
  use: { args: once('use', 'other'), bare: 3, asks: 'nobody', writes: true },
  config: { args: once('config'), bare: 0, asks: 'nobody' },
  completion: { args: once('completion', 'bash'), bare: 0, asks: 'nobody' },
  types: { args: once('types'), bare: 0, asks: 'providers', writes: true },
  cache: { args: once('cache', 'status'), bare: 0, asks: 'nobody' },
  scan: { args: once('scan', 'dist'), bare: 3, asks: 'providers' },
  serve: {
    args: once('serve', '--port', '0', '--database-url', 'file:served.db'),
    bare: 0,
    asks: 'nobody',
    writes: true,
    stays: true,
  },
  link: {
    args: (id) => [['link', 'staging', `vault:faults/${id}/staging`, '--file', 'push.env', '--yes']],
    bare: 3,
    asks: 'providers',
    writes: true,
  },
  unlink: {
    args: once('unlink', 'staging', '--yes'),
    files: (id) => ({ 'secrets.links.json': `{"links":{"staging":"vault:faults/${id}/staging"}}\n` }),
    bare: 3,
    asks: 'nobody',
    writes: true,
  },
  patch: { args: once('patch', 'VAULT_ONE', '--yes'), input: 'new', bare: 2, asks: 'providers' },
  device: { args: once('device', 'list'), ...device },
  dashboard: { args: once('dashboard', '--port', '0'), bare: 0, asks: 'nobody', stays: true },
  'register-device': { args: once('register-device', '--name', 'faults'), ...device },
  'approve-device': { args: once('approve-device', '--id', 'DEVICE'), ...device },
  'list-devices': { args: once('list-devices'), ...device },
  'revoke-device': { args: once('revoke-device', '--id', 'DEVICE'), ...device },

  'vault-env init': {
    args: once('init', '--file', 'new.env'),
    bare: 4,
    asks: 'server',
    writes: true,
    isOpen: true,
  },
  'vault-env push': { args: once('push'), bare: 5, asks: 'server' },
  'vault-env pull': { args: once('pull', '--output', 'pulled.env'), bare: 5, asks: 'server', writes: true },
  'vault-env versions': { args: once('versions'), ...device },
  'vault-env rollback': { args: once('rollback', '--version', '1'), ...device },
  'vault-env register-device': { args: once('register-device', '--name', 'faults'), ...device },
  'vault-env approve-device': { args: once('approve-device', '--id', 'DEVICE'), ...device },
  'vault-env list-devices': { args: once('list-devices'), ...device },
  'vault-env revoke-device': { args: once('revoke-device', '--id', 'DEVICE'), ...device },
}

/** Every command that there is, and those of the table that are not in a registry. */
export function registered(): { names: string[]; known(name: string): boolean } {
  const names = [
    ...Object.keys(secretsCommands),
    ...Object.keys(vaultEnvCommands).map((name) => `vault-env ${name}`),
  ]
  return { names, known: (name) => names.includes(name) }
}

/** Accepts connections and never answers. */
export async function silentServer(): Promise<{ url: string; server: Server; close(): Promise<void> }> {
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).resume())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

export interface Addresses {
  readonly vault: string
  readonly aws: string
  readonly vaultEnv: string
}

/** The files of a project that has a secret at each kind of provider. */
export function projectFiles(id: string, at: Addresses, timeout: number): Record<string, string> {
  return {
    'package.json': '{"name":"project","private":true,"type":"module"}\n',
    'secrets.config.json': JSON.stringify(
      {
        providers: {
          vault: { type: 'vault', url: at.vault },
          aws: { type: 'aws', region: 'eu-central-1', endpoint: at.aws, auth: { method: 'default' } },
          vaultEnv: { type: 'vaultEnv', url: at.vaultEnv },
          local: { type: 'local' },
        },
        secrets: {
          VAULT_ONE: `vault:faults/${id}#value`,
          AWS_ONE: `aws:faults-${id}`,
          SHARED_ONE: 'vaultEnv:SHARED_ONE',
        },
        import: ['local:*'],
        profiles: { other: {} },
        timeout,
      },
      undefined,
      2,
    ),
    'page.tpl': 'value={{vault:VAULT_ONE}}\n',
    'push.env': 'VAULT_ONE=pushed\n',
    'dist/app.js': 'export {}\n',
  }
}

export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** Temporary files and locks that a process left behind. */
export function leftovers(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((path) => /\.(tmp|lock)$/.test(path) && !path.includes('node_modules'))
}

/** A command line that was run. */
export interface Tried {
  readonly command: string
  readonly row: FaultCase
  readonly line: readonly string[]
  readonly run: Run
  readonly project: { readonly place: CliPlace }
}

/** In front of what belongs to another program. */
export function withJson(line: readonly string[]): string[] {
  const end = line.indexOf('--')
  return end === -1 ? [...line, '--json'] : [...line.slice(0, end), '--json', ...line.slice(end)]
}

interface ErrorShape {
  code: string
  message: string
  hint?: string
  problems?: ErrorShape[]
}

/** What is wrong with what a process printed; nothing for most. */
export function complaints({ line, run, row, project }: Tried, expected: number): string[] {
  const { stdout, stderr } = run
  // It was told to stop as soon as it had said that it was there.
  const code = row.stays && run.signal === 'SIGTERM' ? 0 : run.code
  const found: string[] = []
  const all = `${stdout}\n${stderr}`
  if (code !== expected) found.push(`exit ${code} instead of ${expected}`)
  if (/^\s+at .*[:(]/m.test(all)) found.push('a stack')
  if (/mistake in unplugin-secrets|INTERNAL|\bundefined\b|\[object /.test(all))
    found.push('an error of our own')
  if (line.includes('--json')) {
    try {
      const { error } = JSON.parse(stdout || 'null') as { error?: ErrorShape }
      if (error) found.push(...hintless(error))
    } catch {
      if (!(line[0] === 'run' && code === 0)) found.push('no JSON')
    }
  } else if (code !== 0 && code !== 130 && !/^(error: .|.*✘|\d+ problems?:)/m.test(all))
    found.push('no error text')
  found.push(...leftovers(project.place.folder).map((path) => `it left ${path}`))
  return found.length > 0 ? [`${line.join(' ')}: ${found.join(', ')}\n${stdout}\n${stderr}`] : []
}

function hintless({ message, hint, problems = [] }: ErrorShape): string[] {
  if (problems.length > 0) return problems.flatMap(hintless)
  return hint ? [] : [`no fix for: ${message}`]
}

/** As one text: a list of texts with many lines cannot be read in a failure. */
export function report(found: readonly string[]): void {
  if (found.length > 0) expect.fail(`${found.length} of them:\n\n${found.join('\n')}`)
}

/** The exit code of a command whose provider fails with one. */
export const failing = ({ row }: Tried, code: number): number =>
  row.asks === 'nobody' ? 0 : typeof row.reports === 'number' ? row.reports : code
