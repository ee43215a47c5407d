import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { vi } from 'vitest'
import type { Logger } from '../../src/core/log.ts'
import {
  defineProvider,
  type Provider,
  type ProviderContext,
  type ReadRequest,
  type ReadResult,
  SecretsError,
} from '../../src/index.ts'

/** A repository of its own below `test/.tmp`, from where packages are found, with the user's folders beside it. */
export interface Project {
  readonly root: string
  /** Outside the project. */
  readonly cache: string
  /** Where the user-level configuration is looked for. */
  readonly user: string
  write(files: Readonly<Record<string, string>>, folder?: string): void
  remove(): void
}

/** Sets the environment of this test to it: `vi.unstubAllEnvs()` takes that back. */
export function makeProject(): Project {
  const folder = fileURLToPath(new URL(`../.tmp/core-${randomBytes(6).toString('hex')}`, import.meta.url))
  const root = join(folder, 'project')
  mkdirSync(join(root, '.git'), { recursive: true })
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  for (const name of ['SECRETS_KEY', 'SECRETS_PROFILE', 'CI']) vi.stubEnv(name, '')
  return {
    root,
    cache: join(folder, 'sealed'),
    user: join(folder, 'config', 'unplugin-secrets'),
    write(files, below = root) {
      for (const [name, text] of Object.entries(files)) {
        const file = join(below, name)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, text)
      }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** What was said, for the check that no value is in it. */
export function recordingLogger(): Logger & { readonly lines: string[]; readonly warnings: string[] } {
  const lines: string[] = []
  const warnings: string[] = []
  return {
    lines,
    warnings,
    info: (message) => void lines.push(message),
    warn: (message) => {
      lines.push(message)
      warnings.push(message)
    },
    debug: (message) => void lines.push(message),
  }
}

export interface Recorded extends Provider {
  readonly calls: (readonly ReadRequest[])[]
}

/** A provider as a third party writes one, which also tells what it was asked. */
export const place = defineProvider(
  (
    answer: (
      requests: readonly ReadRequest[],
      context: ProviderContext,
      call: number,
    ) => readonly ReadResult[] | Promise<readonly ReadResult[]>,
    more: Partial<Provider> = {},
  ): Recorded => {
    const calls: (readonly ReadRequest[])[] = []
    return {
      type: 'place',
      location: 'memory',
      ...more,
      calls,
      async read(requests, context) {
        calls.push(requests)
        return answer(requests, context, calls.length)
      },
    }
  },
) as (
  answer: (
    requests: readonly ReadRequest[],
    context: ProviderContext,
    call: number,
  ) => readonly ReadResult[] | Promise<readonly ReadResult[]>,
  more?: Partial<Provider>,
) => Recorded

/** Holds these documents by path. */
export function holding(documents: Readonly<Record<string, unknown>>, more?: Partial<Provider>): Recorded {
  return place(
    (requests) =>
      requests.map(({ path }) =>
        Object.hasOwn(documents, path) ? ({ value: documents[path] } as ReadResult) : undefined,
      ),
    more,
  )
}

/** The error of a call that must fail, and everything that can be seen of it. */
export async function failure(
  work: Promise<unknown> | (() => unknown),
): Promise<SecretsError & { shown: string }> {
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    const shown = [error.format(), String(error.stack), inspect(error, { depth: 9, showHidden: true })].join(
      '\n',
    )
    return Object.assign(error, { shown })
  }
  throw new Error('it did not fail')
}

/** The messages of one or several problems. */
export function messages(error: SecretsError): string[] {
  return error.problems.length > 0 ? error.problems.map(({ message }) => message) : [error.message]
}
