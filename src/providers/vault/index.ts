import { SecretsError } from '../../core/errors.ts'
import { didYouMean } from '../../core/nearest.ts'
import type { Provider, ProviderContext, Reference } from '../../core/types.ts'
import { badSegment, resolveOptions, settingsOf, type VaultOptions } from './options.ts'
import type { Vault } from './vault.ts'

export type { VaultAuth } from './auth/index.ts'
export type { VaultOptions, VaultTls } from './options.ts'

const REFERENCE_OPTIONS = ['version']

/**
 * HashiCorp Vault and OpenBao. `vault:myapp/db#password` is the field `password` of the KV secret `myapp/db`
 * below `mount`; `?version=3` asks for an older version of it (v2). `vault:/database/creds/app#password`, with a
 * slash in front, is a path of any engine: what it lends is renewed, and given back at `close`.
 * @throws SecretsError `CONFIG_INVALID` for options that cannot be
 */
export function vault(options: VaultOptions = {}): Provider {
  const resolved = resolveOptions(options)
  let opened: Promise<Vault> | undefined
  const open = (context: ProviderContext): Promise<Vault> => {
    const opening = (opened ??= import('./vault.ts').then((module) => module.Vault.open(resolved, context)))
    // An unreadable CA file may be there at the next fetch.
    opening.catch(() => {
      if (opened === opening) opened = undefined
    })
    return opening
  }
  return {
    type: 'vault',
    location: resolved.url,
    settings: settingsOf(resolved),
    ttl: resolved.ttl,
    validate: problemOf,
    read: async (requests, context) => (await open(context)).read(requests, context),
    versions: async (requests, context) => (await open(context)).versions(requests, context),
    list: async (path, context) => (await open(context)).list(path, context),
    write: async (request, context) => (await open(context)).write(request, context),
    patch: async (request, context) => (await open(context)).patch(request, context),
    remove: async (request, context) => (await open(context)).remove(request, context),
    restore: async (request, context) => (await open(context)).restore(request, context),
    history: async (path, context) => (await open(context)).history(path, context),
    rollback: async (request, context) => (await open(context)).rollback(request, context),
    metadata: async (path, context) => (await open(context)).metadata(path, context),
    annotate: async (request, context) => (await open(context)).annotate(request, context),
    policy: async (requests, context) => (await open(context)).policy(requests, context),
    async check(requests, context) {
      try {
        return await (await open(context)).check(requests, context)
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        return [{ label: 'reachable', ok: false, detail: error.message, hint: error.hint }]
      }
    },
    async close() {
      const closing = opened
      opened = undefined
      const vault = await closing?.catch(() => undefined)
      await vault?.close()
    },
  }
}

function problemOf({ path, options }: Reference): string | undefined {
  if (path === '') return 'the path is empty'
  const whole = path.startsWith('/')
  if (badSegment(whole ? path.slice(1) : path)) return 'the path has an empty segment, "." or ".."'
  for (const [name, value] of Object.entries(options)) {
    // Another engine has parameters of its own.
    if (whole && name !== 'version' && /^[a-z][a-z0-9_]*$/.test(name)) continue
    if (!REFERENCE_OPTIONS.includes(name))
      return `vault has no option ${name}.${didYouMean(name, REFERENCE_OPTIONS)}`
    if (!/^[1-9]\d{0,14}$/.test(value)) return 'version must be a positive integer'
  }
  return undefined
}
