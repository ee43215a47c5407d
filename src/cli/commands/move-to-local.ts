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
    const { SecretsError } = await import('../../core/errors.ts')
    const { textsOf } = await import('../reveal.ts')
    const { approve } = await import('../prompt.ts')
    const { relink } = await import('../relink.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const secret = config.secrets.get(name)
      if (!secret) throw unknownName(name, config.secrets.keys())
      const [key, local] = [...config.providers].find(([, { type }]) => type === 'local') ?? []
      if (key === undefined || !local?.write)
        throw new SecretsError('UNSUPPORTED', 'The configuration has no local vault.', {
          hint: 'Add `local: local()` to `providers`.',
        })
      const to = `${key}:${name}`
      if (secret.reference?.provider === key)
        throw new SecretsError('UNSUPPORTED', `${name} is in ${key} already.`, {
          hint: `Change it with: secrets set ${name}`,
        })
      // The last value known, from the cache too: the place it comes from may be gone.
      const value = textsOf(await loadSome(config, [name]), [name]).get(name)!
      const [there] = await local.read([{ path: name, options: {} }], contextFor(key))
      if (there instanceof SecretsError) throw there
      if (there) await approve(`Replace ${to}, which has a value?`, yes)
      await local.write({ path: name, value, expected: there ? there.version : null }, contextFor(key))
      const from = secret.reference?.source ?? 'its template'
      const file = await relink(config, optionsOf(flags), { name, from: secret.reference?.source, to })
      result(json === true, { name, from, to, linked: file ?? null }, () =>
        file ? `${name} is ${to} now, in ${file} too.` : `The value of ${name} is in ${key} now.`,
      )
      if (!file) warn(`${name} is still read from ${from}; write ${name}: '${to}' in the configuration.`)
    })
  },
})
