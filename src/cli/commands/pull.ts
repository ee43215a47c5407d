import { resolve } from 'node:path'
import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { count, note, result, warn } from '../output.ts'

export default command({
  name: 'pull',
  description: 'Write the values of an environment to a .env file, for programs that read only those',
  examples: [
    ['secrets pull', 'to .env.local; asks before it replaces one that differs'],
    ['secrets pull --env production --output .env.production --yes', 'another environment, for a script'],
    ['secrets pull --only DATABASE_URL --output -', 'to the standard output, in clear'],
  ],
  args: {
    output: { type: 'string', description: 'The file, or - for the standard output', valueHint: 'file' },
    only: { type: 'string', description: 'These names and no others', valueHint: 'A,B' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags, list }) {
    const { output = '.env.local', yes, json } = flags
    const { loadSome, loadVisibly, optionsOf, rootOf } = await import('../context.ts')
    const { createSecrets } = await import('../../core/pipeline.ts')
    const { envText } = await import('../env-file.ts')
    const { textsOf } = await import('../reveal.ts')
    const only = list('only')
    // The providers' own values: what the shell has set is known to the shell.
    const secrets = await createSecrets({ ...optionsOf(flags), processEnv: false })
    const values = await (only.length > 0 ? loadSome(secrets.config, only) : loadVisibly(secrets))
      .then((snapshot) => textsOf(snapshot, only.length > 0 ? only : snapshot.names()))
      .finally(() => secrets.close())
    if (values.size === 0) throw notFoundError('There are no secrets to write.', 'Names: secrets list')
    const text = envText(values)
    if (output === '-') {
      process.stdout.write(text)
      return
    }
    const file = resolve(rootOf(flags), output)
    const { readIfExists, writeAtomic } = await import('../../core/files.ts')
    const before = (await readIfExists(file))?.toString()
    const written = before !== text
    if (before !== undefined && written) {
      const { approve } = await import('../prompt.ts')
      await approve(`Replace ${output}, which has other contents?`, yes)
    }
    // For this user's eyes only.
    if (written) await writeAtomic(file, text)
    const names = [...values.keys()]
    const { isIgnored } = await import('../ignored.ts')
    const ignored = await isIgnored(file)
    result(json === true, { file, names, written, ignored: ignored ?? null }, () =>
      written ? `Wrote ${count(names.length, 'value')} to ${output}, in clear.` : `${output} is up to date.`,
    )
    if (ignored === false) warn(`git does not ignore ${output}; add it to .gitignore.`)
    else if (!json) note('Where a program can be started with `secrets run`, no file is needed.')
  },
})
