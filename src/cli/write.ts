import { changeFields, writeExpecting } from '../core/check-and-set.ts'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import type { Provider, ProviderContext } from '../core/types.ts'
import { isInLink, type Target } from './target.ts'

/** Each call has a deadline of its own. */
type Contexts = () => ProviderContext

interface How {
  /** Only for this environment, where the place keeps several values. */
  readonly environment?: string | undefined
  /** Written only while this is the current version; `null`: only where nothing is. */
  readonly expected?: string | null | undefined
}

/** Stores a value at a target; a field of a document that is not there makes the document. */
export async function writeTo(
  config: ResolvedConfig,
  target: Target,
  value: string,
  how: How,
  context: Contexts,
): Promise<void> {
  await write(target, value, isInLink(config, target) ? { expected: how.expected } : how, context)
  await noteChange(config, 'write', target)
}

async function write(
  { provider, path, field }: Target,
  value: string,
  { environment, expected }: How,
  context: Contexts,
): Promise<void> {
  if (field === undefined) {
    await writeExpecting(provider, { path, value, environment, expected }, context)
    return
  }
  refuseEnvironment(environment, provider, context(), path)
  try {
    await changeFields(provider, { path, set: { [field]: value }, expected: expected ?? undefined }, context)
  } catch (error) {
    const isNew = error instanceof SecretsError && error.code === 'NOT_FOUND' && provider.write
    if (!isNew) throw error
    // What was deleted has versions, so a new one is not the first.
    const [there] = await provider.read([{ path, options: {} }], context())
    const isDeleted = there instanceof SecretsError && there.code === 'DELETED'
    const first = isDeleted ? undefined : null
    await writeExpecting(provider, { path, value: { [field]: value }, expected: first }, context)
  }
}

/** @returns whether there was something to remove */
export async function removeFrom(
  config: ResolvedConfig,
  target: Target,
  how: Pick<How, 'environment'>,
  context: Contexts,
): Promise<boolean> {
  const removed = await remove(target, isInLink(config, target) ? {} : how, context)
  if (removed) await noteChange(config, 'remove', target)
  return removed
}

/** In the audit log, where there is one. */
export async function noteChange(
  config: ResolvedConfig,
  action: 'write' | 'remove' | 'rollback',
  { name, path, field }: Pick<Target, 'name' | 'path' | 'field'>,
): Promise<void> {
  if (config.audit === undefined) return
  const { audit } = await import('../core/audit.ts')
  await audit(config, { action, provider: name, path, field })
}

async function remove(
  { provider, path, field }: Target,
  { environment }: Pick<How, 'environment'>,
  context: Contexts,
): Promise<boolean> {
  if (field === undefined) return provider.remove!({ path, environment }, context())
  refuseEnvironment(environment, provider, context(), path)
  const [document] = await provider.read([{ path, options: {} }], context())
  if (document instanceof SecretsError) throw document
  const { fieldsOf } = await import('../core/fields.ts')
  if (!document || !Object.hasOwn(fieldsOf(document.value) ?? {}, field)) return false
  await changeFields(provider, { path, set: {}, unset: [field], expected: document.version }, context)
  return true
}

/** A field cannot be another one in another environment: that would be another document. */
function refuseEnvironment(
  environment: string | undefined,
  { type }: Provider,
  { name }: ProviderContext,
  path: string,
): void {
  if (environment === undefined) return
  if (type === 'local')
    throw new SecretsError('UNSUPPORTED', `A field of ${name}:${path} is the same in all environments.`, {
      hint: `Write the whole value: secrets set ${name}:${path} --env ${environment}`,
    })
  throw new SecretsError('UNSUPPORTED', `${name}:${path} has one value for all environments.`, {
    hint: 'Leave --env out, or give each environment a document of its own: {environment} in the reference.',
  })
}
