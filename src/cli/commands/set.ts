import { command } from '../command.ts'
import { givenValue } from '../given-value.ts'
import { result, warn } from '../output.ts'

export default command({
  name: 'set',
  description: 'Store a value where NAME is read from, else in the local vault',
  examples: [
    ['secrets set STRIPE_KEY', 'asks for the value without showing it'],
    ['secrets set TLS_KEY < key.pem', 'reads it from a file, several lines too'],
    ['secrets set API_URL --env production', 'only for one environment'],
    ['secrets set vault:myapp/db#url', 'a place that no name is read from'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'The name of the secret, or a reference' },
    value: { type: 'positional', required: false, description: 'Its value; better typed or piped in' },
  },
  async run({ flags }) {
    const { name, env, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { targetOf } = await import('../target.ts')
    const { writeTo } = await import('../write.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const target = targetOf(config, name, 'write')
      const value = await givenValue(name, flags.value)
      const { path, field } = target
      await writeTo(config, target, value, { environment: env }, () => contextFor(target.name))
      if (target.remark) warn(target.remark)
      const data = { name, provider: target.name, path, field: field ?? null, environment: env ?? null }
      const where = env === undefined ? '' : ` for ${env}`
      result(
        json === true,
        data,
        () => `Set ${name}${where} in ${target.name} (${target.provider.location}).`,
      )
    })
  },
})
