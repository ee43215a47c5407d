import { SecretsError } from '../core/errors.ts'
import { didYouMean } from '../core/nearest.ts'
import type { Provider, ProviderDescription } from '../core/types.ts'
import { aws } from './aws/index.ts'
import { dotenv } from './dotenv.ts'
import { env } from './env.ts'
import { local } from './local/index.ts'
import { vault } from './vault/index.ts'
import { vaultEnv } from './vault-env/index.ts'

export type { AwsOptions } from './aws/index.ts'
export type { DotenvOptions } from './dotenv.ts'
export type { LocalOptions } from './local/index.ts'
export type { VaultOptions } from './vault/index.ts'
export type { VaultEnvOptions } from './vault-env/index.ts'
export { aws, dotenv, env, local, vault, vaultEnv }

/**
 * By `type`. The factories are light; each imports what it works with at its first call. Plain data
 * carries no types, so what the options must be is for each factory to check.
 */
const factories: Readonly<Record<string, (options: never) => Provider>> = {
  vault,
  aws,
  local,
  dotenv,
  env,
  vaultEnv,
}

/**
 * Makes a provider from plain data: `secrets.config.json`, or a built server's manifest.
 * @throws SecretsError PROVIDER_UNKNOWN, and what the factory throws for its options.
 */
export function createProvider(description: ProviderDescription): Provider {
  const { type, ...options } = description
  const known = Object.keys(factories)
  const factory = known.includes(type) ? factories[type] : undefined
  if (!factory)
    throw new SecretsError(
      'PROVIDER_UNKNOWN',
      `There is no provider of the type ${JSON.stringify(type)}.${didYouMean(String(type), known)}`,
      {
        hint: `Known: ${known.join(', ')}. One of your own is given as an object, in a configuration that is code.`,
      },
    )
  return factory(options as never)
}
