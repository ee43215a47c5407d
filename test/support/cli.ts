import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { scratch } from './bao.ts'
import { canariesIn } from './canary.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The package as it is published, without declarations, in a folder of the test's own.
 * @returns the folder, to be linked as `node_modules/unplugin-secrets`.
 */
export async function buildPackage(name: string): Promise<string> {
  const folder = scratch(name)
  const bundle = await rolldown({
    cwd: repository,
    input: {
      index: 'src/index.ts',
      'providers/index': 'src/providers/index.ts',
      'runtime/index': 'src/runtime/index.ts',
      'runtime/load': 'src/runtime/load.ts',
      'cli/main': 'src/cli/main.ts',
      'cli/vault-env': 'src/cli/vault-env.ts',
    },
    platform: 'node',
    external: (id) => /^[^./\0]/.test(id),
  })
  await bundle.write({
    dir: join(folder, 'dist'),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
  })
  await bundle.close()
  writeFileSync(join(folder, 'package.json'), readFileSync(join(repository, 'package.json')))
  return folder
}

export interface Run {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Record<string, string>
  /** A command line in front of the program's. */
  readonly wrap?: readonly string[]
  /** The user and the group that it runs as. */
  readonly uid?: number | undefined
  readonly input?: string | Buffer
  /** Called when the process is there. */
  started?(child: ChildProcess): void
}

/** A person with a project: a home, a project folder, and everything that was ever printed. */
export class CliPlace {
  readonly folder: string
  readonly root: string
  /** The file of the program. */
  readonly main: string
  /** Values that may stand only where `reveal` asked for them. */
  readonly values: string[] = []
  readonly #printed: string[] = []

  constructor(name: string, packageFolder: string, program: 'main' | 'vault-env' = 'main') {
    this.folder = scratch(name)
    this.root = join(this.folder, 'project')
    this.main = join(packageFolder, 'dist', 'cli', `${program}.js`)
    mkdirSync(join(this.root, 'node_modules'), { recursive: true })
    symlinkSync(packageFolder, join(this.root, 'node_modules', 'unplugin-secrets'), 'dir')
    this.write('package.json', '{"name":"project","private":true,"type":"module"}\n')
  }

  write(path: string, content: string): string {
    const file = join(this.root, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, content)
    return file
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8')
  }

  /** Marks a value. */
  secret(value: string): string {
    this.values.push(value)
    return value
  }

  get env(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      HOME: join(this.folder, 'home'),
      XDG_CONFIG_HOME: join(this.folder, 'config'),
      XDG_CACHE_HOME: join(this.folder, 'cache'),
    }
  }

  start(args: readonly string[], { env = {}, wrap = [], uid }: RunOptions = {}): ChildProcess {
    const [file, ...line] = [...wrap, process.execPath, this.main, ...args]
    return spawn(file!, line, {
      cwd: this.root,
      env: { ...this.env, ...env },
      stdio: 'pipe',
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
  }

  /** Runs the program to its end. What it prints is kept for `leaks`. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const run = await this.reveal(args, options)
    this.#printed.push(run.stdout, run.stderr)
    return run
  }

  /** The same for a command whose output is a value. */
  async reveal(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const child = this.start(args, options)
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text
      })
    }
    options.started?.(child)
    child.stdin!.on('error', () => {})
    child.stdin!.end(options.input ?? '')
    return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...output })))
  }

  /** The one JSON document that a command with `--json` prints. */
  async json<T>(args: readonly string[], options?: RunOptions): Promise<T> {
    const { stdout } = await this.run([...args, '--json'], options)
    return JSON.parse(stdout) as T
  }

  /** The indexes of marked values in everything that was printed. */
  leaks(): number[] {
    return canariesIn(this.#printed.join('\n'), this.values)
  }
}
