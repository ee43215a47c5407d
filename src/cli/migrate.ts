import { isDeepStrictEqual } from 'node:util'
import { writeExpecting } from '../core/check-and-set.ts'
import { SecretsError } from '../core/errors.ts'
import { fieldsOf } from '../core/fields.ts'
import type { ProviderContext, SecretDocument } from '../core/types.ts'
import { notFoundError, usageError } from './errors.ts'
import type { Able, Place } from './place.ts'

type ContextFor = (provider: string) => ProviderContext

/**
 * The document that is going to move; nothing has been changed yet.
 * @throws CliError for places that cannot be meant; SecretsError for what cannot be read
 */
export async function readSource(
  source: Place,
  target: Place,
  contextFor: ContextFor,
): Promise<SecretDocument> {
  for (const { reference } of [source, target])
    if (reference.field !== undefined || Object.keys(reference.options).length > 0 || reference.path === '*')
      throw usageError(
        `${reference.source} is not a whole document.`,
        'Leave out ?options and #field; a declared name moves with its document, by reference.',
      )
  const name = ({ reference }: Place): string => `${reference.provider}:${reference.path}`
  if (name(source) === name(target)) throw usageError('Both are the same place.')
  const document = await read(source, contextFor)
  if (!document) throw notFoundError(`There is nothing at ${name(source)}.`)
  return document
}

/** @throws SecretsError `CONFLICT` when there is something at the target */
export async function checkFree(target: Place, contextFor: ContextFor): Promise<void> {
  if (!(await read(target, contextFor))) return
  const { provider, path } = target.reference
  throw new SecretsError('CONFLICT', `There is something at ${provider}:${path} already.`, {
    hint: 'Choose another place, or remove what is there.',
  })
}

/**
 * Writes where nothing is, reads back and compares. What was written is taken away again when it is not
 * the same, so that a failure leaves the source whole and nothing half at the target.
 */
export async function copyDocument(
  document: SecretDocument,
  target: Able<'write'>,
  contextFor: ContextFor,
): Promise<void> {
  const { provider, path } = target.reference
  const place = `${provider}:${path}`
  await checkFree(target, contextFor)
  const request = { path, value: document.value, expected: null }
  await writeExpecting(target.provider, request, () => contextFor(provider))
  const copy = await read(target, contextFor)
  if (copy && isSame(document.value, copy.value)) return
  // Only what we have just made: nothing was there before.
  const removed = await (target.provider as Place['provider'])
    .remove?.({ path }, contextFor(provider))
    .catch(() => false)
  throw new SecretsError('RESPONSE_MALFORMED', `What was read back from ${place} is not what was written.`, {
    hint: `The source is as it was${removed ? ', and the copy was removed' : `; remove ${place} by hand`}.`,
  })
}

async function read(
  { reference, provider }: Place,
  contextFor: ContextFor,
): Promise<SecretDocument | undefined> {
  const [document] = await provider.read(
    [{ path: reference.path, options: {} }],
    contextFor(reference.provider),
  )
  if (document instanceof SecretsError) throw document
  return document
}

/** Some places hold fields where others hold the JSON text of them, and a plain text as the field `value`. */
function isSame(before: SecretDocument['value'], after: SecretDocument['value']): boolean {
  if (typeof before === 'string' && typeof after === 'string') return before === after
  if (before instanceof Uint8Array || after instanceof Uint8Array)
    return before instanceof Uint8Array && after instanceof Uint8Array && Buffer.compare(before, after) === 0
  if (typeof before === 'string' && fieldsOf(before) === undefined)
    return isDeepStrictEqual(fieldsOf(after), { value: before })
  const fields = [fieldsOf(before), fieldsOf(after)]
  return fields[0] !== undefined && isDeepStrictEqual(fields[0], fields[1])
}
