import { SecretsError } from '../../core/errors.ts'
import { changedNames } from '../../providers/vault-env/project.ts'
import { command, PROGRAM } from '../command.ts'
import { count, note, printable, result } from '../output.ts'
import { openTarget, TARGET } from './target.ts'

export default command({
  name: 'push',
  description: 'Encrypt the values of .env and push them as a new version of an environment',
  examples: [
    [`${PROGRAM} push`, 'for development'],
    [
      `${PROGRAM} push --env production --file .env.production`,
      'another environment, from a file of its own',
    ],
  ],
  args: TARGET,
  async run({ flags }) {
    const { place, project } = openTarget(flags)
    const { readEnvFile } = await import('../env-file.ts')
    const { VAULT_KEY: _, ...values } = Object.fromEntries(await readEnvFile(place.file))
    const names = Object.keys(values)
    if (names.length === 0)
      throw new SecretsError('NOT_FOUND', `There is nothing to push in ${place.file}.`, {
        hint: 'VAULT_KEY itself is never pushed. Another file: --file .env.production',
      })
    const before = await project.pull()
    const changed = changedNames(before?.values ?? {}, values)
    if (flags.json !== true) note(`Pushing ${count(names.length, 'secret')} to ${place.environment}...`)
    const version = await project.push(values, changed)
    result(flags.json === true, { environment: place.environment, version, changed }, () =>
      [`Pushed. Version: ${version}`, ...changed.map((name) => `  ${printable(name)}`)].join('\n'),
    )
  },
})
