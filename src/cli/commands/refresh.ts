import { command } from '../command.ts'
import { count, result, warn } from '../output.ts'

export default command({
  name: 'refresh',
  description: 'Ask every provider now, and make running dev servers look too',
  examples: [
    ['secrets refresh', 'after a value was changed at its provider'],
    ['secrets refresh --json', 'for a program'],
  ],
  args: {},
  async run({ flags }) {
    const { withSecrets } = await import('../context.ts')
    const { reasonOf } = await import('../../core/errors.ts')
    const { signalRefresh } = await import('../../core/refresh-signal.ts')
    await withSecrets(flags, async ({ config, load }) => {
      // First: what fails here may work there, and the other way round.
      await signalRefresh(config.root).catch((error: unknown) => {
        warn(`Running dev servers are not told. ${reasonOf(error)}`)
      })
      const snapshot = await load({ refresh: true })
      const names = snapshot.names()
      const stale = names.filter((name) => snapshot.meta(name)!.stale)
      const { environment } = snapshot
      result(flags.json === true, { environment, secrets: names, stale }, () => {
        const old = stale.length > 0 ? `, ${stale.length} of them stale` : ''
        return `${count(names.length, 'secret')} for ${environment}${old}`
      })
    })
  },
})
