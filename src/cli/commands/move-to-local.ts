import { command } from '../command.ts'
import { result, warn } from '../output.ts'

export default command({
  name: 'move-to-local',
  description: 'Take a secret into the local vault with its last value, to be changed there',
  examples: [
    ['secrets move-to-local STRIPE_KEY', 'its last value, and the line of the configuration'],
    ['secrets move-to-local STRIPE_KEY --yes', 'replaces one of that name without asking'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A declared name' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { name, yes, json } = flags
    const { loadSome, optionsOf, unknownName, withSecrets } = await import('../context.ts')
    const { moveToLocal } = await import('../../core/move-to-local.ts')
    const { approve } = await import('../prompt.ts')
    await withSecrets(flags, async (secrets) => {
      const { config } = secrets
      if (!config.secrets.has(name)) throw unknownName(name, config.secrets.keys())
      const moved = await moveToLocal(secrets, {
        name,
        value: async () => (await loadSome(config, [name])).get(name)!,
        mayReplace: (to) => approve(`Replace ${to}, which has a value?`, yes),
        options: optionsOf(flags),
      })
      const { from = 'its template', to, file } = moved
      const [key] = to.split(':')
      result(json === true, { name, from, to, linked: file ?? null }, () =>
        file ? `${name} is ${to} now, in ${file} too.` : `The value of ${name} is in ${key} now.`,
      )
      if (!file) warn(`${name} is still read from ${from}; write ${name}: '${to}' in the configuration.`)
    })
  },
})
