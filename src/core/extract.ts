import { SecretsError } from './errors.ts'
import type { Json, JsonObject, Reference, SecretDocument } from './types.ts'

/** A value as it travels: text, or a JSON document as text. */
export interface RawValue {
  readonly kind: 'text' | 'json'
  readonly text: string
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Takes what a reference means out of the document it points at: the whole, a key, or a dot path.
 * @param owner the secret's name, for messages
 * @throws SecretsError `FIELD_NOT_FOUND`, `WRONG_TYPE`
 */
export function extract(document: SecretDocument, reference: Reference, owner: string): RawValue {
  const { value } = document
  if (value instanceof Uint8Array) {
    if (reference.field !== undefined) throw wrongType(owner, reference, 'holds bytes, which have no fields')
    return { kind: 'text', text: Buffer.from(value).toString('base64') }
  }
  if (reference.field === undefined) return asRaw(value, reference, owner)
  const root = typeof value === 'string' ? parseObject(value) : value
  if (root === undefined)
    throw wrongType(owner, reference, 'holds plain text, not a JSON object, so it has no fields')
  const found = pick(root, reference.field)
  if (found === undefined) throw fieldMissing(owner, reference, Object.keys(root))
  return asRaw(found, reference, owner)
}

function asRaw(value: Json, reference: Reference, owner: string): RawValue {
  if (typeof value === 'string') return { kind: 'text', text: value }
  if (!isExact(value)) throw inexact(owner, reference)
  return { kind: 'json', text: JSON.stringify(value) }
}

/** Whether every number of a document is what was written: JSON.parse rounds what a double cannot hold, silently. */
export function isExact(value: Json): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact)
}

export function inexact(owner: string, reference: Reference): SecretsError {
  return wrongType(
    owner,
    reference,
    'holds a number with more digits than JavaScript keeps',
    'Store it as text.',
  )
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const parsed = JSON.parse(text) as Json
    return isObject(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** The key itself where there is one; else the dot path, list positions as numbers. */
export function pick(root: Json, path: string): Json | undefined {
  if (isObject(root) && Object.hasOwn(root, path)) return root[path]
  let at: Json | undefined = root
  for (const part of path.split('.')) {
    if (Array.isArray(at)) at = /^\d+$/.test(part) ? (at[Number(part)] as Json | undefined) : undefined
    else if (isObject(at) && Object.hasOwn(at, part)) at = at[part]
    else return undefined
  }
  return at
}

/** The leaves of a JSON document under dot keys: `db.username`, `db.hosts.0`. */
export function leaves(name: string, value: Json): [string, Json][] {
  if (typeof value !== 'object' || value === null) return [[name, value]]
  return Object.entries(value).flatMap(([key, item]) => leaves(`${name}.${key}`, item as Json))
}

/**
 * The value in the mode the secret is declared in.
 * @throws SecretsError `WRONG_TYPE`
 */
export function inMode(
  value: RawValue,
  mode: 'plaintext' | 'json',
  owner: string,
  reference: Reference,
): RawValue {
  if (mode === 'json') {
    let parsed: Json
    try {
      parsed = JSON.parse(value.text) as Json
    } catch {
      throw wrongType(owner, reference, 'is not JSON', "Take `mode: 'json'` away, or store a JSON document.")
    }
    if (!isExact(parsed)) throw inexact(owner, reference)
    return { kind: 'json', text: JSON.stringify(parsed) }
  }
  if (value.kind === 'text') return value
  const parsed = JSON.parse(value.text) as Json
  // As text it would be the word `null`, which is nobody's password.
  if (parsed === null) throw wrongType(owner, reference, 'is null', 'Store a value, or take the key away.')
  if (typeof parsed === 'object') {
    const keys = Array.isArray(parsed) ? [] : Object.keys(parsed)
    throw wrongType(
      owner,
      reference,
      keys.length > 0 ? `is an object with the fields ${list(keys)}` : 'is a list or an empty object',
      keys.length > 0
        ? `Name one (${bare(reference)}#${[reference.field, keys[0]].filter(Boolean).join('.')}), or set \`mode: 'json'\` to have the whole.`
        : "Set `mode: 'json'` to have the whole.",
    )
  }
  return { kind: 'text', text: String(parsed) }
}

const bare = (reference: Reference): string => reference.source.split('#')[0]!
const list = (names: readonly string[]): string =>
  names.length > 10 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more` : names.join(', ')

function wrongType(owner: string, reference: Reference, what: string, hint?: string): SecretsError {
  return new SecretsError('WRONG_TYPE', `${owner}: ${reference.source} ${what}.`, { hint })
}

function fieldMissing(owner: string, reference: Reference, keys: readonly string[]): SecretsError {
  return new SecretsError(
    'FIELD_NOT_FOUND',
    `${owner}: ${bare(reference)} has no field ${reference.field}.`,
    {
      hint: keys.length > 0 ? `Its fields: ${list(keys)}.` : 'It is empty.',
    },
  )
}
