import { fileURLToPath } from 'node:url'
import { SecretsError } from '../core/errors.ts'
import { CLIENT_ID, meansServer, RUNTIME_ID, SERVER_ID, VIRTUAL, virtualId } from '../core/expose/ids.ts'
import type { Consumer } from '../core/types.ts'
import type { ResourceData } from './compiler-types.ts'

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
/** A file beside this one, built or from source. */
export const fileBeside = (name: string): string =>
  fileURLToPath(new URL(`../bundlers/${name}.${ending}`, import.meta.url))

/** webpack and Rspack want a file behind every module. A query says which one is meant. */
export const STUB = fileBeside('webpack-stub')
const QUERIES = { [CLIENT_ID]: '?client', [SERVER_ID]: '?server' } as const

/** Which virtual module a resource or its query means. */
export function inVirtual(resource: string): typeof CLIENT_ID | typeof SERVER_ID | undefined {
  if (!resource.startsWith('?') && !resource.startsWith(STUB)) return undefined
  if (resource.endsWith(UNKNOWN)) return undefined
  return resource.endsWith(QUERIES[CLIENT_ID]) ? CLIENT_ID : SERVER_ID
}

/** What stands in for an id that is none, until the build is failed. */
const UNKNOWN = '?unknown'

/**
 * Last of all rules, so that no other one makes it anything but a module with this content. Rspack does not
 * even make a module without side effects that is imported for its effect; a denied one must be seen.
 */
export function virtualRules(consumer: Consumer): object[] {
  const use = [{ loader: fileBeside('webpack-loader') }]
  return [
    { resource: STUB, type: 'javascript/esm', sideEffects: false, use },
    ...(consumer === 'client' ? [{ resource: STUB, resourceQuery: /\?server$/, sideEffects: true }] : []),
  ]
}

interface Resolving {
  readonly consumer: Consumer
  readonly runtimeFile: string
}

/** A virtual id as path and query; what a client may not have is the server module under any name. */
function resolved(
  id: string,
  { consumer, runtimeFile }: Resolving,
): [path: string, query: string] | undefined {
  if (consumer === 'client' && meansServer(id)) return [STUB, QUERIES[SERVER_ID]]
  const known = virtualId(id)
  if (known === undefined) return undefined
  return known === RUNTIME_ID ? [runtimeFile, ''] : [STUB, QUERIES[known]]
}

/** Answers for `virtual:secrets/…`, which both bundlers take for a URL. @returns whether it was one of ours */
export function resolveVirtual(
  data: ResourceData,
  run: Resolving & { asked(): void; fail(error: SecretsError): void },
): true | undefined {
  const id = data.resource
  if (!VIRTUAL.test(id)) return undefined
  const found = resolved(id, run)
  if (found === undefined) {
    const hint = 'Import virtual:secrets/client or virtual:secrets/server, without a query.'
    run.fail(new SecretsError('REQUEST_REFUSED', `There is no module ${id}.`, { hint }))
  }
  const [path, query] = found ?? [STUB, UNKNOWN]
  if (run.consumer === 'client' && query === QUERIES[SERVER_ID]) run.asked()
  Object.assign(data, { resource: `${path}${query}`, path, query, fragment: '' })
  return true
}

/** An alias for a virtual id: the resolver knows files only, so it is given the one behind it. */
export function virtualAliases(resolve: { alias?: unknown }, resolving: Resolving): void {
  const { alias } = resolve
  if (typeof alias !== 'object' || alias === null) return
  const target = (id: unknown): unknown =>
    Array.isArray(id)
      ? id.map(target)
      : typeof id === 'string' && VIRTUAL.test(id)
        ? (resolved(id, resolving)?.join('') ?? id)
        : id
  resolve.alias = Array.isArray(alias)
    ? alias.map((entry: { alias: unknown }) => ({ ...entry, alias: target(entry.alias) }))
    : Object.fromEntries(Object.entries(alias).map(([name, id]) => [name, target(id)]))
}
