import { command } from '../command.ts'
import { notFoundError, usageError } from '../errors.ts'
import { givenValue } from '../given-value.ts'
import { result } from '../output.ts'

export default command({
  name: 'patch',
  description: 'Change one field of a document that is there, and keep the others',
  examples: [
    ['secrets patch DATABASE_URL', 'a name that is read from a field; asks for the value without showing it'],
    ['secrets patch vault:myapp/db#password < password.txt', 'a field by its reference'],
    ['secrets patch aws:prod/db#old --remove', 'takes the field away'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A declared name, or a reference with #field' },
    remove: { type: 'boolean', description: 'Take the field away' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { name, remove, yes, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { changeFields, canChangeFields } = await import('../../core/check-and-set.ts')
    const { SecretsError } = await import('../../core/errors.ts')
    const { fieldsOf } = await import('../../core/fields.ts')
    const { placeOf } = await import('../place.ts')
    const { unsupported } = await import('../target.ts')
    const { noteChange } = await import('../write.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const { reference, provider } = placeOf(config, name, 'read')
      const { path, field, options } = reference
      const place = `${reference.provider}:${path}`
      if (field === undefined || Object.keys(options).length > 0)
        throw usageError(
          `${name} is no field of a document.`,
          `A whole value is written by: secrets set ${name}`,
        )
      if (field.includes('.'))
        throw usageError(
          `${field} lies deeper than the fields of ${place}.`,
          `Patch #${field.split('.')[0]} as a whole.`,
        )
      if (!canChangeFields(provider))
        throw unsupported(config, `${name} is in ${reference.provider}, which cannot do that`, 'patch')
      const context = () => contextFor(reference.provider)
      const [document] = await provider.read([{ path, options: {} }], context())
      if (document instanceof SecretsError) throw document
      if (!document)
        throw notFoundError(`There is nothing at ${place}.`, `Make it with: secrets set ${place}#${field}`)
      const fields = fieldsOf(document.value)
      if (!fields)
        throw new SecretsError('WRONG_TYPE', `${place} holds no JSON object, so it has no fields.`, {
          hint: `Write it as a whole: secrets set ${place}`,
        })
      const isThere = Object.hasOwn(fields, field)
      if (remove && !isThere)
        throw notFoundError(
          `${place} has no field ${field}.`,
          `Its fields: ${Object.keys(fields).join(', ')}.`,
        )
      const kind = remove ? 'removed' : isThere ? 'changed' : 'added'
      const data = { name, provider: reference.provider, path, field, kind }
      if (flags['dry-run']) {
        result(json === true, { ...data, patched: false }, () => `#${field} of ${place} would be ${kind}.`)
        return
      }
      if (remove) {
        const { approve } = await import('../prompt.ts')
        await approve(`Remove #${field} of ${place}?`, yes)
      }
      const set = remove ? {} : { [field]: await givenValue(name, undefined) }
      const unset = remove ? [field] : []
      // As it was when it was looked at: a person may have thought about the value.
      await changeFields(provider, { path, set, unset, expected: document.version }, context)
      await noteChange(config, remove ? 'remove' : 'write', { name: reference.provider, path, field })
      result(
        json === true,
        { ...data, patched: true },
        () => `#${field} of ${place} is ${kind}; the others are as they were.`,
      )
    })
  },
})
