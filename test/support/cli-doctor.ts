import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { canaryFiles } from './canary.ts'
import { buildPackage, CliPlace } from './cli.ts'

/** A line of `doctor` that needs somebody's attention. */
export interface DoctorLine {
  readonly group: string
  readonly label: string
  readonly ok: boolean
  readonly detail?: string
  readonly hint?: string
}

interface Listening {
  listen(port: number, host: string, then: () => void): unknown
  address(): unknown
  close(): unknown
}

/** A project that is examined again and again, and servers with faults. */
export class Practice {
  readonly place: CliPlace
  /** Whom everybody is that says nothing else. */
  readonly #env: Readonly<Record<string, string>>
  readonly #closing: (() => unknown)[] = []

  private constructor(place: CliPlace, env: Readonly<Record<string, string>>) {
    this.place = place
    this.#env = env
  }

  static async open(name: string, env: Readonly<Record<string, string>> = {}): Promise<Practice> {
    return new Practice(new CliPlace(name, await buildPackage(`${name}-package`)), env)
  }

  /** Ends the servers, and searches what was printed and written. */
  async close(): Promise<void> {
    for (const close of this.#closing) await close()
    expect(this.place.leaks()).toEqual([])
    expect(canaryFiles(this.place.folder, this.place.values)).toEqual([])
  }

  atEnd(close: () => unknown): void {
    this.#closing.push(close)
  }

  /** Runs `doctor` on a configuration. @returns problems and warnings */
  examine(config: object, env: Record<string, string> = {}): Promise<DoctorLine[]> {
    this.place.write('secrets.config.json', JSON.stringify({ timeout: 30_000, cache: false, ...config }))
    return this.look(env)
  }

  /** Runs `doctor` on what is there. */
  async look(env: Record<string, string> = {}): Promise<DoctorLine[]> {
    const run = await this.place.run(['doctor', '--json'], { env: { ...this.#env, ...env } })
    expect(run.stderr).toBe('')
    const { ok, groups } = JSON.parse(run.stdout) as {
      ok: boolean
      groups: { title: string; checks: DoctorLine[] }[]
    }
    expect(run.code).toBe(ok ? 0 : 1)
    return groups.flatMap(({ title, checks }) =>
      checks.filter((each) => !each.ok || each.hint).map((each) => ({ ...each, group: title })),
    )
  }

  /** @returns its address */
  async http(answer: RequestListener): Promise<string> {
    return `http://127.0.0.1:${await this.#listening(createHttp(answer))}`
  }

  /** @returns its address */
  async https(
    options: ServerOptions,
    answer: RequestListener = (_, response) => response.end('{}'),
    host = '127.0.0.1',
  ): Promise<string> {
    return `https://${host}:${await this.#listening(createHttps(options, answer), host)}`
  }

  #listening(server: Listening, host = '127.0.0.1'): Promise<number> {
    this.atEnd(() => server.close())
    return new Promise((resolve) =>
      server.listen(0, host, () => resolve((server.address() as AddressInfo).port)),
    )
  }
}

/** The one thing that is found. */
export function only(lines: readonly DoctorLine[], detail: RegExp, hint: RegExp): void {
  expect(lines).toEqual([
    expect.objectContaining({ detail: expect.stringMatching(detail), hint: expect.stringMatching(hint) }),
  ])
}
