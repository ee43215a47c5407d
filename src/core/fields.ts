import type { JsonObject, SecretDocument } from './types.ts'

/** The fields of a document: its own, or those of the JSON object that its text is. */
export function fieldsOf(value: SecretDocument['value']): JsonObject | undefined {
  if (value instanceof Uint8Array) return undefined
  if (typeof value !== 'string') return value
  try {
    const parsed: unknown = JSON.parse(value)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? (parsed as JsonObject) : undefined
  } catch {
    // The parser's message would quote the value.
    return undefined
  }
}
