import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'
import { whatOf } from './documents.ts'
import { isPosted } from './lent.ts'
import type { Reach } from './reach.ts'

const line = (path: string, capability: string): string =>
  `path ${JSON.stringify(path)} {\n  capabilities = ["${capability}"]\n}\n`

/** What keeps a token and its leases alive, and gives them back; a token without the policy `default` lacks it. */
const FOR_LEASES = [
  line('auth/token/renew-self', 'update'),
  line('auth/token/revoke-self', 'update'),
  line('sys/leases/renew', 'update'),
  line('sys/leases/revoke', 'update'),
]

/**
 * The least HCL with which exactly these requests can be read, to be written in the namespace of the login.
 * @throws SecretsError `UNSUPPORTED` for a path that a policy cannot name without naming others too
 */
export async function policyFor(
  requests: readonly ReadRequest[],
  { session, engines }: Reach,
  context: ProviderContext,
): Promise<string> {
  const { namespace, namespaceScope } = session.options
  const lines = new Set<string>()
  let lent = false
  for (const request of requests) {
    const { engine, path } = await engines.find(request.path, whatOf(request, context), context)
    const full = `${engine.path}${engine.version === 2 ? '/data' : ''}/${path}`
    // With the namespace in the path of the data, the policy stands inside of it all the same.
    const inside =
      namespaceScope === 'login' && full.startsWith(`${namespace}/`) ? full.slice(namespace.length + 1) : full
    if (/\*$|(^|\/)\+(\/|$)|\{\{|\$\{/.test(inside))
      throw new SecretsError(
        'UNSUPPORTED',
        `A policy cannot name ${context.name}:${request.path}: its path would stand for others too.`,
        { hint: 'Rename it: without * at the end, a segment +, {{ and ${.' },
      )
    if (engine.version === undefined) lent = true
    lines.add(line(inside, isPosted(engine) ? 'update' : 'read'))
  }
  return [...[...lines].sort(), ...(lent ? FOR_LEASES : [])].join('\n')
}
