import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { DeclaredSecret, ResolvedConfig } from './config/resolve.ts'
import { SecretsError, throwProblems } from './errors.ts'
import { inMode, leaves, pick, type RawValue } from './extract.ts'
import { type ImportedSecret, importedSecrets } from './imports.ts'
import { checkTemplates, unmatched } from './policy.ts'
import { fromEnvironment, type Settled } from './reads.ts'
import { Secret } from './redact.ts'
import { canonicalReference } from './reference.ts'
import { type SecretMeta, Snapshot, type SnapshotEntry } from './snapshot.ts'
import {
  aliasesOf,
  orderByNeeds,
  ownerOf,
  parseTemplate,
  type TemplatePart,
  unknownAlias,
} from './template.ts'
import type { Json } from './types.ts'
import { isPlaceholder, validate } from './validate.ts'

/** A name on its way to its value. */
type Pending = DeclaredSecret & Partial<Pick<ImportedSecret, 'imported'>>

/** What every step of one resolution looks at. */
interface Work {
  readonly config: ResolvedConfig
  readonly settled: ReadonlyMap<string, Settled>
  readonly pending: ReadonlyMap<string, Pending>
  /** Declared templates, and those inside values of a provider that has them. */
  readonly templates: ReadonlyMap<string, readonly TemplatePart[]>
  readonly entries: ReadonlyMap<string, SnapshotEntry>
  readonly problems: Problems
}

/**
 * From answers to values: imports become names, templates are filled in the order of their needs, modes and
 * schemas are applied, and whatever is wrong is reported together.
 */
export async function resolveValues(
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
): Promise<Snapshot> {
  const problems = new Problems()
  const pending = new Map<string, Pending>()
  for (const reference of config.imports) {
    const found = importedSecrets(reference, settled.get(canonicalReference(reference)), config)
    for (const problem of found.problems) problems.add(problem, reference.source)
    for (const secret of found.secrets) pending.set(secret.name, secret)
  }
  for (const [name, secret] of config.secrets) pending.set(name, secret)
  // Names that only a failed import would have brought are no mistakes of their own.
  const allKnown = problems.size === 0
  if (allKnown && config.imports.length > 0) {
    for (const problem of unmatched(config.client, [...pending.keys()])) problems.add(problem)
  }

  const templates = templatesOf(pending, config, settled, problems)
  const entries = new Map<string, SnapshotEntry>()
  const work: Work = { config, settled, pending, templates, entries, problems }
  const hasTemplates = templates.size > 0
  if (hasTemplates) {
    for (const problem of checkTemplates(templates, config.client, (name) => pending.has(name)))
      problems.add(problem)
  }
  // Most projects have none, and what a start does not call it does not compile.
  for (const name of hasTemplates ? inOrder(work) : pending.keys()) {
    try {
      if (problems.has(name) || (hasTemplates && waitsForFailed(name, work, allKnown))) continue
      const made = resolveOne(pending.get(name)!, work)
      // Only a schema may take its time; a turn of the loop for each name would cost a start more than its value.
      const entry = made instanceof Promise ? await made : made
      if (entry) entries.set(name, entry)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      problems.add(error, name)
    }
  }
  problems.throw()
  return new Snapshot(config.environment, config.profile, entries)
}

/** Every mistake once, with the names it is in the way of: ten secrets behind one closed door are one report. */
class Problems {
  readonly #names = new Map<SecretsError, string[]>()
  readonly #failed = new Set<string>()

  /** @param name the secret that has no value because of it */
  add(problem: SecretsError, name?: string): void {
    const names = this.#names.get(problem) ?? []
    this.#names.set(problem, name === undefined ? names : [...names, name])
    if (name !== undefined) this.#failed.add(name)
  }

  /** Marks a name whose own problem is another one's. */
  skip(name: string): void {
    this.#failed.add(name)
  }

  has(name: string): boolean {
    return this.#failed.has(name)
  }

  get size(): number {
    return this.#names.size
  }

  throw(): void {
    const problems = [...this.#names].map(([problem, names]) => withNames(problem, names))
    throwProblems(problems, (count) => `${count} problems with secrets:`)
  }
}

/** A provider speaks of paths; whoever reads it looks for the name of a secret. */
function withNames(problem: SecretsError, names: readonly string[]): SecretsError {
  const { code, message, hint, retryAfter, problems, cause } = problem
  const unsaid = names.filter((name) => !says(message, name))
  const more = names.length > 10 ? ` and ${names.length - 10} more` : ''
  const needed = unsaid.length === 0 ? '' : ` Needed by ${names.slice(0, 10).join(', ')}${more}.`
  return new SecretsError(code, `${message}${needed}`, { hint, retryAfter, problems, names, cause })
}

/** Whether a text has the name as a word of its own. */
function says(text: string, name: string): boolean {
  const isPart = (char: string | undefined): boolean => char !== undefined && /[\w$-]/.test(char)
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1))
    if (!isPart(text[at - 1]) && !isPart(text[at + name.length])) return true
  return false
}

function resolveOne(secret: Pending, work: Work): SnapshotEntry | Promise<SnapshotEntry | undefined> {
  const { name, schema } = secret
  const answer = readValue(secret, work)
  // A document without the field: nothing is there, which a schema may accept.
  const lacking =
    schema && answer instanceof SecretsError && answer.code === 'FIELD_NOT_FOUND' ? answer : undefined
  const found = lacking ? undefined : answer
  if (found instanceof SecretsError) throw found
  if (found && holdsPlaceholder(found.value)) {
    throw new SecretsError('PLACEHOLDER', `${name} still holds the placeholder of its template.`, {
      hint: `Put the real value at ${secret.reference?.source ?? name}.`,
    })
  }
  if (schema) return checkedEntry(secret, schema, found, () => lacking ?? notFound(secret, work.config))
  if (!found) throw notFound(secret, work.config)
  return entryOf(secret, found.value, found.meta, false)
}

/** @param absent what is told where there is no value and the schema wants one */
async function checkedEntry(
  secret: Pending,
  schema: StandardSchemaV1,
  found: Found | undefined,
  absent: () => SecretsError,
): Promise<SnapshotEntry | undefined> {
  let value: RawValue | undefined
  try {
    value = await validate(secret.name, found?.value, schema)
  } catch (error) {
    throw found ? error : absent()
  }
  if (value === undefined) return undefined
  const meta = found?.meta ?? metaOf(secret, 'template')
  return entryOf(secret, value, meta, value.text !== found?.value.text)
}

function entryOf({ name }: Pending, value: RawValue, meta: SecretMeta, transformed: boolean): SnapshotEntry {
  const entry = { secret: new Secret(name, value.text), meta: { ...meta, kind: value.kind, transformed } }
  return value.kind === 'json' ? { ...entry, parts: partsOf(value.text) } : entry
}

function holdsPlaceholder({ kind, text }: RawValue): boolean {
  if (kind === 'text') return isPlaceholder(text)
  return leaves('', JSON.parse(text) as Json).some(
    ([, leaf]) => typeof leaf === 'string' && isPlaceholder(leaf),
  )
}

const partsOf =
  (text: string) =>
  (path: string): RawValue | undefined => {
    const part = pick(JSON.parse(text) as Json, path)
    if (part === undefined) return undefined
    return typeof part === 'string'
      ? { kind: 'text', text: part }
      : { kind: 'json', text: JSON.stringify(part) }
  }

interface Found {
  readonly value: RawValue
  readonly meta: SecretMeta
}

/** The value before its schema: the environment's, the template's, or the provider's. */
function readValue(secret: Pending, work: Work): Found | SecretsError | undefined {
  const { name, mode, reference } = secret
  const environment = fromEnvironment(work.config, name)
  if (environment !== undefined) {
    return { value: shaped(environment, secret, `process.env.${name}`), meta: metaOf(secret, 'process.env') }
  }
  const template = work.templates.get(name)
  if (secret.template && template) {
    return {
      value: shaped(fill(name, template, work), secret, 'its template'),
      meta: metaOf(secret, 'template'),
    }
  }
  const answer = secret.imported?.settled ?? work.settled.get(canonicalReference(reference!))
  if (answer === undefined || answer instanceof SecretsError) return answer
  const value = template
    ? shaped(fill(name, template, work), secret, reference!.source)
    : (secret.imported?.value ??
      (mode === 'plaintext' && answer.value.kind === 'text'
        ? answer.value
        : inMode(answer.value, mode, name, reference!)))
  const { version, fetchedAt, stale, source, error, expiresAt } = answer
  const lent = expiresAt === undefined ? {} : { expiresAt }
  return { value, meta: { ...metaOf(secret, source), version, fetchedAt, stale, error, ...lent } }
}

/** A text in the mode its secret is declared in; `source` says where it stands, for messages. */
function shaped(text: string, { name, mode }: Pending, source: string): RawValue {
  return inMode({ kind: 'text', text }, mode, name, {
    provider: '',
    path: '',
    options: {},
    field: undefined,
    source,
  })
}

function metaOf(secret: Pending, source: SecretMeta['source']): SecretMeta {
  const fromProvider = source === 'provider' || source === 'cache'
  return {
    name: secret.name,
    source,
    provider: fromProvider ? secret.reference?.provider : undefined,
    reference: secret.reference?.source,
    version: undefined,
    fetchedAt: undefined,
    stale: false,
    error: undefined,
    kind: 'text',
    transformed: false,
  }
}

function fill(name: string, parts: readonly TemplatePart[], { entries, pending }: Work): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part
      const owner = ownerOf(part.alias, (candidate) => pending.has(candidate))
      if (owner === undefined) throw unknownAlias(name, part.alias, pending.keys())
      const entry = entries.get(owner)
      if (entry === undefined) {
        throw new SecretsError('NOT_FOUND', `The template of ${name} names ${owner}, which has no value.`, {
          hint: `Give ${owner} a value, or its schema a default.`,
        })
      }
      if (part.alias === owner) return entry.secret.reveal()
      const value = entry.parts?.(part.alias.slice(owner.length + 1))
      if (value === undefined) {
        throw new SecretsError(
          'FIELD_NOT_FOUND',
          `The template of ${name} names ${part.alias}, but ${owner} has no such key.`,
        )
      }
      return value.text
    })
    .join('')
}

function templatesOf(
  pending: ReadonlyMap<string, Pending>,
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
  problems: Problems,
): Map<string, readonly TemplatePart[]> {
  const templates = new Map<string, readonly TemplatePart[]>()
  for (const [name, secret] of pending) {
    const isPossible = secret.template ?? mayHoldTemplate(secret, config)
    if (!isPossible || fromEnvironment(config, name) !== undefined) continue
    try {
      const template = secret.template ?? valueTemplate(secret, settled)
      if (template) templates.set(name, template)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      problems.add(error, name)
    }
  }
  return templates
}

/** Whether the values of its provider may be templates. */
function mayHoldTemplate({ reference }: Pending, config: ResolvedConfig): boolean {
  return reference !== undefined && config.providers.get(reference.provider)?.templates === true
}

/** The template that stands in the value itself; `undefined` for a value without one. */
function valueTemplate(secret: Pending, settled: ReadonlyMap<string, Settled>): TemplatePart[] | undefined {
  const answer = secret.imported ?? settled.get(canonicalReference(secret.reference!))
  if (answer === undefined || answer instanceof SecretsError || answer.value.kind !== 'text') return undefined
  const template = parseTemplate(answer.value.text, secret.name, false)
  return aliasesOf(template).length > 0 ? template : undefined
}

/** The names that the template of a name stands on. */
function needsOf(name: string, { templates, pending }: Work): string[] {
  const aliases = aliasesOf(templates.get(name) ?? [])
  return aliases.flatMap((alias) => ownerOf(alias, (candidate) => pending.has(candidate)) ?? [])
}

/** Templates stand behind what they need. */
function inOrder(work: Work): string[] {
  const names = [...work.pending.keys()]
  try {
    return orderByNeeds(new Map(names.map((name) => [name, needsOf(name, work)])))
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    // Nothing has an order then; what is known to be wrong up to here is what can be told.
    work.problems.add(error)
    return []
  }
}

/** Whether what a template needs has been reported already: its own failure would only repeat that. */
function waitsForFailed(name: string, work: Work, allKnown: boolean): boolean {
  const unknown = (alias: string): boolean => ownerOf(alias, (known) => work.pending.has(known)) === undefined
  const waits =
    needsOf(name, work).some((needed) => work.problems.has(needed)) ||
    (!allKnown && aliasesOf(work.templates.get(name) ?? []).some(unknown))
  if (waits) work.problems.skip(name)
  return waits
}

function notFound(secret: Pending, config: ResolvedConfig): SecretsError {
  const { name, reference } = secret
  const location = reference && config.providers.get(reference.provider)?.location
  const where = reference ? ` at ${reference.source}` : ''
  const local = reference && config.providers.get(reference.provider)?.type === 'local'
  return new SecretsError('NOT_FOUND', `${name} is not there${where}${location ? ` (${location})` : ''}.`, {
    hint: local
      ? `Set it with \`npx secrets set ${reference.path}\`.`
      : `Create it, mend the reference, or set the variable ${name} in the environment.`,
  })
}
