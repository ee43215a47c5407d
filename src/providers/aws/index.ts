import type { Provider } from '../../core/types.ts'
import { checkProvider } from './check.ts'
import { listSecrets, removeSecret, writeSecret } from './manage.ts'
import {
  type AwsAuth,
  type AwsOptions,
  checkOptions,
  chosenAuth,
  knownRegion,
  locationOf,
  settingsOf,
} from './options.ts'
import { type BatchMemory, readSecrets } from './read.ts'
import { problemOf } from './reference.ts'
import { createSession } from './session.ts'

export type { AwsAuth, AwsOptions }

/**
 * AWS Secrets Manager: `aws:prod/db#password`, `aws:prod/db?stage=AWSPREVIOUS`, or a full or partial ARN.
 * Nothing is imported and nothing called before the first value is asked for.
 * @throws SecretsError `CONFIG_INVALID` for options that it does not know or cannot use
 */
export function aws(options: AwsOptions = {}): Provider {
  checkOptions(options)
  const session = createSession(options)
  const memory: BatchMemory = { denied: false }
  return {
    type: 'aws',
    get location() {
      return locationOf(options)
    },
    settings: settingsOf(options),
    ttl: options.ttl,
    /** @throws SecretsError when no login method is chosen: that is wrong with every reference alike. */
    validate(reference) {
      if (!options.auth) chosenAuth(options, reference.provider)
      return problemOf(reference, knownRegion(options))
    },
    read: (requests, context) => readSecrets(session, memory, requests, context),
    list: (path, context) => listSecrets(session, path, context),
    write: (request, context) => writeSecret(session, request, context),
    remove: (request, context) => removeSecret(session, request, context),
    check: (requests, context) => checkProvider(session, options, requests, context),
    async close() {
      session.close()
    },
  }
}
