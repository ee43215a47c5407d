import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError, throwProblems } from '../core/errors.ts'
import { fieldsOf } from '../core/fields.ts'
import type { ProviderContext, SecretDocument } from '../core/types.ts'
import { type Target, targetOf, unsupported } from './target.ts'

/** What `push` makes of one name of a file. */
export interface Assignment {
  readonly name: string
  readonly value: string
  readonly kind: 'added' | 'changed' | 'same'
  readonly target: Target
  readonly environment: string | undefined
  /** What stands there now, so that nobody's write in between is lost. */
  readonly expected: string | null | undefined
}

/**
 * Where each name goes, and whether it is another value there. Reads every document once.
 * @throws SecretsError with every name that has no place, or whose place cannot be read
 */
export async function planPush(
  config: ResolvedConfig,
  contextFor: (provider: string) => ProviderContext,
  values: ReadonlyMap<string, string>,
  env: string | undefined,
): Promise<Assignment[]> {
  const problems: SecretsError[] = []
  const targets = new Map<string, Target>()
  for (const name of values.keys()) {
    try {
      targets.set(name, placeFor(config, name))
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      problems.push(error)
    }
  }
  const documents = new Map<string, SecretDocument | undefined>()
  const byProvider = new Map<string, Target[]>()
  for (const target of targets.values())
    byProvider.set(target.name, [...(byProvider.get(target.name) ?? []), target])
  for (const [name, group] of byProvider) {
    const paths = [...new Set(group.map(({ path }) => path))]
    const requests = paths.map((path) => ({ path, options: {} }))
    const read = await group[0]!.provider.read(requests, contextFor(name))
    for (const [index, path] of paths.entries()) {
      const document = read[index]
      if (document instanceof SecretsError) problems.push(document)
      else documents.set(`${name}:${path}`, document)
    }
  }
  throwProblems(problems, (count) => `${count} names cannot be pushed:`)
  return [...targets].map(([name, target]) => {
    const value = values.get(name)!
    const document = documents.get(`${target.name}:${target.path}`)
    const now = textAt(document, target.field)
    const kind = now === undefined ? 'added' : now === value ? 'same' : 'changed'
    // Of those that keep a value for each environment the one that is read need not be the one that is written.
    const own = target.provider.type === 'local' ? env : undefined
    const expected =
      own !== undefined || (document && document.version === undefined)
        ? undefined
        : (document?.version ?? null)
    return { name, value, kind, target, environment: own, expected }
  })
}

/** As `set` chooses it, but that a name which is read elsewhere does not go to the local vault unasked. */
function placeFor(config: ResolvedConfig, name: string): Target {
  const target = targetOf(config, name, 'write')
  const reference = config.secrets.get(name)?.reference
  if (reference === undefined || target.remark === undefined) return target
  throw unsupported(
    config,
    `${name} comes from ${reference.source}, which cannot be changed from here`,
    'write',
  )
}

function textAt(document: SecretDocument | undefined, field: string | undefined): string | undefined {
  if (!document) return undefined
  const { value } = document
  if (field === undefined) return typeof value === 'string' ? value : JSON.stringify(value)
  const found = fieldsOf(value)?.[field]
  return found === undefined || typeof found === 'string' ? found : JSON.stringify(found)
}
