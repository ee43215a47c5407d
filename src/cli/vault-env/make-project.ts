import { parseVaultKey } from '../../core/crypto/vault-env.ts'
import { readIfExists, writeAtomic } from '../../core/files.ts'
import type { Place } from '../../dotenv/place.ts'
import { createProject, registerDevice } from '../../providers/vault-env/admin.ts'
import { calling, deviceName } from './target.ts'

export interface MadeProject {
  readonly projectId: string
  /** Where the key stands now. */
  readonly file: string
  readonly device: { readonly id: string; readonly status: string }
}

/** Makes a project, writes its key down before the server knows it, and registers this machine. */
export async function makeProject(name: string, { url, file }: Place): Promise<MadeProject> {
  let key = ''
  await createProject(name, { url, ...calling() }, async (made) => {
    key = made
    await appendKey(file, made)
  })
  const client = { url, key: parseVaultKey(key)!, ...calling() }
  const device = await registerDevice(deviceName(undefined), client)
  return { projectId: client.key.projectId, file, device }
}

/** What a person has to know of it. */
export function describeProject(name: string, { projectId, file, device }: MadeProject): string[] {
  return [
    `Made the project ${name} (${projectId}).`,
    `VAULT_KEY stands in ${file}. Keep a copy: without it nothing can be decrypted.`,
    `This device: ${device.status}.`,
  ]
}

/** Keeps what is there, its mode too. @throws SecretsError `FILE_UNREADABLE` */
async function appendKey(file: string, key: string): Promise<void> {
  const before = (await readIfExists(file))?.toString('utf8') ?? ''
  const glue = before === '' || before.endsWith('\n') ? '' : '\n'
  await writeAtomic(file, `${before}${glue}VAULT_KEY=${key}\n`)
}
