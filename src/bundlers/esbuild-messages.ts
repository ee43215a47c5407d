import type { PartialMessage } from 'esbuild'
import { SecretsError } from '../core/errors.ts'

/** A filter for these and nothing else. */
export function exactly(texts: readonly string[]): RegExp {
  return new RegExp(`^(?:${texts.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})$`)
}

export function failed(error: unknown): { errors: PartialMessage[] } {
  const known = (error as { errors?: PartialMessage[] }).errors
  if (!(error instanceof SecretsError) && Array.isArray(known)) return { errors: known }
  return {
    errors: [{ text: shown(error).message, detail: error instanceof SecretsError ? error.code : undefined }],
  }
}

export function shown(error: unknown): Error {
  if (!(error instanceof SecretsError)) return error instanceof Error ? error : new Error(String(error))
  const plain = Object.assign(new Error(error.format()), { name: 'SecretsError', code: error.code })
  plain.stack = ''
  return plain
}
