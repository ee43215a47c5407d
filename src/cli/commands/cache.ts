import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import { count, result } from '../output.ts'

export default command({
  name: 'cache',
  description:
    'Look at what is cached for this project, profile and environment, remove it, or change its key',
  examples: [
    ['secrets cache status', 'where it is, how much, how old'],
    ['secrets cache clear --env production', 'the next start asks the providers'],
    ['secrets cache rekey', 'a new project key; what is cached is sealed again'],
  ],
  args: {
    action: {
      type: 'positional',
      required: true,
      options: ['status', 'clear', 'rekey'],
      description: '`status`, `clear` or `rekey`',
    },
  },
  async run({ flags }) {
    const { action } = flags
    const json = flags.json === true
    if (action !== 'status' && action !== 'clear' && action !== 'rekey')
      throw usageError(`cache does not know ${action}.`, 'It knows: status, clear, rekey.')
    const { withSecrets } = await import('../context.ts')
    const { formatAge } = await import('../../core/duration.ts')
    await withSecrets(flags, async ({ cache }) => {
      const control = await cache()
      if (action === 'rekey') {
        const rekeyed = await control.rekey()
        return result(json, rekeyed, () => {
          const how = rekeyed.newKey ? 'A new project key was made' : 'The key is that of the environment'
          const { values, removed } = rekeyed
          return `${how}; ${count(values, 'value')} sealed again, ${count(removed, 'old cache')} removed.`
        })
      }
      const status = await control[action]()
      result(json, status, () => {
        const { place, values, newest, oldest } = status
        if (action === 'clear') return `Removed ${count(values, 'value')} from ${place}.`
        if (newest === null || oldest === null) return `Nothing in ${place}.`
        const ages = `the newest ${formatAge(newest)} old, the oldest ${formatAge(oldest)}`
        return `${count(values, 'value')} in ${place}, ${ages}.`
      })
    })
  },
})
