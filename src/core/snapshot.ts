import type { SecretsError } from './errors.ts'
import type { RawValue } from './extract.ts'
import { INSPECT, Secret } from './redact.ts'
import type { Json } from './types.ts'

/** Where a value came from. */
export type SecretSource = 'provider' | 'cache' | 'process.env' | 'template'

/** What may be told of a secret. */
export interface SecretMeta {
  readonly name: string
  readonly source: SecretSource
  /** The key under `providers`; absent for templates and `process.env`. */
  readonly provider: string | undefined
  /** The reference as written in the configuration. */
  readonly reference: string | undefined
  readonly version: string | undefined
  /** Unix time in ms at which the value was read from its provider. */
  readonly fetchedAt: number | undefined
  /** Unix time in ms at which a value that was lent ends unless it is renewed; absent for others. */
  readonly expiresAt?: number
  /** Whether the value is older than its `ttl`: its provider did not answer, or was not to be asked. */
  readonly stale: boolean
  /** Why its provider gave nothing newer, where it was asked. */
  readonly error: SecretsError | undefined
  /** `json`: the text is a JSON document, or what a schema made of the value. */
  readonly kind: 'text' | 'json'
  /** Whether its schema made another value of it, which whoever reads it without the schema will not have. */
  readonly transformed: boolean
}

/** All secrets of one environment and profile, resolved at one moment. */
export class Snapshot {
  readonly environment: string
  readonly profile: string | undefined
  readonly #entries: ReadonlyMap<string, SnapshotEntry>

  constructor(environment: string, profile: string | undefined, entries: ReadonlyMap<string, SnapshotEntry>) {
    this.environment = environment
    this.profile = profile
    this.#entries = entries
  }

  /** Every top-level name, sorted. Dot keys of JSON secrets are reached by `get`. */
  names(): string[] {
    return [...this.#entries.keys()].sort()
  }

  /** The secret of that name, or of that dot key (`db.username`) of a JSON secret. */
  get(name: string): Secret | undefined {
    return this.#entries.get(name)?.secret ?? this.#part(name)
  }

  #part(name: string): Secret | undefined {
    for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
      const entry = this.#entries.get(name.slice(0, dot))
      const found = entry?.parts?.(name.slice(dot + 1))
      if (found !== undefined) return new Secret(name, found.text)
    }
    return undefined
  }

  meta(name: string): SecretMeta | undefined {
    return this.#entries.get(name)?.meta
  }

  toJSON(): string[] {
    return this.names()
  }

  [INSPECT](): string {
    return `Snapshot(${this.environment}: ${this.names().join(', ')})`
  }
}

export interface SnapshotEntry {
  readonly secret: Secret
  readonly meta: SecretMeta
  /** Reads a dot path of a JSON secret. */
  readonly parts?: (path: string) => RawValue | undefined
}

/** The value that code gets: text as it is, anything else out of its JSON text; `undefined` for an optional secret without one. */
export function codeValue(snapshot: Snapshot, name: string): Json | undefined {
  const text = snapshot.get(name)?.reveal()
  if (text === undefined) return undefined
  return snapshot.meta(name)?.kind === 'json' ? (JSON.parse(text) as Json) : text
}

/** The names whose value, or whose being there, differs. */
export function changedNames(before: Snapshot | undefined, after: Snapshot): string[] {
  const names = new Set([...(before?.names() ?? []), ...after.names()])
  return [...names]
    .filter((name) => {
      return (
        before?.get(name)?.reveal() !== after.get(name)?.reveal() ||
        before?.meta(name)?.kind !== after.meta(name)?.kind
      )
    })
    .sort()
}
