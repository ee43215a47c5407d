import type { Provider } from '../../core/types.ts'
import { checkProvider } from './check.ts'
import { listSecrets, removeSecret, restoreSecret } from './manage.ts'
import { createMemory } from './memory.ts'
import { annotateSecret, metadataOf } from './metadata.ts'
import type { AwsOptions } from './options.ts'
import { patchSecret } from './patch.ts'
import { policyFor } from './policy.ts'
import { readSecrets } from './read.ts'
import { createSession } from './session.ts'
import { historyOf, rollbackSecret } from './stages.ts'
import { versionsOf } from './versions.ts'
import { writeSecret } from './write.ts'

/** What needs the network, behind one import: naming the provider in a configuration loads none of it. */
export type AwsCalls = Required<
  Pick<
    Provider,
    | 'read'
    | 'versions'
    | 'list'
    | 'write'
    | 'patch'
    | 'remove'
    | 'restore'
    | 'history'
    | 'rollback'
    | 'metadata'
    | 'annotate'
    | 'policy'
    | 'check'
    | 'close'
  >
>

export function createCalls(options: AwsOptions): AwsCalls {
  const session = createSession(options)
  const memory = createMemory()
  return {
    read: (requests, context) => readSecrets(session, memory, requests, context),
    versions: (requests, context) => versionsOf(session, memory, requests, context),
    list: (path, context) => listSecrets(session, path, context),
    write: (request, context) => writeSecret(session, request, context),
    patch: (request, context) => patchSecret(session, memory, request, context),
    remove: (request, context) => removeSecret(session, request, context),
    restore: (request, context) => restoreSecret(session, request, context),
    history: (path, context) => historyOf(session, path, context),
    rollback: (request, context) => rollbackSecret(session, request, context),
    metadata: (path, context) => metadataOf(session, path, context),
    annotate: (request, context) => annotateSecret(session, request, context),
    policy: (requests, context) => policyFor(session, requests, context),
    check: (requests, context) => checkProvider(session, options, requests, context),
    async close() {
      session.close()
    },
  }
}
