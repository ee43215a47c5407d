import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { SecretsConfig } from '../../src/core/types.ts'
import { local } from '../../src/providers/index.ts'
import { canariesIn, canary, canaryFiles } from '../support/canary.ts'
import { failure, fromLocal, makeProject, type Project } from '../support/project.ts'
import { contextFor, filesBelow } from '../support/workspace.ts'
import type { BuildOptions, BundlerHarness, Watching } from './harness.ts'

export const CLIENT_NAMES = ['MAPS_KEY', 'TITLE']
export const SERVER_NAMES = ['DATABASE_URL', 'STRIPE_KEY']

/** Random values that stand nowhere else; `TITLE` is a text that every minifier and encoder meets on its way. */
export const values = {
  DATABASE_URL: canary('db'),
  STRIPE_KEY: canary('stripe'),
  PASSWORD: canary('pass'),
  MAPS_KEY: canary('maps'),
  TITLE: `Tom's "$&" \`shop\` </script> \\ ${canary('title')}`,
}
const SERVER_VALUES = [values.DATABASE_URL, values.STRIPE_KEY, values.PASSWORD]
const CLIENT_VALUES = [values.MAPS_KEY, values.TITLE]

/** Five names: two and a part of a third for clients. */
export function config(more: SecretsConfig = {}): SecretsConfig {
  const base = fromLocal([...SERVER_NAMES, ...CLIENT_NAMES], { client: [...CLIENT_NAMES, 'db.user'] })
  return { ...base, secrets: { ...base.secrets, db: { from: 'local:db', mode: 'json' } }, ...more }
}

/** What a case has at hand: one project at a time, its builds, and what they printed. */
export class World {
  readonly harness: BundlerHarness
  project!: Project
  /** Texts of failures, which must not hold a value either. */
  readonly #errors: string[] = []
  /** What the cases themselves wrote: the only files in which a value may stand. */
  readonly #written = new Set<string>()

  constructor(harness: BundlerHarness) {
    this.harness = harness
  }

  /** A new project with files and the values above in its vault. */
  async app(files: Record<string, string>): Promise<void> {
    this.project = await makeProject(files, {
      DATABASE_URL: values.DATABASE_URL,
      STRIPE_KEY: values.STRIPE_KEY,
      MAPS_KEY: values.MAPS_KEY,
      TITLE: values.TITLE,
      db: JSON.stringify({ user: 'app', password: values.PASSWORD }),
    })
    const say = (message: unknown): boolean => this.project.output.push(String(message)) > 0
    for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, method).mockImplementation((...parts) => void say(parts.join(' ')))
    vi.spyOn(process.stderr, 'write').mockImplementation(say)
    vi.spyOn(process.stdout, 'write').mockImplementation(say)
    for (const name of Object.keys(files)) this.#written.add(join(this.project.root, name))
  }

  /** Writes files into the project. */
  write(files: Record<string, string>): void {
    this.project.write(files)
    for (const name of Object.keys(files)) this.#written.add(join(this.project.root, name))
  }

  /** A package beside the project, linked into its `node_modules` as a workspace does. */
  neighbour(name: string, files: Record<string, string>): void {
    const folder = join(this.project.folder, 'packages', name)
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), text)
    }
    mkdirSync(join(this.project.root, 'node_modules'), { recursive: true })
    const link = join(this.project.root, 'node_modules', name)
    // Relative, as package managers link; Farm finds nothing behind the others.
    symlinkSync(relative(dirname(link), folder), link, 'dir')
  }

  /** Changes a value in the project's vault. */
  async set(path: string, value: string): Promise<void> {
    await local().write!({ path, value }, contextFor(this.project.root))
  }

  build(options: Partial<BuildOptions> = {}): Promise<void> {
    return this.harness.build(this.project, {
      config: config(),
      entry: 'src/main.js',
      consumer: 'client',
      ...options,
    })
  }

  /** Builds and runs one client module. @returns what it printed as JSON */
  async client(code: string, options: Partial<BuildOptions> = {}): Promise<unknown> {
    await this.app({ 'src/main.js': code })
    await this.build(options)
    return this.run()
  }

  /** A build that must fail, leaving nothing on disk. @returns its text */
  async refused(files: Record<string, string>, options: Partial<BuildOptions> = {}): Promise<string> {
    await this.app(files)
    const text = await failure(this.build(options))
    this.#errors.push(text)
    expect(this.outputs()).toEqual([])
    return text
  }

  /** Runs what was built, with no environment but this. @returns the JSON of its last line */
  run(env: Record<string, string> = {}, file = 'dist/main.js'): unknown {
    const printed = execFileSync(process.execPath, [join(this.project.root, file)], {
      cwd: this.project.folder,
      env: { PATH: process.env.PATH, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return JSON.parse(printed.trim().split('\n').at(-1)!)
  }

  /** Absolute paths of all that a build wrote. */
  outputs(outDir = 'dist'): string[] {
    const folder = join(this.project.root, outDir)
    return existsSync(folder) ? filesBelow(folder) : []
  }

  /** The text of all that a build wrote and whose name fits. */
  emitted(pattern = /./, outDir = 'dist'): string {
    return this.outputs(outDir)
      .filter((file) => pattern.test(file))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n')
  }

  /** Nothing printed or thrown holds a value; no file but those a case wrote holds a server value. */
  check(): void {
    const said = [...this.#errors.splice(0), ...this.project.output].join('\n')
    expect(canariesIn(said, [...SERVER_VALUES, ...CLIENT_VALUES])).toEqual([])
    const files = canaryFiles(this.project.folder, SERVER_VALUES)
    expect(files.filter((file) => !this.#written.has(file))).toEqual([])
  }
}

/** A world for the cases of a `describe`, cleaned and searched after each. */
export function worldFor(harness: BundlerHarness): World {
  const world = new World(harness)
  beforeEach(() => {
    vi.restoreAllMocks()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    world.check()
    world.project.remove()
    vi.unstubAllEnvs()
  })
  return world
}

/**
 * Makes a change and waits for the build that follows. File watchers begin to look only some time after a build
 * has ended, and tell nobody when; so there is a pause before, and a change that was not seen is made again.
 */
export async function changed(watching: Watching, change: () => unknown): Promise<void> {
  await sleep(300)
  watching.forget?.()
  await change()
  const again = setInterval(change, 5_000)
  try {
    await watching.next()
  } finally {
    clearInterval(again)
  }
}
