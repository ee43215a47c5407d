import type { DeclaredSecret, ResolvedConfig } from './config/resolve.ts'
import { SecretsError } from './errors.ts'
import { inexact, isExact, type RawValue } from './extract.ts'
import { checkName } from './policy.ts'
import type { Settled } from './reads.ts'
import { canonicalReference } from './reference.ts'
import type { Json, Reference } from './types.ts'

/** A secret that an imported document brings: its value is already known. */
export interface ImportedSecret extends DeclaredSecret {
  readonly imported: {
    readonly value: RawValue
    readonly settled: Exclude<Settled, SecretsError | undefined>
  }
}

/** Every key of a document as a secret of its own, and what is wrong with them. */
export function importedSecrets(
  reference: Reference,
  answer: Settled,
  config: ResolvedConfig,
): { secrets: ImportedSecret[]; problems: SecretsError[] } {
  if (answer instanceof SecretsError) return { secrets: [], problems: [answer] }
  if (answer === undefined) {
    // An empty vault on the first day is no mistake; a document that was named is.
    if (reference.path === '*') return { secrets: [], problems: [] }
    const why = reference === config.link ? `${config.environment} is linked to` : '`import` names'
    const problem = new SecretsError('NOT_FOUND', `There is nothing at ${reference.source}, which ${why}.`, {
      hint: `Look at ${config.providers.get(reference.provider)!.location}.`,
    })
    return { secrets: [], problems: [problem] }
  }
  const document = parseObject(answer.value.text)
  if (document === undefined) {
    const problem = new SecretsError(
      'WRONG_TYPE',
      `${reference.source} holds no JSON object, so it cannot be imported key by key.`,
      { hint: 'Declare it under `secrets` instead.' },
    )
    return { secrets: [], problems: [problem] }
  }
  const secrets: ImportedSecret[] = []
  const problems: SecretsError[] = []
  for (const [name, item] of Object.entries(document)) {
    const field = reference.field === undefined ? name : `${reference.field}.${name}`
    const own: Reference = { ...reference, field, source: canonicalReference({ ...reference, field }) }
    // Declared secrets win over imported ones, so what one of them replaces need not be in order.
    if (config.secrets.has(name)) continue
    problems.push(...checkName(name, `The key ${JSON.stringify(name)} of ${reference.source}`))
    if (!isExact(item)) problems.push(inexact(name, own))
    const isText = typeof item === 'string'
    secrets.push({
      name,
      reference: own,
      template: undefined,
      mode: isText ? 'plaintext' : 'json',
      schema: undefined,
      description: undefined,
      ttl: 0,
      imported: {
        value: { kind: isText ? 'text' : 'json', text: isText ? item : JSON.stringify(item) },
        settled: answer,
      },
    })
  }
  return { secrets, problems }
}

function parseObject(text: string): { readonly [key: string]: Json } | undefined {
  try {
    const parsed = JSON.parse(text) as Json
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as { readonly [key: string]: Json })
      : undefined
  } catch {
    return undefined
  }
}
