import {
  decryptBlob,
  deviceHash,
  encryptBlob,
  encryptionKey,
  parseVaultKey,
  type VaultEnvKey,
} from '../../core/crypto/vault-env.ts'
import { SecretsError } from '../../core/errors.ts'
import type { JsonObject, ProviderContext, VersionEntry } from '../../core/types.ts'
import type { VaultEnvAnswer, VaultEnvClientOptions } from './client.ts'
import { loadDeviceSecret } from './device.ts'
import { malformedAnswer } from './malformed.ts'

export interface OpenProjectOptions {
  readonly url: string
  readonly key: string | undefined
  readonly context: Pick<ProviderContext, 'environment' | 'signal' | 'userAgent'>
  /** `null`: none; `undefined`: `VAULT_DEVICE_SECRET` or the file of this machine. */
  readonly deviceSecret?: string | null | undefined
}

/** What one environment holds at one version. */
export interface Pulled {
  readonly values: JsonObject
  readonly version: string
  /** As the server keeps it. */
  readonly blob: string
}

/** @throws SecretsError `CREDENTIALS_MISSING` without a key, `CONFIG_INVALID` for one that is none */
export function openProject(options: OpenProjectOptions): VaultEnvProject {
  const { key: text } = options
  if (!text)
    throw new SecretsError('CREDENTIALS_MISSING', 'vaultEnv needs VAULT_KEY, and it is not set.', {
      hint: 'Set VAULT_KEY=vk_… in the environment or in .env; a new project is made with: npx secrets init --vault-env',
    })
  const key = parseVaultKey(text)
  if (!key)
    throw new SecretsError('CONFIG_INVALID', 'VAULT_KEY is not a vault key.', {
      hint: 'It has the form vk_PROJECT_SECRET.',
    })
  return new VaultEnvProject(key, options)
}

/** One environment of one project, seen from this device. */
export class VaultEnvProject {
  readonly #client: VaultEnvClientOptions
  readonly #environment: string
  readonly #device: string | undefined

  constructor(key: VaultEnvKey, { url, context, deviceSecret }: OpenProjectOptions) {
    // A signal with a timeout is made by who opens only what is on the disk, too, and costs more than decrypting it.
    this.#client = {
      url,
      key,
      userAgent: context.userAgent,
      get signal() {
        return context.signal
      },
    }
    this.#environment = context.environment
    this.#device = deviceSecret === undefined ? loadDeviceSecret(key.projectId) : (deviceSecret ?? undefined)
  }

  /** @returns `undefined` where nothing has been pushed yet. @throws SecretsError `SEAL_BROKEN` for another key's blob */
  async pull(): Promise<Pulled | undefined> {
    const answer = await this.#call('secrets/pull', this.#withDevice())
    if (!answer) return undefined
    const { secrets: blob, version } = answer
    if (typeof blob !== 'string' || typeof version !== 'number') throw malformedAnswer(this.#client.url)
    return { values: this.open(blob), version: String(version), blob }
  }

  /** @returns the new version. @param changed names, which the server may know */
  async push(values: JsonObject, changed: readonly string[]): Promise<string> {
    const answer = await this.#call('secrets/push', {
      ...this.#withDevice(),
      secrets: encryptBlob(JSON.stringify(values), this.#key()),
      key_names: changed,
      key_count: Object.keys(values).length,
    })
    if (typeof answer?.version !== 'number') throw malformedAnswer(this.#client.url)
    return String(answer.version)
  }

  /**
   * Reads, changes, pushes. The protocol has no check-and-set: somebody who pushes at the same moment is told
   * apart only where `expected` differs from what is there now.
   * @param change gives `undefined` to leave all as it is
   * @throws SecretsError `CONFLICT`
   */
  async change(
    expected: string | null | undefined,
    change: (values: JsonObject) => JsonObject | undefined,
  ): Promise<string | undefined> {
    const before = await this.pull()
    if (expected !== undefined && (before?.version ?? null) !== expected)
      throw new SecretsError(
        'CONFLICT',
        `${this.#environment} has changed meanwhile: it is at version ${before?.version ?? 0}.`,
      )
    const after = change(before?.values ?? {})
    if (after === undefined) return before?.version
    return this.push(after, changedNames(before?.values ?? {}, after))
  }

  /** The cheap question: a number, no values. */
  async currentVersion(): Promise<string | undefined> {
    const answer = await this.#call('secrets/current-version', {})
    return answer && typeof answer.version === 'number' && answer.version > 0
      ? String(answer.version)
      : undefined
  }

  async history(): Promise<VersionEntry[] | undefined> {
    const answer = await this.#call('secrets/versions', {})
    if (!answer) return undefined
    if (!Array.isArray(answer.versions)) throw malformedAnswer(this.#client.url)
    return (answer.versions as Record<string, unknown>[]).map(({ version, created_at: created }, index) => ({
      version: String(version),
      createdAt: Date.parse(String(created)),
      state: index === 0 ? 'current' : 'previous',
    }))
  }

  /** @returns the number of the new version. @throws SecretsError `NOT_FOUND` */
  async rollback(version: string): Promise<string> {
    const answer = await this.#call('secrets/rollback', { ...this.#withDevice(), version: Number(version) })
    if (typeof answer?.version === 'number') return String(answer.version)
    throw new SecretsError('NOT_FOUND', `${this.#environment} has no version ${version}.`, {
      hint: 'npx secrets versions lists them.',
    })
  }

  /** Decrypts what `pull` gave, now or earlier. */
  open(blob: string): JsonObject {
    const values: unknown = JSON.parse(decryptBlob(blob, this.#key()))
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      throw malformedAnswer(this.#client.url)
    return values as JsonObject
  }

  #key(): Buffer {
    return encryptionKey(this.#client.key.text, this.#device)
  }

  #withDevice(): Record<string, string> {
    return this.#device === undefined ? {} : { device_hash: deviceHash(this.#device) }
  }

  async #call(route: string, body: Record<string, unknown>): Promise<VaultEnvAnswer | undefined> {
    // Whoever opens only what is on the disk loads nothing for the network.
    const { callVaultEnv } = await import('./client.ts')
    return callVaultEnv(route, { environment: this.#environment, ...body }, this.#client)
  }
}

/** `+NAME`, `~NAME`, `-NAME`: what the versions show. Names only. */
export function changedNames(before: JsonObject, after: JsonObject): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name) => {
    if (!Object.hasOwn(before, name)) return [`+${name}`]
    if (!Object.hasOwn(after, name)) return [`-${name}`]
    return before[name] === after[name] ? [] : [`~${name}`]
  })
}
