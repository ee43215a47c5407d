import { SecretsError } from './errors.ts'
import { fieldsOf } from './fields.ts'
import type {
  JsonObject,
  PatchRequest,
  Provider,
  ProviderContext,
  WriteRequest,
  WriteResult,
} from './types.ts'

/** A context for each call: its deadline begins when it is made. */
type Contexts = () => ProviderContext

/** Writes with check-and-set where the place has that; one without (KV v1) says so before it changes anything. */
export async function writeExpecting(
  provider: Pick<Provider, 'write'>,
  request: WriteRequest,
  context: Contexts,
): Promise<WriteResult> {
  try {
    return await provider.write!(request, context())
  } catch (error) {
    const isUnable = error instanceof SecretsError && error.code === 'UNSUPPORTED'
    if (!isUnable || request.expected === undefined) throw error
    const { expected: _, ...without } = request
    return provider.write!(without, context())
  }
}

/** Whether fields of this place's documents can be changed by themselves. */
export function canChangeFields(provider: Provider): boolean {
  return (provider.patch ?? provider.write) !== undefined
}

/**
 * Changes some fields of a document and keeps the others: the place itself where it can, else what is there is
 * read, changed and written with check-and-set.
 * @throws SecretsError `NOT_FOUND`, `CONFLICT`, `WRONG_TYPE` for a document without fields
 */
export async function changeFields(
  provider: Provider,
  { path, set, unset = [], expected }: PatchRequest,
  context: Contexts,
): Promise<WriteResult> {
  if (provider.patch) return provider.patch({ path, set, unset, expected }, context())
  const { name } = context()
  const [document] = await provider.read([{ path, options: {} }], sharedIn(provider, context()))
  if (document instanceof SecretsError) throw document
  if (!document) throw new SecretsError('NOT_FOUND', `There is nothing at ${name}:${path}.`)
  const before = fieldsOf(document.value)
  if (!before)
    throw new SecretsError(
      'WRONG_TYPE',
      `Cannot change fields of ${name}:${path}: it holds no JSON object.`,
      { hint: 'Write it as a whole.' },
    )
  if (expected !== undefined && document.version !== expected)
    throw new SecretsError('CONFLICT', `Cannot change ${name}:${path}: its current version is another one.`, {
      hint: 'Somebody else has written it. Look at the value there before writing again.',
    })
  const left = Object.entries(before).filter(([field]) => !unset.includes(field))
  const value: JsonObject = { ...Object.fromEntries(left), ...set }
  // Where the place holds texts, the object goes back as the text that it was.
  const written = typeof document.value === 'string' ? JSON.stringify(value) : value
  return provider.write!({ path, value: written, expected: document.version }, context())
}

/** In the local vault an environment's own value hides the one that all share, and a write is to the shared one. */
function sharedIn({ type }: Provider, context: ProviderContext): ProviderContext {
  return type === 'local' ? { ...context, environment: '' } : context
}
