import { canChangeFields } from '../core/check-and-set.ts'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import { parseReference } from '../core/reference.ts'
import { ownerOf } from '../core/template.ts'
import type { Provider, Reference } from '../core/types.ts'

/** Where `set` and `unset` change something. */
export interface Target {
  /** The key under `providers`. */
  readonly name: string
  readonly provider: Provider
  readonly path: string
  /** The key of the document that is changed; absent: all of it. */
  readonly field: string | undefined
  /** What the user has to know: the change is not what the project reads. */
  readonly remark: string | undefined
}

/** A document that a command line names. */
export interface Place {
  readonly reference: Reference
  readonly provider: Provider
}

/** @throws SecretsError when the reference means no configured provider, or that provider refuses it */
export function referenceTo(config: ResolvedConfig, word: string): Place {
  const reference = parseReference(word, 'the command line')
  const provider = config.providers.get(reference.provider)
  if (!provider)
    throw new SecretsError('PROVIDER_UNKNOWN', `There is no provider ${reference.provider}.`, {
      hint: `Configured: ${[...config.providers.keys()].join(', ')}.`,
    })
  const wrong = provider.validate?.(reference)
  if (wrong !== undefined) throw new SecretsError('REFERENCE_INVALID', `Cannot use ${word}: ${wrong}.`)
  return { reference, provider }
}

/**
 * The place of NAME's own reference where that can be changed, else the local vault; of a reference, exactly that.
 * @throws SecretsError `UNSUPPORTED`, naming the providers that can
 */
export function targetOf(config: ResolvedConfig, name: string, ability: 'write' | 'remove'): Target {
  if (name.includes(':')) {
    const place = referenceTo(config, name)
    const target = placedTarget(place, ability)
    if (target) return target
    throw unsupported(config, `${name} cannot be changed from here`, ability)
  }
  const declared = config.secrets.get(name)
  const reference = declared?.reference
  const own = reference && config.providers.get(reference.provider)
  const placed = reference && placedTarget({ reference, provider: own! }, ability)
  if (placed) return placed
  if (declared?.template)
    throw unsupported(config, `${name} is made from a template`, ability, 'Change the secrets it is made of.')

  const common = declared ? undefined : commonTarget(config, name, ability)
  if (common) return common

  const local = [...config.providers].find(([, provider]) => provider.type === 'local' && provider[ability])
  if (!local) {
    const why = reference
      ? `${name} comes from ${reference.source}, which cannot be changed from here`
      : `${name} is not in the configuration`
    throw unsupported(config, why, ability, reference ? `Change it at ${own!.location}.` : undefined)
  }
  const [key, provider] = local
  const remark = reference
    ? `${name} is still read from ${reference.source}; to use this one, write ${name}: '${key}:${name}'.`
    : ownerOf(name, (candidate) => config.secrets.has(candidate))
      ? undefined
      : `${name} is not in the configuration yet; add ${name}: '${key}:${name}' to \`secrets\`.`
  return { name: key, provider, path: name, field: undefined, remark }
}

/** A whole document, or one field of it; `undefined` where the provider cannot change that. */
function placedTarget({ reference, provider }: Place, ability: 'write' | 'remove'): Target | undefined {
  const { provider: name, path, field, options } = reference
  const isWhole = field === undefined && Object.keys(options).length === 0
  const able = isWhole
    ? path !== '*' && provider[ability]
    : isPlainField(reference) && canChangeFields(provider)
  return able ? { name, provider, path, field, remark: undefined } : undefined
}

/**
 * Where what nothing declares belongs: the document that the environment is linked to, else a place whose every name is
 * imported.
 */
function commonTarget(config: ResolvedConfig, name: string, ability: 'write' | 'remove'): Target | undefined {
  const { link, imports, providers } = config
  if (link && link.path !== '*')
    return {
      name: link.provider,
      provider: providers.get(link.provider)!,
      path: link.path,
      field: name,
      remark: undefined,
    }
  const whole = imports.filter(({ path, provider }) => path === '*' && providers.get(provider)?.[ability])
  const chosen = whole.find(({ provider }) => providers.get(provider)?.type === 'local') ?? whole[0]
  if (!chosen) return undefined
  return {
    name: chosen.provider,
    provider: providers.get(chosen.provider)!,
    path: name,
    field: undefined,
    remark: undefined,
  }
}

/** Whether it is in the document that the environment is linked to, which has no other environments. */
export function isInLink({ link }: ResolvedConfig, { name, path }: Pick<Target, 'name' | 'path'>): boolean {
  return link !== undefined && link.provider === name && (link.path === '*' || link.path === path)
}

/** A key of the document itself, as it is now: what lies deeper, or is older, cannot be changed by itself. */
function isPlainField(reference: Reference | undefined): reference is Reference & { readonly field: string } {
  return (
    reference?.field !== undefined &&
    !reference.field.includes('.') &&
    Object.keys(reference.options).length === 0
  )
}

/** What a provider may be able to do, as the command line speaks of it. */
const ABILITIES = {
  write: 'write',
  read: 'read',
  patch: 'change single fields',
  remove: 'remove',
  history: 'show versions',
  rollback: 'roll back',
  policy: 'print a policy',
} as const satisfies Partial<Record<keyof Provider, string>>
export type Ability = keyof typeof ABILITIES

export function unsupported(
  config: ResolvedConfig,
  why: string,
  ability: Ability,
  advice?: string,
): SecretsError {
  const can = (provider: Provider): unknown =>
    ability === 'patch' ? canChangeFields(provider) : provider[ability]
  const able = [...config.providers].filter(([, provider]) => can(provider)).map(([name]) => name)
  const others =
    able.length > 0
      ? `Providers that can ${ABILITIES[ability]}: ${able.join(', ')}.`
      : `No configured provider can ${ABILITIES[ability]}${ability === 'write' || ability === 'remove' ? '; add `local: local()` to `providers`' : ''}.`
  return new SecretsError('UNSUPPORTED', `${why}.`, { hint: advice ? `${advice}\n${others}` : others })
}
