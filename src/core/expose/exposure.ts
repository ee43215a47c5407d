import type { ResolvedConfig } from '../config/resolve.ts'
import { SecretsError, throwProblems } from '../errors.ts'
import { leaves } from '../extract.ts'
import { checkPrefixes, createPolicy, type Policy } from '../policy.ts'
import { createRedactor, type Redactor, Secret } from '../redact.ts'
import { codeValue, type Snapshot } from '../snapshot.ts'
import { ownerOf } from '../template.ts'
import type { Json, JsonObject } from '../types.ts'
import { createManifest, type Manifest } from './manifest.ts'
import { checkOverlaps } from './overlaps.ts'

/** What client code may have. Made without the server's values, so a guard that fails finds nothing to give away. */
export interface ClientExposure {
  /** `undefined`: an optional secret without a value. */
  readonly values: ReadonlyMap<string, Json | undefined>
}

/** What server code gets: where to find the values, and their names. */
export interface ServerExposure {
  readonly manifest: Manifest
}

export interface Exposure {
  readonly policy: Policy
  /** Every managed name, allowed or not, with a value or (optional ones) without. */
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
  const names = [...new Set([...snapshot.names(), ...config.secrets.keys()])].sort()
  throwProblems(
    [...checkPrefixes(names, policy, prefixes), ...checkParts(config, snapshot)],
    (count) => `${count} names contradict the client list:`,
  )
  const values = new Map<string, Json | undefined>()
  for (const name of names) {
    if (policy.client.has(name)) values.set(name, codeValue(snapshot, name))
    else {
      const parts = allowedParts(name, codeValue(snapshot, name), policy)
      if (parts !== undefined) values.set(name, parts)
    }
  }
  throwProblems(
    checkOverlaps(values, serverValues(snapshot, policy), { parts: config.scan !== false }),
    (count) => `The client list contradicts itself in ${count} places:`,
  )
  return { policy, names, client: { values }, server: { manifest: createManifest(config, snapshot, names) } }
}

/** Of a JSON secret that is not allowed as a whole, the parts that are. */
function allowedParts(name: string, value: Json | undefined, policy: Policy): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const allowed = Object.entries(value as JsonObject).flatMap(([key, item]): [string, Json][] => {
    const path = `${name}.${key}`
    const kept = policy.client.has(path) ? item : allowedParts(path, item, policy)
    return kept === undefined ? [] : [[key, kept]]
  })
  // Not by assignment: a document may have a key `__proto__`.
  return allowed.length > 0 ? Object.fromEntries(allowed) : undefined
}

/** Entries such as `db.host` that name no part of what `db` turned out to be. */
function checkParts(config: ResolvedConfig, snapshot: Snapshot): SecretsError[] {
  const names = snapshot.names()
  return config.client.flatMap((entry) => {
    const owner = ownerOf(entry, (name) => names.includes(name))
    // Without an owner: an optional secret that is not there. Other unknown names were reported before.
    if (
      owner === undefined ||
      owner === entry ||
      allowedParts(owner, codeValue(snapshot, owner), onlyFor(entry))
    )
      return []
    return new SecretsError('POLICY_INVALID', `client names ${entry}, but ${owner} has no such key.`, {
      hint:
        snapshot.meta(owner)?.kind === 'json'
          ? 'Keys of objects can be named, positions of lists cannot.'
          : `${owner} is text; declare it with \`mode: 'json'\` where it is a JSON document.`,
    })
  })
}

const onlyFor = (entry: string): Policy => createPolicy([entry])

/** What must not stand in any output: each server-only value, of JSON documents each text in them. */
export function serverValues(snapshot: Snapshot, policy: Policy): { name: string; text: string }[] {
  return snapshot.names().flatMap((name) => {
    if (policy.client.has(name)) return []
    const whole = { name, text: snapshot.get(name)!.reveal() }
    const value = codeValue(snapshot, name)
    if (typeof value !== 'object' || value === null) return [whole]
    const all = leaves(name, value)
    // Part by part all of it is allowed: then the document as a whole says nothing more.
    if (all.length > 0 && all.every(([path]) => policy.allows(path))) return []
    const parts = all
      .filter(([path, part]) => !policy.allows(path) && part !== null)
      .map(([path, part]) => ({ name: path, text: String(part) }))
    // Parts that are numbers or flags cannot be told from any other number; the document as a whole can.
    return [whole, ...parts.filter(({ text }) => text.length >= SHORTEST_PART)]
  })
}

/** Takes what must not be seen out of a text about to be shown. */
export function redactorOf(snapshot: Snapshot, policy: Policy): Redactor {
  return createRedactor(
    serverValues(snapshot, policy)
      // Numbers and flags of JSON documents would blot out half of the text.
      .filter(({ text }) => text.length >= 8)
      .map(({ name, text }) => new Secret(name, text)),
  )
}

/** The text of each secret that has a value, to be sealed. */
export function textsOf(snapshot: Snapshot): Map<string, string> {
  return new Map(snapshot.names().map((name) => [name, snapshot.get(name)!.reveal()]))
}

/** Characters. */
const SHORTEST_PART = 4
