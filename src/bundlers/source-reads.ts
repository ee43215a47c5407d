import type { EnvReadsOptions, EnvReadsResult } from '../core/expose/rewrite.ts'
import { parseSource, type SourceLanguage } from './source-parser.ts'
import { rewriteReads } from './transform.ts'

/**
 * Rewrites the reads of a module that no compiler has seen yet.
 * @throws SyntaxError for what nobody can parse: what is not understood is not let through
 */
export async function rewriteSource(
  code: string,
  language: SourceLanguage,
  options: EnvReadsOptions,
): Promise<EnvReadsResult> {
  const { ast, commonJs } = await parseSource(code, language)
  return rewriteReads(code, { ...options, plain: false, commonJs, map: true, parse: () => ast })
}
