import type { ResolvedConfig } from '../core/config/resolve.ts'
import { canonicalReference } from '../core/reference.ts'
import { ownerOf } from '../core/template.ts'
import type { Provider } from '../core/types.ts'
import { unknownName } from './context.ts'
import { type Ability, type Place, referenceTo, unsupported } from './target.ts'

export type { Place } from './target.ts'

/** A place whose provider certainly has an ability. */
export type Able<Need extends Ability> = Place & { readonly provider: Required<Pick<Provider, Need>> }

/**
 * The document behind a word: a declared name, or a reference (`vault:myapp/db`).
 * @throws SecretsError `PROVIDER_UNKNOWN`, `REFERENCE_INVALID`, `UNSUPPORTED`; CliError `NOT_FOUND`
 */
export function placeOf<Need extends Ability>(config: ResolvedConfig, word: string, need: Need): Able<Need> {
  const place = find(config, word, need)
  if (place.provider[need]) return place as Able<Need>
  throw unsupported(config, `${word} is in ${place.reference.provider}, which cannot do that`, need)
}

function find(config: ResolvedConfig, word: string, need: Ability): Place {
  if (word.includes(':')) return referenceTo(config, word)
  const owner = ownerOf(word, (name) => config.secrets.has(name))
  const secret = owner === undefined ? undefined : config.secrets.get(owner)
  if (secret?.reference)
    return { reference: secret.reference, provider: config.providers.get(secret.reference.provider)! }
  if (secret)
    throw unsupported(config, `${word} is made from a template`, need, 'Name a secret it is made of.')
  // What an environment's document brings is one of its fields.
  if (config.link && config.link.path !== '*')
    return referenceTo(config, canonicalReference({ ...config.link, field: word }))
  // What `local:*` and the like bring has the name that it has there.
  const whole = config.imports.find(({ path }) => path === '*')
  if (whole) return referenceTo(config, `${whole.provider}:${encodeURIComponent(word)}`)
  throw unknownName(word, config.secrets.keys())
}
