import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { parseVaultKey } from '../../core/crypto/vault-env.ts'
import { SecretsError } from '../../core/errors.ts'
import { userAgent } from '../../core/user-agent.ts'
import { findPlace, type Place, projectOf } from '../../dotenv/place.ts'
import type { VaultEnvClientOptions } from '../../providers/vault-env/client.ts'
import type { VaultEnvProject } from '../../providers/vault-env/project.ts'
import { PROGRAM } from '../command.ts'

/** The flags that every vault-env command has beside the common ones. */
export const TARGET = {
  url: { type: 'string', description: 'The server; else VAULT_URL', valueHint: 'url' },
  file: { type: 'string', description: 'The file with VAULT_KEY (default: .env)', valueHint: 'file' },
} as const

export interface TargetFlags {
  readonly url: string | undefined
  readonly file: string | undefined
  readonly env?: string | undefined
  readonly root?: string | undefined
}

export function placeOf(flags: TargetFlags): Place {
  return findPlace({
    path: resolve(flags.root ?? '.', flags.file ?? '.env'),
    ...(flags.env && { environment: flags.env }),
    ...(flags.url && { vaultUrl: flags.url }),
  })
}

/** @throws SecretsError `CREDENTIALS_MISSING`, `CONFIG_INVALID` */
export function openTarget(flags: TargetFlags): { place: Place; project: VaultEnvProject } {
  const place = placeOf(flags)
  return { place, project: projectOf(place) }
}

/** For what concerns the project and not an environment. @throws as `openTarget` */
export function clientOf(flags: TargetFlags): VaultEnvClientOptions {
  const { key: text, url } = openTarget(flags).place
  const key = parseVaultKey(text ?? '')
  if (!key)
    throw new SecretsError('CREDENTIALS_MISSING', 'VAULT_KEY is not set.', {
      hint: `Set VAULT_KEY=vk_… in the environment or in the file; a new project: ${PROGRAM} init`,
    })
  return { url, key, ...calling() }
}

export function calling(): Pick<VaultEnvClientOptions, 'signal' | 'userAgent'> {
  return { signal: AbortSignal.timeout(30_000), userAgent: userAgent() }
}

/** What a device is called where nobody says. */
export function deviceName(given: string | undefined): string {
  return given ?? hostname()
}
