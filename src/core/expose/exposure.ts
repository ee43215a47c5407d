import type { ResolvedConfig } from '../config/resolve.ts'
import { throwProblems } from '../errors.ts'
import { leaves } from '../extract.ts'
import { checkPrefixes, createPolicy, type Policy } from '../policy.ts'
import { codeValue, type Snapshot } from '../snapshot.ts'
import type { Json, JsonObject } from '../types.ts'
import { createManifest, type Manifest } from './manifest.ts'

/** What client code may have. Made without the server's values, so a guard that fails finds nothing to give away. */
export interface ClientExposure {
  readonly values: ReadonlyMap<string, Json>
}

/** What server code gets: where to find the values, and their names. */
export interface ServerExposure {
  readonly manifest: Manifest
}

export interface Exposure {
  readonly policy: Policy
  /** Every managed name, allowed or not. */
  readonly names: readonly string[]
  readonly client: ClientExposure
  readonly server: ServerExposure
}

/**
 * policy → expose: splits a snapshot into what each graph may have.
 * @param prefixes names with these prefixes reach browsers by the bundler's own rule (Vite's `envPrefix`)
 * @throws SecretsError `POLICY_INVALID`
 */
export function createExposure(
  config: ResolvedConfig,
  snapshot: Snapshot,
  prefixes: readonly string[],
): Exposure {
  const policy = createPolicy(config.client)
  const names = snapshot.names()
  throwProblems(
    checkPrefixes(names, policy, prefixes),
    (count) => `${count} names contradict the client list:`,
  )
  const values = new Map<string, Json>()
  for (const name of names) {
    if (policy.client.has(name)) values.set(name, codeValue(snapshot, name))
    else {
      const parts = allowedParts(name, codeValue(snapshot, name), policy)
      if (parts !== undefined) values.set(name, parts)
    }
  }
  return { policy, names, client: { values }, server: { manifest: createManifest(config, snapshot) } }
}

/** Of a JSON secret that is not allowed as a whole, the parts that are. */
function allowedParts(name: string, value: Json, policy: Policy): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const allowed: Record<string, Json> = {}
  for (const [key, item] of Object.entries(value as JsonObject)) {
    const path = `${name}.${key}`
    const kept = policy.client.has(path) ? item : allowedParts(path, item, policy)
    if (kept !== undefined) allowed[key] = kept
  }
  return Object.keys(allowed).length > 0 ? allowed : undefined
}

/** What must not stand in any output: each server-only value, of JSON documents each text in them. */
export function serverValues(snapshot: Snapshot, policy: Policy): { name: string; text: string }[] {
  return snapshot.names().flatMap((name) => {
    if (policy.client.has(name)) return []
    const whole = { name, text: snapshot.get(name)!.reveal() }
    const value = codeValue(snapshot, name)
    if (typeof value !== 'object' || value === null) return [whole]
    const parts = leaves(name, value)
      .filter(([path, part]) => !policy.allows(path) && part !== null)
      .map(([path, part]) => ({ name: path, text: String(part) }))
    // Parts that are numbers or flags cannot be told from any other number; the document as a whole can.
    return [whole, ...parts.filter(({ text }) => text.length >= SHORTEST_PART)]
  })
}

/** Characters. */
const SHORTEST_PART = 4
