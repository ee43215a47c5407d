import { resolve } from 'node:path'
import { SecretsError } from '../../core/errors.ts'
import { writeAtomic } from '../../core/files.ts'
import { textsIn } from '../../dotenv/place.ts'
import { command, PROGRAM } from '../command.ts'
import { count, mask, result, table } from '../output.ts'
import { openTarget, TARGET } from './target.ts'

export default command({
  name: 'pull',
  description: 'Show the values of an environment, masked, or write them to a file',
  examples: [
    [`${PROGRAM} pull --env staging`, 'masked'],
    [`${PROGRAM} pull --output .env.local`, 'the values themselves, as dotenv reads them'],
  ],
  args: {
    ...TARGET,
    output: { type: 'string', description: 'The file to write', valueHint: 'file' },
  },
  async run({ flags }) {
    const { place, project } = openTarget(flags)
    const pulled = await project.pull()
    if (!pulled)
      throw new SecretsError('NOT_FOUND', `Nothing has been pushed for ${place.environment}.`, {
        hint: `${PROGRAM} push --env ${place.environment}`,
      })
    const values = textsIn(pulled.values)
    const names = Object.keys(values).sort()
    const { version } = pulled
    const data = { environment: place.environment, version, names }
    if (flags.output === undefined) {
      result(flags.json === true, data, () =>
        [
          `# ${place.environment}, version ${version}`,
          table(
            ['NAME', 'VALUE'],
            names.map((name) => [name, mask(values[name]!)]),
          ),
        ].join('\n'),
      )
      return
    }
    const { envText } = await import('../env-file.ts')
    const file = resolve(flags.root ?? '.', flags.output)
    await writeAtomic(file, envText(new Map(names.map((name) => [name, values[name]!]))))
    result(
      flags.json === true,
      { ...data, file },
      () => `Wrote ${count(names.length, 'secret')} to ${flags.output} (version ${version}).`,
    )
  },
})
