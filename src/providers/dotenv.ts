import { join, resolve } from 'node:path'
import { SecretsError } from '../core/errors.ts'
import { readIfExists } from '../core/files.ts'
import type { CheckResult, Provider, ProviderContext, ReadResult } from '../core/types.ts'
import { watchFiles } from '../core/watch-files.ts'
import { throwIfAborted } from './aborted.ts'
import { checkOptions } from './options.ts'

export interface DotenvOptions {
  /** Where the files are, relative to the configuration. Default: beside it. */
  directory?: string
}

const ALL = '*'

/**
 * `.env`, `.env.local`, `.env.[environment]`, `.env.[environment].local`; the later one wins, as in Vite.
 * `dotenv:NAME` reads one, `dotenv:*` all. `{{vault:NAME}}` inside a value means another declared secret.
 * @throws SecretsError CONFIG_INVALID for an option that is none.
 */
export function dotenv(options: DotenvOptions = {}): Provider {
  checkOptions('dotenv', options, { directory: 'text' })
  const { directory = '.' } = options
  return {
    type: 'dotenv',
    location: join(directory, '.env*'),
    settings: options.directory === undefined ? {} : { directory },
    cached: false,
    templates: true,
    importAll: true,

    validate({ path, options: given }) {
      if (path === '') return 'the name of the variable is missing'
      const [option] = Object.keys(given)
      return option === undefined ? undefined : `.env files have no options; take ?${option} away`
    },

    async read(requests, context) {
      const { values } = await load(directory, context)
      return requests.map(({ path }): ReadResult => {
        if (path === ALL) return { value: Object.fromEntries(values) }
        const value = values.get(path)
        return value === undefined ? undefined : { value }
      })
    },

    async list(path, context) {
      const { values } = await load(directory, context)
      const names = [...values.keys()].filter((name) => name.startsWith(path))
      return names.sort().map((name) => ({ path: name }))
    },

    watch({ root, environment }, changed) {
      return watchFiles(
        namesFor(environment).map((name) => resolve(root, directory, name)),
        changed,
      )
    },

    async check(requests, context) {
      try {
        const { values, files } = await load(directory, context)
        return [
          {
            label: 'find .env files',
            ok: true,
            detail: files.length > 0 ? files.join(', ') : 'there are none',
          },
          ...requests.map(({ path }): CheckResult => {
            const label = `read ${context.name}:${path}`
            if (path === ALL || values.has(path)) return { label, ok: true }
            const hint = `Add ${path}= to ${join(directory, '.env.local')}.`
            return { label, ok: false, detail: 'no file sets it', hint }
          }),
        ]
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        return [{ label: 'find .env files', ok: false, detail: error.message, hint: error.hint }]
      }
    },
  }
}

/** The later one wins. */
function namesFor(environment: string): string[] {
  return ['.env', '.env.local', `.env.${environment}`, `.env.${environment}.local`]
}

/** Read anew each time: editing one of these files is how their values rotate. */
async function load(
  directory: string,
  context: ProviderContext,
): Promise<{ values: Map<string, string>; files: string[] }> {
  throwIfAborted(context)
  const { environment, root } = context
  if (/[/\\\0]/.test(environment))
    throw new SecretsError(
      'CONFIG_INVALID',
      `The environment ${JSON.stringify(environment)} cannot be part of a file name.`,
      { hint: 'Choose one without / and \\.' },
    )
  // `parse` only: it looks at nothing but its argument, while `config` prints and changes process.env.
  const { parse } = (await import('dotenv')).default
  const values = new Map<string, string>()
  const files: string[] = []
  for (const name of namesFor(environment)) {
    const content = await readIfExists(resolve(root, directory, name))
    if (!content) continue
    files.push(name)
    for (const [key, value] of Object.entries(parse(content))) values.set(key, value)
  }
  return { values, files }
}
