import { type ChildProcess, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { canariesIn, canaryFiles } from './canary.ts'
import { newerNode } from './newer-node.ts'
import { freePort } from './servers.ts'

/** Examples of frameworks, with packages of their own, kept between runs. */
const repository = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(repository, 'test/.tmp/frameworks')
const home = join(folder, 'home')

export interface Ran {
  readonly code: number | null
  readonly text: string
}

/** No framework is to tell its maker about this run. */
const QUIET = { NEXT_TELEMETRY_DISABLED: '1', NUXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1' }

let node = ''
let tarball = ''

/** Packs this package, and finds a Node that the frameworks run on: this one, or the one that npm has as a package. */
export async function prepareFrameworks(): Promise<void> {
  mkdirSync(folder, { recursive: true })
  if (Number(process.versions.node.split('.')[0]) < 22) node = await newerNode(22)
  const source = join(folder, 'source')
  rmSync(source, { recursive: true, force: true })
  for (const path of ['src', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(repository, path), join(source, path), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(source, 'node_modules'), 'dir')
  await mustRun(
    source,
    'node scripts/build.mjs && npm pack --ignore-scripts --pack-destination ..',
    process.env,
  )
  const { name, version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  tarball = `file:../${name}-${version}.tgz`
}

/** A copy of an example with what it depends on, as `npm install` makes it. */
export class FrameworkExample {
  readonly root: string
  /** All that was printed. */
  readonly said: string[] = []
  readonly #name: string

  constructor(name: string) {
    this.#name = name
    this.root = join(folder, name)
  }

  async install(): Promise<void> {
    mkdirSync(this.root, { recursive: true })
    for (const entry of readdirSync(this.root))
      if (entry !== 'node_modules') rmSync(join(this.root, entry), { recursive: true, force: true })
    for (const path of this.#left()) rmSync(path, { recursive: true, force: true })
    rmSync(join(this.root, 'node_modules/unplugin-secrets'), { recursive: true, force: true })
    cpSync(join(repository, 'examples', this.#name), this.root, {
      recursive: true,
      filter: (path) => !/[\\/](node_modules|dist|build|\.[a-z-]+)$/.test(path.slice(repository.length)),
    })
    const file = join(this.root, 'package.json')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(/("unplugin-secrets": )"[^"]+"/, `$1"${tarball}"`))
    const npm = 'npm install --no-package-lock --prefer-offline --no-audit --no-fund'
    await mustRun(this.root, npm, {
      ...process.env,
      ...QUIET,
      PATH: [node, process.env.PATH].join(delimiter),
    })
  }

  read(file: string): string {
    return readFileSync(join(this.root, file), 'utf8')
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.root, file), text)
  }

  remove(paths: readonly string[]): void {
    for (const path of paths) rmSync(join(this.root, path), { recursive: true, force: true })
  }

  /** The command line of a script of the example's package.json. */
  script(key: string): string {
    return JSON.parse(this.read('package.json')).scripts[key]
  }

  async run(line: string, input = ''): Promise<Ran> {
    const ran = await toEnd(this.#start(line), input)
    this.said.push(ran.text)
    return ran
  }

  /** Runs a server while `work` asks it; `line` may name its port as `$PORT`. */
  async serving<T>(line: string, work: (get: (path: string) => Promise<string>) => Promise<T>): Promise<T> {
    const port = await freePort()
    const child = this.#start(line.replace('$PORT', String(port)), { PORT: String(port), HOST: '127.0.0.1' })
    let text = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => void (text += chunk))
    const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
    let ended = false
    void closed.then(() => void (ended = true))
    const get = async (path: string): Promise<string> => {
      for (;;) {
        try {
          const body = await (await fetch(`http://localhost:${port}${path}`)).text()
          this.said.push(body)
          return body
        } catch (error) {
          // Not listening yet.
          if (ended) throw new Error(text, { cause: error })
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
    }
    try {
      return await work(get)
    } finally {
      // The whole group: a shell, what it started, and the threads' own children.
      if (!ended) process.kill(-child.pid!, 'SIGTERM')
      await closed
      this.said.push(text)
    }
  }

  /** Files that hold one of the values, of all that was written since the installation. */
  holding(values: readonly string[]): string[] {
    const own = readdirSync(this.root).filter((entry) => entry !== 'node_modules')
    const paths = [...own.map((entry) => join(this.root, entry)), ...this.#left()]
    return paths.flatMap((path) => {
      const isFolder = readdirSync(join(path, '..'), { withFileTypes: true }).some(
        (entry) => entry.isDirectory() && join(path, '..', entry.name) === path,
      )
      if (isFolder) return canaryFiles(path, values)
      return canariesIn(readFileSync(path), values).length > 0 ? [path] : []
    })
  }

  /** What tools leave among the packages: caches and generated types. */
  #left(): string[] {
    const modules = join(this.root, 'node_modules')
    if (!existsSync(modules)) return []
    return readdirSync(modules)
      .filter((entry) => /^[.$]/.test(entry) && entry !== '.bin' && entry !== '.package-lock.json')
      .map((entry) => join(modules, entry))
  }

  #start(line: string, env: Record<string, string> = {}): ChildProcess {
    const path = [join(this.root, 'node_modules/.bin'), node, process.env.PATH].join(delimiter)
    return spawn(line, {
      cwd: this.root,
      shell: true,
      detached: true,
      env: {
        PATH: path,
        HOME: home,
        XDG_CONFIG_HOME: join(home, 'config'),
        XDG_CACHE_HOME: join(home, 'cache'),
        NO_COLOR: '1',
        ...QUIET,
        ...env,
      },
    })
  }
}

async function toEnd(child: ChildProcess, input = ''): Promise<Ran> {
  const output: Buffer[] = []
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => void output.push(chunk))
  child.stdin!.end(input)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, text: Buffer.concat(output).toString() }
}

async function mustRun(cwd: string, line: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { code, text } = await toEnd(spawn(line, { cwd, shell: true, env }))
  if (code !== 0) throw new Error(`${line}: ${text}`)
}
