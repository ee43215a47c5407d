/** All virtual ids in one place. Resolved ids carry `\0`, which keeps them out of source maps and away from other plugins. */

/** Client names as exports. */
export const CLIENT_ID = 'virtual:secrets/client'
/** All names as live bindings; server graph only. */
export const SERVER_ID = 'virtual:secrets/server'
/** What the server module fills its bindings with; bundled, never external. */
export const RUNTIME_ID = 'virtual:secrets/runtime'

/** Where a bundler that replaces `import.meta.env.NAME` itself takes the name from: it never says in which file it stood. */
export const ENV_ID = 'virtual:secrets/env'
/** What that is for packages, which were not written for these names. */
export const ABSENT_ID = 'virtual:secrets/absent'

export type VirtualId = typeof CLIENT_ID | typeof SERVER_ID | typeof RUNTIME_ID

/** Matches every way such an id can be asked for, also with queries that no good importer writes. */
export const VIRTUAL = /^\0?virtual:secrets(?:[/?#]|$)/

/** The id a resolved one stands for, without `\0`, exactly: a query or another suffix makes it unknown. */
export function virtualId(id: string): VirtualId | undefined {
  const plain = id.startsWith('\0') ? id.slice(1) : id
  return plain === CLIENT_ID || plain === SERVER_ID || plain === RUNTIME_ID ? plain : undefined
}

/** The server module under any query, so that `?raw` and the like are denied by name instead of not being found. */
export function meansServer(id: string): boolean {
  const plain = (id.startsWith('\0') ? id.slice(1) : id).split(/[?#]/)[0]
  return plain === SERVER_ID || plain === RUNTIME_ID
}
