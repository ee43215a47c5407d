import { basename, resolve } from 'node:path'
import { SecretsError } from '../../core/errors.ts'
import { command, PROGRAM } from '../command.ts'
import { result } from '../output.ts'
import { describeProject, makeProject } from './make-project.ts'
import { placeOf, TARGET } from './target.ts'

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
    const made = await makeProject(name, place)
    result(flags.json === true, made, () =>
      [...describeProject(name, made), `Next: ${PROGRAM} push`].join('\n'),
    )
  },
})
