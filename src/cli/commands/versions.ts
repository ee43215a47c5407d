import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { result, table } from '../output.ts'

export default command({
  name: 'versions',
  description: 'Show the versions that the provider keeps of a secret, newest first; no values',
  examples: [
    ['secrets versions DATABASE_URL', 'of the document that the name is read from'],
    ['secrets versions vault:myapp/db --json', 'of a document by its reference'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A declared name, or a reference' },
  },
  async run({ flags }) {
    const { name, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { placeOf } = await import('../place.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const { reference, provider } = placeOf(config, name, 'history')
      const history = await provider.history(reference.path, contextFor(reference.provider))
      const place = `${reference.provider}:${reference.path}`
      if (!history) throw notFoundError(`There is nothing at ${place}.`, 'See what is there: secrets doctor')
      const versions = history.map(({ version, state, createdAt, labels = [] }) => {
        return { version, state, createdAt: createdAt ?? null, labels }
      })
      const rows = versions.map(({ version, state, createdAt, labels }) => {
        return [
          version,
          state,
          createdAt === null ? '' : new Date(createdAt).toISOString(),
          labels.join(', '),
        ]
      })
      const data = { name, provider: reference.provider, path: reference.path, versions }
      result(json === true, data, () => table(['VERSION', 'STATE', 'CREATED', 'LABELS'], rows))
    })
  },
})
