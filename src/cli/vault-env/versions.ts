import { command, PROGRAM } from '../command.ts'
import { result, table } from '../output.ts'
import { openTarget, TARGET } from './target.ts'

export default command({
  name: 'versions',
  description: 'List the versions of an environment',
  examples: [[`${PROGRAM} versions --env production`, 'the newest first']],
  args: TARGET,
  async run({ flags }) {
    const { place, project } = openTarget(flags)
    const versions = (await project.history()) ?? []
    result(flags.json === true, { environment: place.environment, versions }, () =>
      versions.length === 0
        ? `Nothing has been pushed for ${place.environment}.`
        : table(
            ['VERSION', 'CREATED'],
            versions.map(({ version, createdAt }) => [version, new Date(createdAt ?? 0).toISOString()]),
          ),
    )
  },
})
