import type { SecretMeta, Snapshot } from '../../core/snapshot.ts'
import { command } from '../command.ts'
import { mask, printable, result } from '../output.ts'

export default command({
  name: 'get',
  description: 'Show one secret: masked, with where it comes from and how old it is',
  examples: [
    ['secrets get STRIPE_KEY', 'the first and last characters only'],
    ['secrets get db.username --reveal', 'the value itself, of a part of a JSON secret'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A name, or a dot key of a JSON secret' },
    reveal: { type: 'boolean', description: 'Print the value itself and nothing else' },
  },
  async run({ flags }) {
    const { name, reveal, json } = flags
    const { loadSome, withSecrets } = await import('../context.ts')
    const { formatAge } = await import('../../core/duration.ts')
    await withSecrets(flags, async ({ config }) => {
      const snapshot = await loadSome(config, [name])
      const text = snapshot.get(name)!.reveal()
      const meta = metaOf(snapshot, name)
      const { source, provider, reference, version, fetchedAt, stale } = meta
      if (reveal && !json) {
        // As it is, for `$(…)` and files; a terminal's own line gets an end.
        process.stdout.write(process.stdout.isTTY ? `${text}\n` : text)
        return
      }
      const value = reveal ? text : mask(text)
      const data = { name, value, masked: !reveal, source, provider, reference, version, fetchedAt, stale }
      result(json === true, data, () => {
        const facts = [
          provider === undefined
            ? `from ${source}`
            : `from ${reference} (${source === 'cache' ? `cache of ${provider}` : provider})`,
          version === undefined ? [] : `version ${printable(version)}`,
          fetchedAt === undefined ? [] : `${formatAge(Date.now() - fetchedAt)} old`,
          stale ? 'stale' : [],
        ].flat()
        return `${name}  ${value}\n  ${facts.join(' · ')}`
      })
    })
  },
})

/** Of a dot key: its document's. */
function metaOf(snapshot: Snapshot, name: string): SecretMeta {
  const meta = snapshot.meta(name)
  return meta ?? metaOf(snapshot, name.slice(0, name.lastIndexOf('.')))
}
