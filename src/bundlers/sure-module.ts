import type { EnvReadsOptions, EnvReadsResult } from '../core/expose/rewrite.ts'
import { rewriteSureReads } from '../core/expose/sure-reads.ts'
import type { CompiledModule } from './compiled-module.ts'

/** A rewritten module, as a loader hands it on. */
export interface Output {
  readonly code: string
  readonly map: unknown
}

export interface Rewritten {
  /** Absent when nothing of ours is read. */
  readonly output: Output | undefined
  /** Whether something was reported. */
  readonly problems: boolean
}

/** A module without one of them is no CommonJS. */
export const COMMON_JS_WORDS = /\b(?:module|exports|require)\b/

/** Rewrites what needs neither lexer nor parser: most modules. @returns `undefined` for the others */
export function rewriteSurely(
  { code, type, wantsMap }: CompiledModule,
  options: EnvReadsOptions,
): EnvReadsResult | undefined {
  const mayBeCommonJs =
    type === 'javascript/dynamic' || (type === 'javascript/auto' && COMMON_JS_WORDS.test(code))
  return mayBeCommonJs ? undefined : rewriteSureReads(code, { ...options, plain: true, map: wantsMap })
}
