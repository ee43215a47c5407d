import { SecretsError } from '../../core/errors.ts'
import { fieldsOf } from '../../core/fields.ts'
import type { PatchRequest, ProviderContext, WriteResult } from '../../core/types.ts'
import { missing } from './describe.ts'
import type { Memory } from './memory.ts'
import { readSecrets } from './read.ts'
import type { Session } from './session.ts'
import { conflict, contentOf, writeExpecting } from './write.ts'

/** How often somebody else may write in between. */
const ATTEMPTS = 5

/** Changes keys of a JSON object; a write in between is seen, and the change made on top of it. */
export async function patchSecret(
  session: Session,
  memory: Memory,
  request: PatchRequest,
  context: ProviderContext,
): Promise<WriteResult> {
  const { path, set, unset = [], expected } = request
  for (let attempt = 1; ; attempt++) {
    const [document] = await readSecrets(session, memory, [{ path, options: {} }], context)
    if (document instanceof SecretsError) throw document
    if (document?.version === undefined) throw missing(session, path, context)
    if (expected !== undefined && document.version !== expected) throw conflict(path, context)
    const before = fieldsOf(document.value)
    if (!before)
      throw new SecretsError(
        'WRONG_TYPE',
        `Cannot change fields of ${context.name}:${path}: it holds no JSON object.`,
        { hint: 'Write it as a whole.' },
      )
    const left = Object.entries(before).filter(([name]) => !unset.includes(name) && !Object.hasOwn(set, name))
    const fields = Object.fromEntries([...left, ...Object.entries(set)])
    try {
      const content = contentOf(fields)
      return await writeExpecting(session, { path, content, expected: document.version }, context)
    } catch (error) {
      const raced = error instanceof SecretsError && error.code === 'CONFLICT'
      if (!raced || expected !== undefined || attempt === ATTEMPTS) throw error
    }
  }
}
