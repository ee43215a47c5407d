import type { ResolvedConfig } from '../../core/config/resolve.ts'
import type { SecretMeta, Snapshot } from '../../core/snapshot.ts'
import { command } from '../command.ts'
import { mask, printable, result } from '../output.ts'

export default command({
  name: 'get',
  description: 'Show one secret: masked, with where it comes from and how old it is',
  examples: [
    ['secrets get STRIPE_KEY', 'the first and last characters only'],
    ['secrets get db.username --reveal', 'the value itself, of a part of a JSON secret'],
    ['secrets get DATABASE --field password', 'one field of the document that the name is read from'],
    ['secrets get vault:myapp/db#password', 'a place that no name is read from'],
  ],
  args: {
    name: {
      type: 'positional',
      required: true,
      description: 'A name, a dot key of a JSON secret, or a reference',
    },
    field: { type: 'string', description: 'This field of its document', valueHint: 'field' },
    reveal: { type: 'boolean', description: 'Print the value itself and nothing else' },
  },
  async run({ flags }) {
    const { field, reveal, json } = flags
    const { loadSome, withSecrets } = await import('../context.ts')
    const { loadReference } = await import('../some.ts')
    const { formatAge } = await import('../../core/duration.ts')
    await withSecrets(flags, async ({ config }) => {
      const name = field === undefined ? flags.name : `${flags.name}.${field}`
      const place = await placeOf(config, flags.name, field)
      const snapshot =
        place === undefined ? await loadSome(config, [name]) : await loadReference(config, place)
      const found = place === undefined ? name : 'value'
      const text = snapshot.get(found)!.reveal()
      const meta = metaOf(snapshot, found)
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

/**
 * The reference that is meant, where no name says it: one that was typed, or a field of the document that a name is
 * read from. A JSON secret has its fields as dot keys.
 */
async function placeOf(
  config: ResolvedConfig,
  word: string,
  field: string | undefined,
): Promise<string | undefined> {
  const { canonicalReference } = await import('../../core/reference.ts')
  const { referenceTo } = await import('../target.ts')
  const declared = config.secrets.get(word)
  const isText = declared?.reference !== undefined && declared.mode === 'plaintext'
  if (!word.includes(':') && (field === undefined || !isText)) return undefined
  const reference = declared?.reference ?? referenceTo(config, word).reference
  const fields = [reference.field, field].filter((each) => each !== undefined)
  return canonicalReference({ ...reference, field: fields.length > 0 ? fields.join('.') : undefined })
}

/** Of a dot key: its document's. */
function metaOf(snapshot: Snapshot, name: string): SecretMeta {
  const meta = snapshot.meta(name)
  return meta ?? metaOf(snapshot, name.slice(0, name.lastIndexOf('.')))
}
