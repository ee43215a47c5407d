import { relative } from 'node:path'
import { SecretsError } from '../../core/errors.ts'
import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { count, note, result } from '../output.ts'

export default command({
  name: 'unlink',
  description: 'Take a link back, and clear the environment’s values from this machine; its document stays',
  examples: [
    ['secrets unlink production', 'says what would be cleared, and asks'],
    ['secrets unlink production --dry-run', 'changes nothing'],
    ['secrets unlink production --keep --yes', 'leaves the files that `secrets pull` wrote'],
  ],
  args: {
    environment: { type: 'positional', required: true, description: 'A linked environment' },
    keep: { type: 'boolean', description: 'Leave pulled files where they are' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { environment, keep, yes, json } = flags
    const { optionsOf } = await import('../context.ts')
    const { unlinkEnvironment } = await import('../../core/links.ts')
    const { approve } = await import('../prompt.ts')
    const options = optionsOf(flags)
    const plan = await unlinkEnvironment(options, { environment, keep, dryRun: true }).catch((error) => {
      // What the command line names is not there, which has an exit code of its own.
      if (error instanceof SecretsError && error.code === 'NOT_FOUND')
        throw notFoundError(error.message, error.hint)
      throw error
    })
    const shown = (files: readonly string[]): string[] => files.map((file) => relative(process.cwd(), file))
    const found = [
      ...(plan.cached > 0 ? [`${count(plan.cached, 'cached value')}`] : []),
      ...shown(plan.removed),
    ]
    const cleared = found.length === 0 ? 'nothing is on this machine' : `clears ${found.join(', ')}`
    if (flags['dry-run']) {
      result(
        json === true,
        { ...plan, unlinked: false },
        () => `${environment} would no longer be linked to ${plan.reference}; ${cleared}.`,
      )
      return
    }
    await approve(`Unlink ${environment} from ${plan.reference} (${cleared})?`, yes)
    const done = await unlinkEnvironment(options, { environment, keep })
    result(json === true, { ...done, unlinked: true }, () =>
      [
        `${environment} is not linked any more; ${done.reference} stays as it is.`,
        ...(done.cached > 0 ? [`Cleared ${count(done.cached, 'cached value')}.`] : []),
        ...shown(done.removed).map((file) => `Removed ${file}.`),
      ].join('\n'),
    )
    if (!json)
      for (const file of shown(done.kept))
        note(`${file} stays${keep ? '' : ': it was changed since it was pulled'}.`)
  },
})
