import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { vi } from 'vitest'
import secrets from '../../src/bundlers/esbuild.ts'
import type { SecretsConfig } from '../../src/core/types.ts'
import type { CliPlace } from './cli.ts'

/** What stands for a value in the output of a test's server. */
export function hash(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 12)
}

/** A line of a test's server. */
export interface Line {
  readonly what: string
  readonly pid: number
  readonly names?: readonly string[]
  /** Hashes of values, by name. */
  readonly has: Readonly<Record<string, string>>
}

/**
 * Source of a server that says which values it has: at its start, at every change, and at every line of input.
 * @param code runs at the start, with `say` at hand
 */
export function sayingServer(names: readonly string[], code = 'setInterval(() => {}, 1000)'): string {
  const has = names.map((name) => `${name}: hash(${name})`).join(', ')
  return `
import { ${names.join(', ')} } from 'virtual:secrets/server'
import { onSecretsChange, watch } from 'unplugin-secrets/runtime'
import { createHash } from 'node:crypto'
const text = (value) => (typeof value === 'string' ? value : value === undefined ? 'nothing' : JSON.stringify(value))
const hash = (value) => createHash('sha256').update(text(value)).digest('hex').slice(0, 12)
const say = (what, more) => process.stdout.write(JSON.stringify({ what, pid: process.pid, ...more, has: { ${has} } }) + '\\n')
onSecretsChange((names) => say('change', { names }))
say('start')
void watch
${code}
`
}

/** Bundles a server with the esbuild plugin, as the person of `place` would. @returns the file */
export async function buildServer(
  place: CliPlace,
  file: string,
  source: string,
  config: SecretsConfig,
  more: Parameters<typeof build>[0] = {},
): Promise<string> {
  for (const [name, value] of Object.entries(place.env)) if (name !== 'PATH') vi.stubEnv(name, value)
  const outfile = join(place.root, file)
  try {
    await build({
      stdin: { contents: source, resolveDir: place.root, sourcefile: 'server.js' },
      absWorkingDir: place.root,
      bundle: true,
      platform: 'node',
      format: file.endsWith('.cjs') ? 'cjs' : 'esm',
      outfile,
      logLevel: 'error',
      plugins: [secrets({ environment: 'development', ...config })],
      ...more,
    })
  } finally {
    vi.unstubAllEnvs()
  }
  return outfile
}

/** The lines of a server as they come. */
export class Lines {
  readonly all: Line[] = []
  /** What is none of them: remarks of whoever stands in between. */
  readonly other: string[] = []
  errors = ''

  constructor(child: ChildProcess) {
    let rest = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (line.startsWith('{"what"')) this.all.push(JSON.parse(line) as Line)
        else this.other.push(line)
      }
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
  }

  /** The first line like this, when it comes. */
  until(is: (line: Line) => boolean): Promise<Line> {
    return vi.waitFor(
      () => {
        const found = this.all.find(is)
        if (!found) throw new Error(`not said; so far: ${JSON.stringify(this.all)} ${this.errors}`)
        return found
      },
      { timeout: 50_000, interval: 20 },
    )
  }

  get everything(): string {
    return [JSON.stringify(this.all), ...this.other, this.errors].join('\n')
  }
}

/** What the system shows of a process to others of the same user. */
export function environmentOf(pid: number): string {
  return ['environ', 'cmdline'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1')).join('\0')
}

/** Whether a process is there; one that has ended and waits for its parent is not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
