/**
 * What the dashboard's page and its server say to each other: JSON below `/__secrets/api/`. No answer holds a
 * value but that of `reveal`, which a person asks for, of a local secret.
 *
 * Every request carries the token of this start in `Authorization: Bearer`; `GET state` is a snapshot of
 * everything, and `GET events` a stream of `state` events (`text/event-stream`, read by `fetch`, so that the token stays in
 * a header) whenever something has changed. What changes something is a `POST` with a JSON body, and answers with
 * the new state, or with `{ error }` and a status of 400 and above.
 */

/** What went wrong, as `SecretsError` tells it; never with a value. */
export interface Problem {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}

/** One line of what Test Connection found. */
export interface CheckView {
  readonly label: string
  readonly ok: boolean
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

export interface ProviderView {
  /** The key under `providers`. */
  readonly name: string
  readonly type: string
  /** An address, a region, a file. Never a credential. */
  readonly location: string
  /** `unknown` until it has been asked since the start; `failing` while its last question failed. */
  readonly health: 'unknown' | 'ok' | 'failing'
  readonly error?: Problem | undefined
  /** Unix time in ms of the last question. */
  readonly checkedAt?: number | undefined
  /** Of the last Test Connection. */
  readonly checks?: readonly CheckView[] | undefined
  /** How many of the secrets are its own. */
  readonly secrets: number
}

export interface SecretView {
  readonly name: string
  /** Always the same number of dots: not even a length is told. `undefined`: there is no value. */
  readonly masked: string | undefined
  /** `provider`, `cache`, `process.env` or `template`; `undefined`: not resolved. */
  readonly source: string | undefined
  readonly provider: string | undefined
  readonly reference: string | undefined
  readonly version: string | undefined
  /** Unix time in ms at which the value was read from its provider. */
  readonly fetchedAt: number | undefined
  readonly stale: boolean
  readonly error?: Problem | undefined
  /** Who may see it: `client` names may reach a browser. */
  readonly consumer: 'client' | 'server'
  readonly description?: string | undefined
  /** Modules that read it, relative to the root; as far as this dev server has seen. */
  readonly usedIn: readonly string[]
  /** In the embedded vault: can be revealed, set and removed here. */
  readonly isLocal: boolean
  /** Whether Move to local can take its last value. */
  readonly canMove: boolean
}

/** An environment, and the document of a provider that it is linked to. */
export interface LinkView {
  readonly environment: string
  /** `undefined`: not linked. */
  readonly reference: string | undefined
}

export interface RotationView {
  /** Unix time in ms. */
  readonly at: number
  readonly names: readonly string[]
  /** What made it: a change found by the watch, or one made in the dashboard. */
  readonly cause: 'watch' | 'refresh' | 'dashboard' | 'profile'
}

export interface DashboardState {
  /** Of unplugin-secrets. */
  readonly version: string
  /** The project's folder, its last part. */
  readonly project: string
  readonly environment: string
  readonly profile: string | undefined
  readonly profiles: readonly string[]
  readonly providers: readonly ProviderView[]
  readonly secrets: readonly SecretView[]
  /** The allowlist as configured. */
  readonly client: readonly string[]
  readonly links: readonly LinkView[]
  /** Whether `set` takes names that are not there yet: the configuration imports all of the embedded vault. */
  readonly canAdd: boolean
  /** Newest first, since the start; at most 100. */
  readonly rotations: readonly RotationView[]
  /** Why the project has no values at all. */
  readonly problem?: Problem | undefined
}

/** Bodies of the `POST` routes, by the last part of their path. */
export interface DashboardRequests {
  /** Asks providers anew: for everything, or for one name. */
  readonly refresh: { readonly name?: string }
  /** Test Connection. */
  readonly test: { readonly provider: string }
  /** `null`: without a profile. */
  readonly profile: { readonly name: string | null }
  /** Without `replace`, a local value of that name is left as it is, and the answer is a `CONFLICT`. */
  readonly 'move-to-local': { readonly name: string; readonly replace?: boolean }
  /** Only into the embedded vault. */
  readonly set: { readonly name: string; readonly value: string }
  readonly unset: { readonly name: string }
  readonly reveal: { readonly name: string }
  /**
   * A document, or a provider alone. What the environment has here is pushed and read back before it is linked.
   * Where both have a value and `prefer` is missing, nothing is changed, and the answer is a `CONFLICT`.
   */
  readonly link: {
    readonly environment: string
    readonly reference: string
    readonly prefer?: 'local' | 'remote'
  }
  readonly unlink: { readonly environment: string }
}

export interface DashboardAnswers {
  readonly refresh: DashboardState
  readonly test: DashboardState
  readonly profile: DashboardState
  readonly 'move-to-local': DashboardState
  readonly set: DashboardState
  readonly unset: DashboardState
  /** A local secret's value, for the person in front of the page. Sent with `Cache-Control: no-store`. */
  readonly reveal: { readonly value: string }
  readonly link: DashboardState
  readonly unlink: DashboardState
}

export interface DashboardFailure {
  readonly error: Problem
}
