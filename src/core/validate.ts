import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SecretsError } from './errors.ts'
import type { RawValue } from './extract.ts'

/** What a secret template leaves where a person still has to put a value. */
const PLACEHOLDER = 'REPLACE_WITH'

export function isPlaceholder(text: string): boolean {
  return text.startsWith(PLACEHOLDER)
}

/**
 * Runs a value, or its absence, through its Standard Schema.
 * @returns the schema's output; `undefined` where the schema says that nothing is fine
 * @throws SecretsError `SCHEMA_FAILED`. It names the secret and the path inside it, never the schema's own
 *   message: most libraries quote the value they received.
 */
export async function validate(
  name: string,
  value: RawValue | undefined,
  schema: StandardSchemaV1,
): Promise<RawValue | undefined> {
  const input: unknown =
    value === undefined ? undefined : value.kind === 'json' ? JSON.parse(value.text) : value.text
  let result: StandardSchemaV1.Result<unknown>
  try {
    result = await schema['~standard'].validate(input)
  } catch {
    throw new SecretsError('SCHEMA_FAILED', `The schema of ${name} threw while it checked the value.`, {
      hint: `Look at the functions inside the ${schema['~standard'].vendor} schema.`,
    })
  }
  if (result.issues) {
    const rules = new Set(result.issues.map((issue) => describe(issue)))
    throw new SecretsError('SCHEMA_FAILED', `${name} does not fit its schema: ${[...rules].join('; ')}.`, {
      hint: `Rules: ${schema['~standard'].vendor} schema of secrets.${name}. The value itself is not shown.`,
    })
  }
  const output = result.value
  if (output === undefined) return undefined
  if (typeof output === 'string') return { kind: 'text', text: output }
  const text = toJson(output)
  if (text === undefined) {
    throw new SecretsError('SCHEMA_FAILED', `The schema of ${name} gives something that JSON cannot say.`, {
      hint: 'A schema may give text, numbers, true/false, null, lists and objects.',
    })
  }
  return { kind: 'json', text }
}

/** The rule's code and expected type where the library gives them (zod, valibot, arktype), and the path. */
function describe(issue: StandardSchemaV1.Issue): string {
  const { code, format, type, expected, minimum, maximum, requirement } = issue as unknown as Record<
    string,
    unknown
  >
  const parts = [code ?? type, format].filter(
    (part) => typeof part === 'string' && /^[\w-]{1,40}$/.test(part),
  )
  if (typeof expected === 'string' && /^[\w |"'-]{1,60}$/.test(expected)) parts.push(`expected ${expected}`)
  if (typeof minimum === 'number') parts.push(`at least ${minimum}`)
  if (typeof maximum === 'number') parts.push(`at most ${maximum}`)
  if (typeof requirement === 'number') parts.push(`requirement ${requirement}`)
  const rule = parts.length > 0 ? parts.join(', ') : 'a rule of the schema'
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return path === '' ? rule : `${rule} at .${path}`
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
