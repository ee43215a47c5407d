import type { Rollup } from 'vite'
import { rewriteEnvReads } from '../core/expose/env-reads.ts'
import { CLIENT_ID } from '../core/expose/ids.ts'
import { namesOthers } from '../core/expose/locals.ts'
import { rewritePlainReads } from '../core/expose/plain-reads.ts'
import type { EnvReadsOptions, EnvReadsResult } from '../core/expose/rewrite.ts'
import type { SourcePlace } from '../core/guard.ts'

/**
 * What the few modules that name a secret need, apart from the rest: a start that meets none of them loads
 * neither a lexer nor a walker.
 */

const NOTHING: EnvReadsResult = { output: undefined, problems: [] }

/**
 * Rewrites a module's reads of managed names; the parser is asked only where a lexer is not enough.
 * @param options.plain whether it is JavaScript without JSX; anything else a lexer would misread
 */
export function rewriteReads(
  code: string,
  options: EnvReadsOptions & { plain: boolean; parse: (code: string) => unknown },
): EnvReadsResult {
  const mayRead = options.processEnv ? /\b(?:import|process)\b/ : /\bimport\s*\.\s*meta\b/
  // Without a read there may still be an import of what the client module does not have.
  if (!mayRead.test(code) && !(code.includes(CLIENT_ID) && namesOthers(code, options))) return NOTHING
  const plain = options.plain ? rewritePlainReads(code, options) : undefined
  return plain ?? rewriteEnvReads(code, options.parse(code), options)
}

/** @returns what finds the author's own place, through all that compilers did before; else where it stands now */
export async function originalPlace(
  context: Rollup.TransformPluginContext,
  code: string,
): Promise<(start: number) => SourcePlace> {
  const { originalPositionFor, sourceContentFor, TraceMap } = await import('@jridgewell/trace-mapping')
  return (start) => {
    try {
      const before = code.slice(0, start)
      const line = before.split('\n').length
      const column = start - before.lastIndexOf('\n') - 1
      const map = new TraceMap(context.getCombinedSourcemap() as ConstructorParameters<typeof TraceMap>[0])
      const found = originalPositionFor(map, { line, column })
      const source = found.source === null ? null : sourceContentFor(map, found.source)
      if (!source || found.line === null) return { source: code, start }
      const lines = source.split('\n').slice(0, found.line - 1)
      return { source, start: lines.reduce((sum, text) => sum + text.length + 1, 0) + found.column }
    } catch {
      // No map, or a broken one of another plugin: the compiled text still shows the place.
      return { source: code, start }
    }
  }
}
