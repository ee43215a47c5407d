import type { Provider } from '../../core/types.ts'
import { checkProvider } from './check.ts'
import { listSecrets, removeSecret, writeSecret } from './manage.ts'
import type { AwsOptions } from './options.ts'
import { type BatchMemory, readSecrets } from './read.ts'
import { createSession } from './session.ts'

/** What needs the network, behind one import: naming the provider in a configuration loads none of it. */
export type AwsCalls = Required<Pick<Provider, 'read' | 'list' | 'write' | 'remove' | 'check' | 'close'>>

export function createCalls(options: AwsOptions): AwsCalls {
  const session = createSession(options)
  const memory: BatchMemory = { denied: false }
  return {
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
