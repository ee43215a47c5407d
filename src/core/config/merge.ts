import { SecretsError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ProfileOverlay, SecretsConfig } from '../types.ts'
import type { LayerKind } from './find.ts'

/** Where a part of the configuration came from: a file, the plugin's options, a profile. */
export interface ConfigLayer {
  readonly kind: LayerKind | 'inline' | 'profile'
  readonly source: string
  readonly config: SecretsConfig
}

export interface MergedConfig {
  readonly config: SecretsConfig
  /** `providers.vault` → the layer that said so last. */
  readonly origins: ReadonlyMap<string, string>
}

/** Keyed by a name; merged name by name. Everything else is replaced whole. */
const BY_NAME = ['providers', 'secrets', 'profiles'] as const
/** What a person may keep for all their projects. The rest is the project's own, above all what a browser may see. */
const USER_KEYS: readonly string[] = ['providers', 'profiles', 'profile', 'cache', 'timeout']

/**
 * Later layers override earlier ones. `client` is replaced, never added to: a list further out must not
 * widen what a project allows.
 */
export function mergeLayers(layers: readonly ConfigLayer[]): MergedConfig {
  const config: Record<string, unknown> = {}
  const origins = new Map<string, string>()
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer.config)) {
      if (value === undefined) continue
      if (layer.kind === 'user' && !USER_KEYS.includes(key)) {
        throw new SecretsError(
          'CONFIG_INVALID',
          `${layer.source} sets ${key}, which only a project may decide.`,
          {
            hint: `A user-level file may hold ${USER_KEYS.join(', ')}.`,
          },
        )
      }
      if ((BY_NAME as readonly string[]).includes(key) && typeof value === 'object' && value !== null) {
        config[key] = { ...(config[key] as object | undefined), ...value }
        for (const name of Object.keys(value)) origins.set(`${key}.${name}`, layer.source)
      } else {
        config[key] = value
        origins.set(key, layer.source)
      }
    }
  }
  return { config: config as SecretsConfig, origins }
}

/** The layer of the active profile, or none. */
export function profileLayer(config: SecretsConfig, profile: string | undefined): ConfigLayer[] {
  if (profile === undefined) return []
  const profiles: Record<string, ProfileOverlay> = config.profiles ?? {}
  if (!Object.hasOwn(profiles, profile)) {
    const known = Object.keys(profiles)
    throw new SecretsError('CONFIG_INVALID', `There is no profile ${profile}.${didYouMean(profile, known)}`, {
      hint: known.length > 0 ? `Profiles: ${known.join(', ')}.` : 'The configuration has no `profiles`.',
    })
  }
  return [{ kind: 'profile', source: `profile ${profile}`, config: profiles[profile]! }]
}
