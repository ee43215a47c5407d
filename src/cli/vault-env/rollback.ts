import { command, PROGRAM } from '../command.ts'
import { usageError } from '../errors.ts'
import { result } from '../output.ts'
import { openTarget, TARGET } from './target.ts'

export default command({
  name: 'rollback',
  description: 'Make an older version the newest one again',
  examples: [[`${PROGRAM} rollback --env production --version 3`, 'as a new version; nothing is lost']],
  args: {
    ...TARGET,
    version: { type: 'string', description: 'The version to go back to', valueHint: 'number' },
  },
  async run({ flags }) {
    const { version } = flags
    if (!version || !/^\d+$/.test(version)) throw usageError('rollback needs --version NUMBER.')
    const { place, project } = openTarget(flags)
    const made = await project.rollback(version)
    result(
      flags.json === true,
      { environment: place.environment, from: version, version: made },
      () => `Rolled back to version ${version}. New version: ${made}`,
    )
  },
})
