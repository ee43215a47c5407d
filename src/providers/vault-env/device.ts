import { readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileHint, reasonOf, SecretsError } from '../../core/errors.ts'

/** Where a device keeps its half of a project's key: shared with the protocol's other clients. */
export function deviceSecretFile(projectId: string): string {
  return join(homedir(), '.vault', `${projectId}.key`)
}

/**
 * `VAULT_DEVICE_SECRET`, else the file. @returns `undefined` for a machine that has none
 * @throws SecretsError `FILE_UNREADABLE`
 */
export function loadDeviceSecret(projectId: string): string | undefined {
  const given = process.env.VAULT_DEVICE_SECRET
  if (given) return given
  const file = deviceSecretFile(projectId)
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SecretsError('FILE_UNREADABLE', `Cannot read the device secret ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}

/** Takes back what `saveDeviceSecret` has just written, for a server that does not want it. */
export function dropDeviceSecret(projectId: string): void {
  rmSync(deviceSecretFile(projectId), { force: true })
}

/** Mode 0600. @throws SecretsError `FILE_UNREADABLE` */
export async function saveDeviceSecret(projectId: string, secret: string): Promise<void> {
  const { writeAtomic } = await import('../../core/files.ts')
  await writeAtomic(deviceSecretFile(projectId), `${secret}\n`)
}
