import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { result, warn } from '../output.ts'

export default command({
  name: 'unset',
  description: 'Remove a stored value, from where `set` would write it',
  examples: [
    ['secrets unset STRIPE_KEY', 'asks first'],
    ['secrets unset API_URL --env production --yes', 'takes back what only production has, for a script'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'The name of the secret, or a reference' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { name, env, yes, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { targetOf } = await import('../target.ts')
    const { removeFrom } = await import('../write.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const target = targetOf(config, name, 'remove')
      const where = env === undefined ? target.name : `${target.name} for ${env}`
      const { approve } = await import('../prompt.ts')
      await approve(`Remove ${name} from ${where}?`, yes)
      const { path, field } = target
      const removed = await removeFrom(config, target, { environment: env }, () => contextFor(target.name))
      if (!removed) throw notFoundError(`${name} is not set in ${where}.`, 'What there is: secrets list.')
      if (target.remark) warn(target.remark)
      const data = { name, provider: target.name, path, field: field ?? null, environment: env ?? null }
      result(json === true, data, () => `Removed ${name} from ${where}.`)
    })
  },
})
