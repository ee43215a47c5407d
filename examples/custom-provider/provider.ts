import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  type CheckResult,
  defineProvider,
  type ProviderContext,
  type ReadResult,
  SecretsError,
} from 'unplugin-secrets'

export interface MountOptions {
  /** The folder, relative to the configuration. Default `/run/secrets`. */
  directory?: string
}

/** Kubernetes keeps its own links in names that begin with two dots. */
const NAME = /^(?!\.\.)[\w.-]+$/

/** A folder with one file a secret, as Docker and Kubernetes mount them: `mount:db_password`. */
export const mount = defineProvider((options: MountOptions = {}) => {
  const { directory = '/run/secrets' } = options
  return {
    type: 'mount',
    location: directory,
    // The files are at hand, and rotate in place.
    cached: false,

    validate({ path, options: given }) {
      if (!NAME.test(path)) return 'the name of a file is made of letters, digits, _, - and .'
      return Object.keys(given).length > 0 ? 'files have no options' : undefined
    },

    async read(requests, context) {
      throwIfAborted(context)
      return Promise.all(requests.map(({ path }) => readOne(resolve(context.root, directory), path)))
    },

    async list(prefix, context) {
      throwIfAborted(context)
      const names = await readdir(resolve(context.root, directory))
      return names.filter((name) => NAME.test(name) && name.startsWith(prefix)).map((path) => ({ path }))
    },

    async check(requests, context) {
      return Promise.all(
        requests.map(async ({ path }): Promise<CheckResult> => {
          const label = `read ${context.name}:${path}`
          const result = await readOne(resolve(context.root, directory), path)
          if (result instanceof SecretsError) return { label, ok: false, detail: result.message }
          if (result) return { label, ok: true }
          return { label, ok: false, detail: `no file ${path} in ${directory}`, hint: 'Mount the secret.' }
        }),
      )
    },
  }
})

/** `undefined` is "is not there"; an error is "could not know". The error holds a path and a reason, nothing else. */
async function readOne(folder: string, path: string): Promise<ReadResult> {
  try {
    return { value: await readFile(join(folder, path), 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    return new SecretsError('FILE_UNREADABLE', `Cannot read ${join(folder, path)}: ${code ?? 'unknown'}.`)
  }
}

function throwIfAborted({ signal, name }: ProviderContext): void {
  if (!signal.aborted) return
  const isLate = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  throw isLate
    ? new SecretsError('TIMEOUT', `The time for reading from ${name} is over.`)
    : new SecretsError('ABORTED', `Reading from ${name} was given up.`)
}
