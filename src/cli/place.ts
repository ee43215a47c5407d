import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import { parseReference } from '../core/reference.ts'
import { ownerOf } from '../core/template.ts'
import type { Provider, Reference } from '../core/types.ts'
import { unknownName } from './context.ts'
import { type Ability, unsupported } from './target.ts'

/** A document that a command line names. */
export interface Place {
  readonly reference: Reference
  readonly provider: Provider
}

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

function find(config: ResolvedConfig, word: string, need: Ability): Place {
  if (word.includes(':')) return referenceTo(config, word)
  const owner = ownerOf(word, (name) => config.secrets.has(name))
  const secret = owner === undefined ? undefined : config.secrets.get(owner)
  if (secret?.reference)
    return { reference: secret.reference, provider: config.providers.get(secret.reference.provider)! }
  if (secret)
    throw unsupported(config, `${word} is made from a template`, need, 'Name a secret it is made of.')
  // What `local:*` and the like bring has the name that it has there.
  const whole = config.imports.find(({ path }) => path === '*')
  if (whole) return referenceTo(config, `${whole.provider}:${encodeURIComponent(word)}`)
  throw unknownName(word, config.secrets.keys())
}
