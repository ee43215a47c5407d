import { type DeclaredSecret, type ResolvedConfig, unknownAlias } from './config/resolve.ts'
import { SecretsError, throwProblems } from './errors.ts'
import { inMode, pick, type RawValue } from './extract.ts'
import { unmatched } from './policy.ts'
import { fromEnvironment, type Settled } from './reads.ts'
import { Secret } from './redact.ts'
import { canonicalReference } from './reference.ts'
import { type SecretMeta, Snapshot, type SnapshotEntry } from './snapshot.ts'
import { aliasesOf, orderByNeeds, ownerOf, parseTemplate, type TemplatePart } from './template.ts'
import type { Json, Reference } from './types.ts'
import { isPlaceholder, validate } from './validate.ts'

/** A name on its way to its value. */
interface Pending extends DeclaredSecret {
  /** For keys of an imported document: the value is already known. */
  readonly imported?: {
    readonly value: RawValue
    readonly settled: Exclude<Settled, SecretsError | undefined>
  }
}

/**
 * From answers to values: imports become names, templates are filled in the order of their needs, modes and
 * schemas are applied, and whatever is wrong is reported together.
 */
export async function resolveValues(
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
): Promise<Snapshot> {
  const problems: SecretsError[] = []
  const pending = new Map<string, Pending>()
  for (const reference of config.imports) {
    for (const entry of importedNames(
      reference,
      settled.get(canonicalReference(reference)),
      config,
      problems,
    )) {
      pending.set(entry.name, entry)
    }
  }
  for (const [name, secret] of config.secrets) pending.set(name, secret)
  if (config.imports.length > 0) problems.push(...unmatched(config.client, [...pending.keys()]))

  const entries = new Map<string, SnapshotEntry>()
  for (const secret of inOrder(pending, config, settled)) {
    try {
      const entry = await resolveOne(secret, config, settled, entries)
      if (entry) entries.set(secret.name, entry)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      problems.push(error)
    }
  }
  throwProblems(problems, (count) => `${count} secrets could not be resolved:`)
  return new Snapshot(config.environment, config.profile, entries)
}

async function resolveOne(
  secret: Pending,
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
  entries: ReadonlyMap<string, SnapshotEntry>,
): Promise<SnapshotEntry | undefined> {
  const { name, schema } = secret
  const found = readValue(secret, config, settled, entries)
  if (found instanceof SecretsError) throw found
  if (found && isPlaceholder(found.value.text)) {
    throw new SecretsError('PLACEHOLDER', `${name} still holds the placeholder of its template.`, {
      hint: `Put the real value at ${secret.reference?.source ?? name}.`,
    })
  }
  if (!found && !schema) throw notFound(secret, config)
  let value = found?.value
  if (schema) {
    try {
      value = await validate(name, value, schema)
    } catch (error) {
      throw found ? error : notFound(secret, config)
    }
  }
  if (value === undefined) return undefined
  const meta: SecretMeta = found
    ? { ...found.meta, kind: value.kind }
    : { ...metaOf(secret, 'template'), kind: value.kind }
  return {
    secret: new Secret(name, value.text),
    meta,
    ...(value.kind === 'json' ? { parts: partsOf(value.text) } : {}),
  }
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
function readValue(
  secret: Pending,
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
  entries: ReadonlyMap<string, SnapshotEntry>,
): Found | SecretsError | undefined {
  const { name, mode, reference } = secret
  const environment = fromEnvironment(config, name)
  if (environment !== undefined) {
    return { value: shaped({ kind: 'text', text: environment }, secret), meta: metaOf(secret, 'process.env') }
  }
  if (secret.template) {
    const text = fill(name, secret.template, entries)
    return { value: shaped({ kind: 'text', text }, secret), meta: metaOf(secret, 'template') }
  }
  const answer = secret.imported?.settled ?? settled.get(canonicalReference(reference!))
  if (answer === undefined || answer instanceof SecretsError) return answer
  let value = secret.imported?.value ?? inMode(answer.value, mode, name, reference!)
  if (config.providers.get(reference!.provider)?.templates && value.kind === 'text') {
    value = { kind: 'text', text: fill(name, parseTemplate(value.text, name, false), entries) }
  }
  const { version, fetchedAt, stale, source } = answer
  return { value, meta: { ...metaOf(secret, source), version, fetchedAt, stale } }
}

/** A text in the mode its secret is declared in; the reference is only for messages. */
function shaped(value: RawValue, secret: Pending): RawValue {
  const reference = secret.reference ?? {
    provider: '',
    path: '',
    options: {},
    field: undefined,
    source: secret.name,
  }
  return inMode(value, secret.mode, secret.name, reference)
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
    kind: 'text',
  }
}

function fill(
  name: string,
  parts: readonly TemplatePart[],
  entries: ReadonlyMap<string, SnapshotEntry>,
): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part
      const owner = ownerOf(part.alias, (candidate) => entries.has(candidate))
      const entry = owner === undefined ? undefined : entries.get(owner)
      if (entry === undefined) throw unknownAlias(name, part.alias, entries.keys())
      if (part.alias === owner) return entry.secret.reveal()
      const value = entry.parts?.(part.alias.slice(owner!.length + 1))
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

/** Templates (also those inside values of a provider that has them) stand behind what they need. */
function inOrder(
  pending: ReadonlyMap<string, Pending>,
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
): Pending[] {
  const needs = new Map<string, string[]>()
  for (const [name, secret] of pending) {
    const aliases = aliasesOf(secret.template ?? valueTemplate(secret, config, settled) ?? [])
    needs.set(
      name,
      aliases.flatMap((alias) => ownerOf(alias, (candidate) => pending.has(candidate)) ?? []),
    )
  }
  return orderByNeeds(needs).map((name) => pending.get(name)!)
}

function valueTemplate(
  secret: Pending,
  config: ResolvedConfig,
  settled: ReadonlyMap<string, Settled>,
): TemplatePart[] | undefined {
  if (!secret.reference || !config.providers.get(secret.reference.provider)?.templates) return undefined
  const answer = secret.imported ?? settled.get(canonicalReference(secret.reference))
  if (answer === undefined || answer instanceof SecretsError) return undefined
  return parseTemplate(answer.value.text, secret.name, false)
}

function importedNames(
  reference: Reference,
  answer: Settled,
  config: ResolvedConfig,
  problems: SecretsError[],
): Pending[] {
  if (answer instanceof SecretsError) {
    problems.push(answer)
    return []
  }
  if (answer === undefined) {
    // An empty vault on the first day is no mistake; a document that was named is.
    if (reference.path === '*') return []
    problems.push(
      new SecretsError('NOT_FOUND', `There is nothing at ${reference.source}, which \`import\` names.`, {
        hint: `Look at ${config.providers.get(reference.provider)!.location}.`,
      }),
    )
    return []
  }
  let document: Json
  try {
    document = JSON.parse(answer.value.text) as Json
  } catch {
    document = null
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(
      new SecretsError(
        'WRONG_TYPE',
        `${reference.source} holds no JSON object, so it cannot be imported key by key.`,
        {
          hint: 'Declare it under `secrets` instead.',
        },
      ),
    )
    return []
  }
  return Object.entries(document).map(([name, item]) => {
    const isText = typeof item === 'string'
    const value: RawValue = { kind: isText ? 'text' : 'json', text: isText ? item : JSON.stringify(item) }
    const own: Reference = { ...reference, field: name, source: `${reference.source}#${name}` }
    return {
      name,
      reference: own,
      template: undefined,
      mode: isText ? 'plaintext' : 'json',
      schema: undefined,
      description: undefined,
      ttl: 0,
      imported: { value, settled: answer },
    }
  })
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
