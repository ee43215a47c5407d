import { resolve } from 'node:path'
import { command } from '../command.ts'
import { notFoundError, usageError } from '../errors.ts'
import { count, note, result, warn } from '../output.ts'

export default command({
  name: 'pull',
  description:
    'Write the values of an environment to a .env file, for programs that read only those; or link an environment for every secret of a provider',
  examples: [
    ['secrets pull', 'to .env.local; asks before it replaces one that differs'],
    ['secrets pull --env production --output .env.production --yes', 'another environment, for a script'],
    ['secrets pull --only DATABASE_URL --output -', 'to the standard output, in clear'],
    ['secrets pull --all --provider aws --dry-run', 'which environments its secrets would become'],
  ],
  args: {
    output: { type: 'string', description: 'The file, or - for the standard output', valueHint: 'file' },
    only: { type: 'string', description: 'These names and no others', valueHint: 'A,B' },
    all: {
      type: 'boolean',
      description: 'Write no file; link an environment for each secret that has none yet',
    },
    provider: { type: 'string', description: 'With --all: only this one', valueHint: 'name' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags, list }) {
    const { output = '.env.local', all, yes, json } = flags
    if (all) {
      if (flags.output !== undefined || flags.only !== undefined)
        throw usageError('pull --all writes no file.', 'Leave out --output and --only.')
      const { pullAll } = await import('../pull-all.ts')
      return pullAll(flags)
    }
    if (flags.provider !== undefined)
      throw usageError('--provider belongs to pull --all.', 'Names come from where the configuration says.')
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
    if (flags['dry-run']) {
      const would = before === undefined ? 'written' : 'replaced'
      const plan = { file, names: [...values.keys()], written: false }
      result(json === true, plan, () =>
        written ? `${output} would be ${would}.` : `${output} is up to date.`,
      )
      return
    }
    if (before !== undefined && written) {
      const { approve } = await import('../prompt.ts')
      await approve(`Replace ${output}, which has other contents?`, yes)
    }
    if (written) {
      const { notePulled } = await import('../../core/pulled.ts')
      // For this user's eyes only.
      await writeAtomic(file, text)
      await notePulled(secrets.config.root, file, secrets.config.environment)
    }
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
