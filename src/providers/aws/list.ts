import type { ListSecretsResponse } from '@aws-sdk/client-secrets-manager'
import type { ProviderContext } from '../../core/types.ts'
import { malformedError } from './errors.ts'
import { pagesOf } from './pages.ts'
import type { About, Session } from './session.ts'

/** For its errors. */
const LISTING: About = { action: 'ListSecrets' }

/** Every page of the secrets whose names begin with `prefix`, as the server understands that. */
export function listPages(
  session: Session,
  prefix: string,
  context: ProviderContext,
): AsyncGenerator<ListSecretsResponse, void> {
  const filter = prefix === '' ? {} : { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
  return pagesOf<ListSecretsResponse>(
    (token) =>
      session.call(context, LISTING, (api, options) =>
        api.listSecrets({ MaxResults: 100, ...filter, ...token }, options),
      ),
    () => malformedError(session.situation(context, LISTING)),
  )
}
