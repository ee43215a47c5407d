import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { result } from '../output.ts'

export default command({
  name: 'policy',
  description: 'Print the least rights with which the configured references can be read',
  examples: [
    ['secrets policy vault > policy.hcl', 'for `vault policy write`'],
    ['secrets policy aws --env production > policy.json', 'for an IAM role'],
  ],
  args: {
    provider: { type: 'positional', required: true, description: 'The name of a configured provider' },
  },
  async run({ flags }) {
    const { provider: name, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { documentKey } = await import('../../core/reference.ts')
    const { didYouMean } = await import('../../core/nearest.ts')
    const { unsupported } = await import('../target.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const provider = config.providers.get(name)
      if (!provider) {
        const known = [...config.providers.keys()]
        const hint = `Configured: ${known.join(', ')}.`
        throw notFoundError(`There is no provider ${name}.${didYouMean(name, known)}`, hint)
      }
      if (!provider.policy)
        throw unsupported(config, `${name} (${provider.location}) has no policies`, 'policy')
      const declared = [...config.secrets.values()].flatMap(({ reference }) => reference ?? [])
      const own = [...declared, ...config.imports].filter((reference) => reference.provider === name)
      if (own.length === 0)
        throw notFoundError(
          `Nothing is read from ${name}.`,
          `Declare a secret such as '${name}:myapp/db#url'.`,
        )
      const documents = [...new Map(own.map((reference) => [documentKey(reference), reference])).values()]
      const requests = documents.map(({ path, options }) => ({ path, options }))
      const policy = await provider.policy(requests, contextFor(name))
      const data = { provider: name, location: provider.location, references: own.length, policy }
      result(json === true, data, () => policy.trimEnd())
    })
  },
})
