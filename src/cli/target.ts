import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
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

/**
 * The place of NAME's own reference where that can be changed, else the local vault.
 * @throws SecretsError `UNSUPPORTED`, naming the providers that can
 */
export function targetOf(config: ResolvedConfig, name: string, ability: 'write' | 'remove'): Target {
  const declared = config.secrets.get(name)
  const reference = declared?.reference
  const own = reference && config.providers.get(reference.provider)
  const isWhole = reference && reference.field === undefined && Object.keys(reference.options).length === 0
  if (own?.[ability] && isWhole)
    return {
      name: reference.provider,
      provider: own,
      path: reference.path,
      field: undefined,
      remark: undefined,
    }
  if (own?.patch && isPlainField(reference))
    return {
      name: reference.provider,
      provider: own,
      path: reference.path,
      field: reference.field,
      remark: undefined,
    }
  if (declared?.template)
    throw unsupported(config, `${name} is made from a template`, ability, 'Change the secrets it is made of.')

  const linked = declared ? undefined : linkedTarget(config, name)
  if (linked) return linked

  const local = [...config.providers].find(([, provider]) => provider.type === 'local' && provider[ability])
  if (!local) {
    const why = reference
      ? `${name} comes from ${reference.source}, which cannot be changed from here`
      : `${name} is not in the configuration`
    throw unsupported(config, why, ability, reference ? `Change it at ${own!.location}.` : undefined)
  }
  const [key, provider] = local
  const imported = config.imports.some((each) => each.provider === key && each.path === '*')
  const remark = reference
    ? `${name} is still read from ${reference.source}; to use this one, write ${name}: '${key}:${name}'.`
    : imported || ownerOf(name, (candidate) => config.secrets.has(candidate))
      ? undefined
      : `${name} is not in the configuration yet; add ${name}: '${key}:${name}' to \`secrets\`.`
  return { name: key, provider, path: name, field: undefined, remark }
}

/** What nothing declares has its place in the document that the environment is linked to. */
function linkedTarget({ link, providers }: ResolvedConfig, name: string): Target | undefined {
  if (!link) return undefined
  const all = link.path === '*'
  return {
    name: link.provider,
    provider: providers.get(link.provider)!,
    path: all ? name : link.path,
    field: all ? undefined : name,
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
  const able = [...config.providers].filter(([, provider]) => provider[ability]).map(([name]) => name)
  const others =
    able.length > 0
      ? `Providers that can ${ABILITIES[ability]}: ${able.join(', ')}.`
      : `No configured provider can ${ABILITIES[ability]}${ability === 'write' || ability === 'remove' ? '; add `local: local()` to `providers`' : ''}.`
  return new SecretsError('UNSUPPORTED', `${why}.`, { hint: advice ? `${advice}\n${others}` : others })
}
