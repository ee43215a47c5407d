import type { ResolvedConfig } from './config/resolve.ts'
import { planReads } from './reads.ts'
import { documentKey, parseReference } from './reference.ts'
import type { Snapshot } from './snapshot.ts'
import type { ReadRequest } from './types.ts'

/** Each document that a provider is asked for, once, by `documentKey`. */
export function documentsOf(config: ResolvedConfig): Map<string, Map<string, ReadRequest>> {
  const documents = new Map<string, Map<string, ReadRequest>>()
  for (const { reference } of planReads(config)) {
    const { provider, path, options } = reference
    const known = documents.get(provider) ?? new Map<string, ReadRequest>()
    documents.set(provider, known.set(documentKey(reference), { path, options }))
  }
  return documents
}

/**
 * The stamps of the documents that a snapshot's values were read from, by `documentKey`; `undefined`: there was
 * nothing. A document that is missing here has no stamp, or gave no value.
 */
export function stampsOf(config: ResolvedConfig, snapshot: Snapshot): Map<string, string | undefined> {
  const stamps = new Map<string, string | undefined>()
  for (const secret of config.secrets.values()) {
    if (secret.reference && !snapshot.meta(secret.name)) stamps.set(documentKey(secret.reference), undefined)
  }
  for (const name of snapshot.names()) {
    const { provider, reference, version } = snapshot.meta(name)!
    // Only what was read from its provider, or the cache, says which one.
    if (provider === undefined || reference === undefined) continue
    const key = documentKey(config.secrets.get(name)?.reference ?? parseReference(reference, name))
    if (version === undefined) stamps.delete(key)
    else stamps.set(key, version)
  }
  return stamps
}
