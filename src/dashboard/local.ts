import type { DeclaredSecret, ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import { localVaultOf } from '../core/move-to-local.ts'
import type { Secrets } from '../core/pipeline.ts'
import { checkName } from '../core/policy.ts'
import type { Provider } from '../core/types.ts'

/** One value of the embedded vault. */
interface LocalPlace {
  /** The key under `providers`. */
  readonly key: string
  readonly vault: Provider
  readonly path: string
}

/** Whether the configuration takes every name of the embedded vault, so that new ones need no line in it. */
export function importsLocal(config: ResolvedConfig): string | undefined {
  return config.imports.find(
    ({ provider, path }) => path === '*' && config.providers.get(provider)?.type === 'local',
  )?.provider
}

/** Whether a declared secret is one whole value of the embedded vault. */
export function isLocal(config: ResolvedConfig, { reference }: DeclaredSecret): boolean {
  return (
    reference !== undefined &&
    reference.field === undefined &&
    config.providers.get(reference.provider)?.type === 'local'
  )
}

/**
 * Where the embedded vault has the value of a name.
 * @throws SecretsError `UNSUPPORTED` for a name that is read elsewhere, or that nothing would read
 */
function placeOf(secrets: Secrets, name: string): LocalPlace {
  const { config } = secrets
  const declared = config.secrets.get(name)
  if (declared && isLocal(config, declared)) {
    const { provider, path } = declared.reference!
    return { key: provider, vault: config.providers.get(provider)!, path }
  }
  if (declared)
    throw new SecretsError(
      'UNSUPPORTED',
      `${name} is not in the local vault: it is ${declared.reference ? `read from ${declared.reference.source}` : 'made from a template'}.`,
      { hint: 'Change it there, or move it to local first.' },
    )
  const key = importsLocal(config)
  if (key !== undefined) return { key, vault: config.providers.get(key)!, path: name }
  const [local] = localVaultOf(secrets) ?? []
  throw new SecretsError('UNSUPPORTED', `${name} is not in the configuration.`, {
    hint: local
      ? `Add ${name}: '${local}:${name}' to \`secrets\`.`
      : 'Add `local: local()` to `providers`, and the name to `secrets`.',
  })
}

/** What the project's environment has of its own, where it has; the value for all otherwise. */
async function environmentOf(
  { key, vault, path }: LocalPlace,
  secrets: Secrets,
): Promise<string | undefined> {
  const { environment } = secrets.config
  const listed = (await vault.list?.(path, secrets.contextFor(key))) ?? []
  return listed.some((entry) => entry.path === path && entry.environment === environment)
    ? environment
    : undefined
}

/** @throws SecretsError `UNSUPPORTED`, `CONFIG_INVALID` for a name that cannot be one */
export async function setLocal(secrets: Secrets, name: string, value: string): Promise<void> {
  const [wrong] = checkName(name, JSON.stringify(name))
  if (wrong) throw wrong
  const place = placeOf(secrets, name)
  const environment = await environmentOf(place, secrets)
  await place.vault.write!({ path: place.path, value, environment }, secrets.contextFor(place.key))
  await note(secrets, 'write', place)
}

/** @throws SecretsError `UNSUPPORTED`; `NOT_FOUND` for a name without a value */
export async function unsetLocal(secrets: Secrets, name: string): Promise<void> {
  const place = placeOf(secrets, name)
  const environment = await environmentOf(place, secrets)
  const request = { path: place.path, environment }
  if (!(await place.vault.remove!(request, secrets.contextFor(place.key)))) throw notSet(name)
  await note(secrets, 'remove', place)
}

/** The value itself, for a person who asks for it. @throws SecretsError `UNSUPPORTED`, `NOT_FOUND` */
export async function readLocal(secrets: Secrets, name: string): Promise<string> {
  const place = placeOf(secrets, name)
  const { vault, key, path } = place
  const [found] = await vault.read([{ path, options: {} }], secrets.contextFor(key))
  if (found instanceof SecretsError) throw found
  if (typeof found?.value !== 'string') throw notSet(name)
  await note(secrets, 'reveal', place)
  return found.value
}

function notSet(name: string): SecretsError {
  return new SecretsError('NOT_FOUND', `${name} has no value in the local vault.`)
}

async function note(
  { config }: Secrets,
  action: 'write' | 'remove' | 'reveal',
  { key, path }: LocalPlace,
): Promise<void> {
  if (config.audit === undefined) return
  const { audit } = await import('../core/audit.ts')
  await audit(config, { action, provider: key, path, field: undefined })
}
