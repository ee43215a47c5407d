import type { JsonObject } from '../../core/types.ts'
import { command } from '../command.ts'
import { note, result } from '../output.ts'

export default command({
  name: 'template',
  description:
    'Create a secret with placeholders where values belong; builds refuse it until they are replaced',
  examples: [
    ['secrets template DATABASE_URL', 'with every key that the configuration reads from its document'],
    ['secrets template vault:myapp/mail --fields host,user,password', 'with keys of your own'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A declared name, or a reference' },
    fields: { type: 'string', description: 'The keys of the document', valueHint: 'a,b' },
  },
  async run({ flags, list }) {
    const { name, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { SecretsError } = await import('../../core/errors.ts')
    const { documentKey } = await import('../../core/reference.ts')
    const { placeOf } = await import('../place.ts')
    const { changeFields, writeExpecting } = await import('../../core/check-and-set.ts')
    const { noteChange } = await import('../write.ts')
    const { fieldsOf } = await import('../../core/fields.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const { reference, provider } = placeOf(config, name, 'write')
      const { path } = reference
      const place = `${reference.provider}:${path}`
      const declared = [...config.secrets.values()].flatMap((secret) =>
        secret.reference && documentKey(secret.reference) === documentKey(reference)
          ? (secret.reference.field ?? [])
          : [],
      )
      const given = list('fields')
      const fields = [...new Set(given.length > 0 ? given : declared)]
      const context = () => contextFor(reference.provider)
      const [document] = await provider.read([{ path, options: {} }], context())
      if (document instanceof SecretsError) throw document
      const there = document && Object.keys(fieldsOf(document.value) ?? {})
      const missing = fields.filter((field) => !there?.includes(field.split('.')[0]!))
      const data = { name, provider: reference.provider, path, fields: document ? missing : fields }
      if (document && missing.length === 0) {
        result(json === true, { ...data, created: false }, () => `${place} is there already.`)
        return
      }
      const shape = withPlaceholders(document ? missing : fields)
      if (document) {
        // What is there stays as it is.
        await changeFields(provider, { path, set: shape, expected: document.version }, context)
      } else {
        const value = fields.length > 0 ? shape : placeholder(lastPart(path))
        await writeExpecting(provider, { path, value, expected: null }, context)
      }
      await noteChange(config, 'write', { name: reference.provider, path, field: undefined })
      result(json === true, { ...data, created: true }, () => {
        const what = fields.length > 0 ? ` with ${data.fields.join(', ')}` : ''
        return `Created ${place}${what}.`
      })
      if (!json) note(`Replace what begins with REPLACE_WITH_ at ${provider.location}.`)
    })
  },
})

const lastPart = (path: string): string => path.split('/').at(-1)!

function placeholder(field: string): string {
  return `REPLACE_WITH_${field.replace(/[^A-Za-z0-9]+/g, '_').toUpperCase()}`
}

/** Dot paths become objects in objects. */
function withPlaceholders(fields: readonly string[]): JsonObject {
  const root: Record<string, unknown> = {}
  for (const field of fields) {
    const parts = field.split('.')
    let at = root
    for (const part of parts.slice(0, -1)) {
      at[part] ??= {}
      at = at[part] as Record<string, unknown>
    }
    at[parts.at(-1)!] = placeholder(field)
  }
  return root as JsonObject
}
