import { changeFields, writeExpecting } from '../core/check-and-set.ts'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError, throwProblems } from '../core/errors.ts'
import { fieldsOf } from '../core/fields.ts'
import type { Provider, ProviderContext, SecretDocument } from '../core/types.ts'
import { type Target, targetOf, unsupported } from './target.ts'
import { noteChange, writeTo } from './write.ts'

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
  const deleted = new Set<string>()
  const byProvider = new Map<string, Target[]>()
  for (const target of targets.values())
    byProvider.set(target.name, [...(byProvider.get(target.name) ?? []), target])
  for (const [name, group] of byProvider) {
    const paths = [...new Set(group.map(({ path }) => path))]
    const requests = paths.map((path) => ({ path, options: {} }))
    const read = await group[0]!.provider.read(requests, contextFor(name))
    for (const [index, path] of paths.entries()) {
      const document = read[index]
      // Over what was deleted a new version can be written, or the write says that it cannot.
      if (document instanceof SecretsError && document.code === 'DELETED') deleted.add(`${name}:${path}`)
      else if (document instanceof SecretsError) problems.push(document)
      else documents.set(`${name}:${path}`, document)
    }
  }
  throwProblems(problems, (count) => `${count} names cannot be pushed:`)
  return [...targets].map(([name, target]) => {
    const value = values.get(name)!
    const place = `${target.name}:${target.path}`
    const document = documents.get(place)
    const now = textAt(document, target.field)
    const kind = now === undefined ? 'added' : now === value ? 'same' : 'changed'
    // Of those that keep a value for each environment the one that is read need not be the one that is written.
    const own = target.provider.type === 'local' ? env : undefined
    // Several fields may be of one document: each is changed on top of the others.
    const expected =
      own !== undefined || target.field !== undefined || (document && document.version === undefined)
        ? undefined
        : (document?.version ?? null)
    return { name, value, kind, target, environment: own, expected }
  })
}

/**
 * Writes what differs. Names of one vault-env environment go together: they have one version, so the second one alone
 * would find another than it was compared with.
 * @param written told after each name that has its value
 */
export async function applyPush(
  config: ResolvedConfig,
  contextFor: (provider: string) => ProviderContext,
  open: readonly Assignment[],
  written: (names: readonly string[]) => void,
): Promise<void> {
  const isTogether = ({ target }: Assignment): boolean => target.provider.type === 'vaultEnv'
  for (const { name, value, target, expected, environment } of open.filter((each) => !isTogether(each))) {
    await writeTo(config, target, value, { environment, expected }, () => contextFor(target.name))
    written([name])
  }
  const together = open.filter(isTogether)
  for (const provider of new Set(together.map(({ target }) => target.name))) {
    const own = together.filter(({ target }) => target.name === provider)
    const set = Object.fromEntries(own.map(({ target, value }) => [target.path, value]))
    const expected = own.flatMap((each) => each.expected ?? [])[0]
    const whole = { name: provider, provider: own[0]!.target.provider, path: '*', field: undefined }
    await changeAll(whole.provider, set, expected, () => contextFor(provider))
    await noteChange(config, 'write', whole)
    written(own.map(({ name }) => name))
  }
}

async function changeAll(
  provider: Provider,
  set: Readonly<Record<string, string>>,
  expected: string | undefined,
  context: () => ProviderContext,
): Promise<void> {
  try {
    await changeFields(provider, { path: '*', set, expected }, context)
  } catch (error) {
    if (!(error instanceof SecretsError) || error.code !== 'NOT_FOUND') throw error
    await writeExpecting(provider, { path: '*', value: set, expected: null }, context)
  }
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
