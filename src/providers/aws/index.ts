import type { Provider } from '../../core/types.ts'
import type { AwsCalls } from './calls.ts'
import {
  type AwsAuth,
  type AwsOptions,
  checkOptions,
  chosenAuth,
  knownRegion,
  locationOf,
  settingsOf,
} from './options.ts'
import { problemOf } from './reference.ts'

export type { AwsAuth, AwsOptions }

/**
 * AWS Secrets Manager: `aws:prod/db#password`, `aws:prod/db?stage=AWSPREVIOUS`, or a full or partial ARN.
 * Nothing is imported and nothing called before the first value is asked for.
 * @throws SecretsError `CONFIG_INVALID` for options that it does not know or cannot use
 */
export function aws(options: AwsOptions = {}): Provider {
  checkOptions(options)
  let opened: Promise<AwsCalls> | undefined
  const calls = (): Promise<AwsCalls> => {
    opened ??= import('./calls.ts').then(({ createCalls }) => createCalls(options))
    return opened
  }
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
    read: async (requests, context) => (await calls()).read(requests, context),
    versions: async (requests, context) => (await calls()).versions(requests, context),
    list: async (path, context) => (await calls()).list(path, context),
    write: async (request, context) => (await calls()).write(request, context),
    patch: async (request, context) => (await calls()).patch(request, context),
    remove: async (request, context) => (await calls()).remove(request, context),
    restore: async (request, context) => (await calls()).restore(request, context),
    history: async (path, context) => (await calls()).history(path, context),
    rollback: async (request, context) => (await calls()).rollback(request, context),
    metadata: async (path, context) => (await calls()).metadata(path, context),
    annotate: async (request, context) => (await calls()).annotate(request, context),
    policy: async (requests, context) => (await calls()).policy(requests, context),
    check: async (requests, context) => (await calls()).check(requests, context),
    close: async () => (await opened)?.close(),
  }
}
