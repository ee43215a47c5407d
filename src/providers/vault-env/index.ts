import { join } from 'node:path'
import { SecretsError } from '../../core/errors.ts'
import { readIfExists } from '../../core/files.ts'
import type { CheckResult, Duration, Provider, ProviderContext, ReadResult } from '../../core/types.ts'
import { checkOptions } from '../options.ts'
import type { VaultEnvProject } from './project.ts'

export interface VaultEnvOptions {
  /** The server. Default `VAULT_URL`, else the hosted service's address. */
  url?: string
  /** `vk_…`. Default `VAULT_KEY` of the process, else of `.env` beside the configuration; a configuration that is committed should not hold one. */
  key?: string
  /** Default `ttl` of its values, as in `cache.ttl`. */
  ttl?: Duration
}

const HOSTED_URL = 'https://api.vaultdotenv.io'
const ALL = '*'

/** The server that is meant: the one that is given, else `VAULT_URL`, else the hosted service. */
export function serverUrl(given: string | undefined): string {
  return given ?? (process.env.VAULT_URL || HOSTED_URL)
}

/**
 * A vault-env server: one encrypted document for each environment, decrypted here. `vaultEnv:NAME` reads one
 * name, `vaultEnv:*` all of the environment.
 * @throws SecretsError `CONFIG_INVALID` for options that cannot be
 */
export function vaultEnv(options: VaultEnvOptions = {}): Provider {
  checkOptions('vaultEnv', options, { url: 'text', key: 'text', ttl: 'duration' })
  const url = serverUrl(options.url)
  const given = options.key ?? (process.env.VAULT_KEY || undefined)
  // Signing and decrypting are loaded with the first call.
  const project = async (context: ProviderContext): Promise<VaultEnvProject> => {
    const { openProject } = await import('./project.ts')
    const key = given ?? (await keyIn(context.root))
    return openProject({ url, key, context })
  }
  return {
    type: 'vaultEnv',
    location: url,
    settings: { ...(options.url !== undefined && { url }) },
    ttl: options.ttl,
    importAll: true,

    validate({ path, options: given }) {
      if (path === '') return 'the name is missing'
      const [option] = Object.keys(given)
      return option === undefined ? undefined : `vaultEnv values have no options; take ?${option} away`
    },

    async read(requests, context) {
      const pulled = await (await project(context)).pull()
      return requests.map(({ path }): ReadResult => {
        if (!pulled) return undefined
        const { values, version } = pulled
        if (path === ALL) return { value: values, version }
        if (!Object.hasOwn(values, path)) return undefined
        const value = values[path]!
        return { value: typeof value === 'string' ? value : JSON.stringify(value), version }
      })
    },

    async versions(requests, context) {
      const version = await (await project(context)).currentVersion()
      return requests.map(() => version)
    },

    async list(path, context) {
      const pulled = await (await project(context)).pull()
      return Object.keys(pulled?.values ?? {})
        .filter((name) => name.startsWith(path))
        .sort()
        .map((name) => ({ path: name, version: pulled?.version }))
    },

    async write({ path, value, expected }, context) {
      // All of the environment at once: one version, not one for each name.
      if (path === ALL && typeof value === 'object' && !(value instanceof Uint8Array)) {
        const version = await (await project(context)).change(expected, () => value)
        return { version }
      }
      if (value instanceof Uint8Array)
        throw new SecretsError(
          'WRONG_TYPE',
          `Cannot write ${context.name}:${path}: it holds text, not bytes.`,
        )
      const text = typeof value === 'string' ? value : JSON.stringify(value)
      // Versions are the environment's; that nothing is there yet is said of one name.
      const isNew = expected === null
      const version = await (await project(context)).change(isNew ? undefined : expected, (values) => {
        if (isNew && Object.hasOwn(values, path))
          throw new SecretsError('CONFLICT', `There is something at ${context.name}:${path} already.`)
        return { ...values, [path]: text }
      })
      return { version }
    },

    async remove({ path }, context) {
      let found = false
      await (await project(context)).change(undefined, (values) => {
        if (path === ALL) {
          found = Object.keys(values).length > 0
          return found ? {} : undefined
        }
        found = Object.hasOwn(values, path)
        if (!found) return undefined
        return Object.fromEntries(Object.entries(values).filter(([name]) => name !== path))
      })
      return found
    },

    async history(_path, context) {
      return (await project(context)).history()
    },

    async rollback({ version }, context) {
      return { version: await (await project(context)).rollback(version) }
    },

    async check(requests, context) {
      try {
        const pulled = await (await project(context)).pull()
        const count = Object.keys(pulled?.values ?? {}).length
        const detail = pulled
          ? `version ${pulled.version}, ${count} names`
          : `nothing for ${context.environment} yet`
        return [
          { label: `reach ${url}`, ok: true, detail },
          ...requests.map(({ path }): CheckResult => {
            const label = `read ${context.name}:${path}`
            const ok = path === ALL || Object.hasOwn(pulled?.values ?? {}, path)
            if (ok) return { label, ok }
            const hint = `Put it into the .env file of ${context.environment}, then: npx vault-env push --env ${context.environment}`
            return { label, ok, detail: `not there for ${context.environment}`, hint }
          }),
        ]
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        return [{ label: `reach ${url}`, ok: false, detail: error.message, hint: error.hint }]
      }
    },
  }
}

/** Where `init` puts the key, and where the protocol's other clients look for it. */
async function keyIn(root: string): Promise<string | undefined> {
  const content = await readIfExists(join(root, '.env'))
  if (!content) return undefined
  const { parse } = (await import('dotenv')).default
  return parse(content).VAULT_KEY
}
