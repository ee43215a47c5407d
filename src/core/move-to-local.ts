import { SecretsError } from './errors.ts'
import type { Secrets, SecretsOptions } from './pipeline.ts'
import type { Secret } from './redact.ts'
import { relink } from './relink.ts'
import type { Provider } from './types.ts'

export interface Move {
  /** A declared name. */
  readonly name: string
  /** Its last value. Asked for once it is known that it can be moved. */
  readonly value: () => Promise<Secret>
  /** Whether a value that the vault has of that name may go; throws where it may not. @param to its reference */
  readonly mayReplace: (to: string) => void | Promise<void>
  /** What the project was opened with, to look at a changed configuration. */
  readonly options: SecretsOptions
}

export interface Moved {
  /** The reference that it had; `undefined`: it had a template. */
  readonly from: string | undefined
  readonly to: string
  /** The file that says so now; `undefined`: a person has to change the configuration. */
  readonly file: string | undefined
}

/** The embedded vault of a configuration, and its key under `providers`. */
export function localVaultOf({
  config,
}: Pick<Secrets, 'config'>): readonly [string, Provider & Required<Pick<Provider, 'write'>>] | undefined {
  const found = [...config.providers].find(([, { type, write }]) => type === 'local' && write)
  return found as ReturnType<typeof localVaultOf>
}

/**
 * Takes a secret into the embedded vault with its last value, and makes the configuration read it there.
 * @throws SecretsError `UNSUPPORTED` where there is no vault, or it is there already; `CONFLICT` when somebody
 *   else writes at the same moment; what the vault throws
 */
export async function moveToLocal(secrets: Secrets, move: Move): Promise<Moved> {
  const { config, contextFor } = secrets
  const { name } = move
  const [key, local] = localVaultOf(secrets) ?? []
  if (key === undefined || !local)
    throw new SecretsError('UNSUPPORTED', 'The configuration has no local vault.', {
      hint: 'Add `local: local()` to `providers`.',
    })
  const to = `${key}:${name}`
  const reference = config.secrets.get(name)?.reference
  if (reference?.provider === key)
    throw new SecretsError('UNSUPPORTED', `${name} is in ${key} already.`, {
      hint: `Change it with: secrets set ${name}`,
    })
  // The last value known, from the cache too: the place it comes from may be gone.
  const value = (await move.value()).reveal()
  const [there] = await local.read([{ path: name, options: {} }], contextFor(key))
  if (there instanceof SecretsError) throw there
  if (there) await move.mayReplace(to)
  await local.write({ path: name, value, expected: there ? there.version : null }, contextFor(key))
  if (config.audit !== undefined) {
    const { audit } = await import('./audit.ts')
    await audit(config, { action: 'write', provider: key, path: name, field: undefined })
  }
  const from = reference?.source
  return { from, to, file: await relink(config, move.options, { name, from, to }) }
}
