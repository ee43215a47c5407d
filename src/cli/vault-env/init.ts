import { basename, resolve } from 'node:path'
import { parseVaultKey } from '../../core/crypto/vault-env.ts'
import { SecretsError } from '../../core/errors.ts'
import { readIfExists, writeAtomic } from '../../core/files.ts'
import { createProject, registerDevice } from '../../providers/vault-env/admin.ts'
import { command, PROGRAM } from '../command.ts'
import { result } from '../output.ts'
import { calling, deviceName, placeOf, TARGET } from './target.ts'

export default command({
  name: 'init',
  description: 'Make a project on a vault-env server, and put its key into .env',
  examples: [
    [`${PROGRAM} init --name shop`, 'then: push'],
    [`${PROGRAM} init --url http://127.0.0.1:8787`, 'on a server of your own'],
  ],
  args: {
    ...TARGET,
    name: {
      type: 'string',
      description: 'The name of the project (default: of the folder)',
      valueHint: 'name',
    },
  },
  async run({ flags }) {
    const place = placeOf(flags)
    if (place.key !== undefined)
      throw new SecretsError('CONFIG_INVALID', 'There is a VAULT_KEY already.', {
        hint: 'Take it out of the environment or of .env first; without it what it encrypted cannot be read.',
      })
    const name = flags.name ?? basename(resolve(flags.root ?? '.'))
    let key = ''
    await createProject(name, { url: place.url, ...calling() }, async (made) => {
      key = made
      await appendKey(place.file, made)
    })
    const client = { url: place.url, key: parseVaultKey(key)!, ...calling() }
    const device = await registerDevice(deviceName(undefined), client)
    const { projectId } = client.key
    result(flags.json === true, { projectId, file: place.file, device }, () =>
      [
        `Made the project ${name} (${projectId}).`,
        `VAULT_KEY stands in ${place.file}. Keep a copy: without it nothing can be decrypted.`,
        `This device: ${device.status}.`,
        `Next: ${PROGRAM} push`,
      ].join('\n'),
    )
  },
})

/** Keeps what is there, its mode too. @throws SecretsError `FILE_UNREADABLE` */
async function appendKey(file: string, key: string): Promise<void> {
  const before = (await readIfExists(file))?.toString('utf8') ?? ''
  const glue = before === '' || before.endsWith('\n') ? '' : '\n'
  await writeAtomic(file, `${before}${glue}VAULT_KEY=${key}\n`)
}
