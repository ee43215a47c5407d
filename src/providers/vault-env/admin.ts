import {
  authKey,
  deviceHash,
  makeDeviceSecret,
  makeVaultKey,
  parseVaultKey,
} from '../../core/crypto/vault-env.ts'
import { SecretsError } from '../../core/errors.ts'
import { callVaultEnv, type VaultEnvClientOptions } from './client.ts'
import { dropDeviceSecret, loadDeviceSecret, saveDeviceSecret } from './device.ts'
import { malformedAnswer } from './malformed.ts'

export interface Device {
  readonly id: string
  readonly name: string
  readonly status: string
  /** Unix time in ms. */
  readonly createdAt: number
  readonly lastSeenAt: number | undefined
}

type Where = Omit<VaultEnvClientOptions, 'key'>

/**
 * Makes a project on the server. @returns its new key, which nobody else has
 * @param keep is given the key before the server knows it, so that it cannot be lost afterwards
 */
export async function createProject(
  name: string,
  where: Where,
  keep: (key: string) => Promise<void>,
): Promise<void> {
  // Nothing is signed yet: the key comes with the project.
  const unsigned = { ...where, key: parseVaultKey('vk__')! }
  const made = await callVaultEnv('project/create', { project_id: undefined, project_name: name }, unsigned)
  if (typeof made?.project_id !== 'string') throw malformedAnswer(where.url)
  const key = makeVaultKey(made.project_id)
  await keep(key)
  const options = { ...where, key: parseVaultKey(key)! }
  await callVaultEnv('project/set-key', { auth_key_hash: authKey(key).toString('hex') }, options)
}

/**
 * Registers this machine. One that has a device secret keeps it: with a new one, what was pushed before
 * could not be decrypted any more.
 */
export async function registerDevice(
  name: string,
  client: VaultEnvClientOptions,
): Promise<{ id: string; status: string }> {
  const { projectId } = client.key
  const known = loadDeviceSecret(projectId)
  const secret = known ?? makeDeviceSecret()
  // First: a device that the server knows and whose secret is lost is no use to anybody.
  if (known === undefined) await saveDeviceSecret(projectId, secret)
  try {
    const body = { device_name: name, device_hash: deviceHash(secret) }
    const answer = await callVaultEnv('devices/register', body, client)
    if (typeof answer?.device_id !== 'string' || typeof answer.status !== 'string')
      throw malformedAnswer(client.url)
    return { id: answer.device_id, status: answer.status }
  } catch (error) {
    if (known === undefined) dropDeviceSecret(projectId)
    throw error
  }
}

/** @throws SecretsError `NOT_FOUND` */
export async function changeDevice(
  action: 'approve' | 'revoke',
  id: string,
  client: VaultEnvClientOptions,
): Promise<void> {
  const secret = loadDeviceSecret(client.key.projectId)
  const own = secret === undefined ? {} : { device_hash: deviceHash(secret) }
  const answer = await callVaultEnv(`devices/${action}`, { device_id: id, ...own }, client)
  if (!answer)
    throw new SecretsError('NOT_FOUND', `There is no device ${id} at ${client.url}.`, {
      hint: 'list-devices shows their ids.',
    })
}

export async function listDevices(client: VaultEnvClientOptions): Promise<Device[]> {
  const answer = await callVaultEnv('devices/list', {}, client)
  if (!Array.isArray(answer?.devices)) throw malformedAnswer(client.url)
  return (answer.devices as Record<string, unknown>[]).map((device) => ({
    id: String(device.id),
    name: String(device.device_name),
    status: String(device.status),
    createdAt: Date.parse(String(device.created_at)),
    lastSeenAt: typeof device.last_seen_at === 'string' ? Date.parse(device.last_seen_at) : undefined,
  }))
}
