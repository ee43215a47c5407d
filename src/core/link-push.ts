import { isDeepStrictEqual } from 'node:util'
import { writeExpecting } from './check-and-set.ts'
import { reasonOf, SecretsError } from './errors.ts'
import { fieldsOf } from './fields.ts'
import type { ContextFor } from './link-values.ts'
import type { JsonObject, Provider, Reference, SecretDocument, WriteResult } from './types.ts'

/** A document of names and values, and how it is reached. */
export interface DocumentPlace {
  readonly reference: Reference
  readonly provider: Provider
  readonly contextFor: ContextFor
}

/** @throws SecretsError, also for a document that is there and cannot be read */
export async function readDocument(place: DocumentPlace): Promise<SecretDocument | undefined> {
  const { reference, provider, contextFor } = place
  const request = { path: reference.path, options: {} }
  const [document] = await provider.read([request], contextFor(reference.provider))
  if (document instanceof SecretsError) throw document
  return document
}

/**
 * Replaces a document with check-and-set, reads it back and compares. What was there before is put back when it
 * is not the same, so that a failure changes nothing.
 * @param before as it was read; `undefined`: nothing
 * @throws SecretsError `CONFLICT` when somebody else has written meanwhile, `RESPONSE_MALFORMED` for another content
 */
export async function replaceDocument(
  place: DocumentPlace,
  before: SecretDocument | undefined,
  fields: JsonObject,
): Promise<void> {
  const written = await write(place, before, fields)
  let problem: unknown
  try {
    if (isSame(await readDocument(place), fields)) return
  } catch (error) {
    problem = error
  }
  const isBack = await putBack(place, before, written).catch(() => false)
  const state = isBack
    ? 'What was there before has been put back.'
    : `Look at it: what was there before could not be put back.`
  const { source } = place.reference
  const why =
    problem === undefined ? 'is not what was written' : `could not be read back: ${reasonOf(problem)}`
  throw new SecretsError(
    problem instanceof SecretsError ? problem.code : 'RESPONSE_MALFORMED',
    `${source} ${why}${why.endsWith('.') ? '' : '.'}`,
    { hint: `Nothing was linked. ${state}` },
  )
}

async function write(
  place: DocumentPlace,
  before: SecretDocument | undefined,
  value: JsonObject,
): Promise<WriteResult> {
  const { reference, provider, contextFor } = place
  if (!provider.write)
    throw new SecretsError('UNSUPPORTED', `${reference.provider} cannot be written to.`, {
      hint: 'Link to a document that has every name already, or write it at its place.',
    })
  try {
    const expected = before ? before.version : null
    const request = { path: reference.path, value, expected }
    return await writeExpecting(provider, request, () => contextFor(reference.provider))
  } catch (error) {
    if (!(error instanceof SecretsError) || !error.transient) throw error
    // The answer was lost, and perhaps only the answer.
    const now = await readDocument(place).catch(() => undefined)
    if (!isSame(now, value)) throw error
    return { version: now?.version }
  }
}

/** @returns whether it is as before */
async function putBack(
  place: DocumentPlace,
  before: SecretDocument | undefined,
  { version }: WriteResult,
): Promise<boolean> {
  const { reference, provider, contextFor } = place
  const { path } = reference
  // Whoever has written since wants to keep that.
  const now = await readDocument(place)
  if (!now || now.version !== version) return now === before
  if (!before)
    return (await provider.remove?.({ path, forever: true }, contextFor(reference.provider))) ?? false
  const request = { path, value: before.value, expected: version }
  await writeExpecting(provider, request, () => contextFor(reference.provider))
  return true
}

function isSame(document: SecretDocument | undefined, fields: JsonObject): boolean {
  return document !== undefined && isDeepStrictEqual(fieldsOf(document.value), { ...fields })
}
