import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Tracing from '@jridgewell/trace-mapping'
import type { SourceMapInput, SourceMapSegment, TraceMap } from '@jridgewell/trace-mapping'
import type * as Acorn from 'acorn'
import { initSync, parse as lex } from 'es-module-lexer'
import type { EnvReadsOptions, EnvReadsResult } from '../core/expose/rewrite.ts'
import type { SourcePlace } from '../core/guard.ts'
import { notParsed } from './error.ts'
import { COMMON_JS_WORDS } from './sure-module.ts'
import { rewriteReads } from './transform.ts'

// Few builds need either: a parser for what a lexer cannot tell, and maps where somebody wants them. webpack asks
// synchronously, so they cannot be imported when they are needed.
const require = createRequire(import.meta.url)
const acorn = (): typeof Acorn => require('acorn') as typeof Acorn
const tracing = (): typeof Tracing => require('@jridgewell/trace-mapping') as typeof Tracing

/** A module after all loaders: JavaScript, and the map that leads back to what the author wrote. */
export interface CompiledModule {
  readonly code: string
  readonly map: unknown
  /** Absolute, without a query. */
  readonly path: string
  /** webpack's module type: `javascript/auto`, `javascript/esm`, `javascript/dynamic`. */
  readonly type: string
  readonly wantsMap: boolean
}

export interface RewrittenModule extends EnvReadsResult {
  /** Finds an offset of the compiled code in the author's own source. */
  readonly place: (start: number) => SourcePlace
}

/** Rewrites the reads of a module; the map that comes back goes all the way to the author's source. */
export function rewriteCompiled(module: CompiledModule, options: EnvReadsOptions): RewrittenModule {
  const { code, path, type, wantsMap } = module
  const incoming = readMap(module.map)
  const result = rewriteReads(code, {
    ...options,
    plain: true,
    commonJs: isCommonJs(code, type),
    map: wantsMap,
    parse: parseModule,
  })
  const place = (start: number): SourcePlace =>
    placeByMap(incoming, code, start) ?? placeByText(path, code, start)
  const { output } = result
  if (!output?.map) return { ...result, place }
  const own = new (tracing().TraceMap)(output.map as SourceMapInput)
  const map = incoming ? compose(own, incoming) : { ...output.map, sources: [path], sourcesContent: [code] }
  return { ...result, output: { code: output.code, map: map as typeof output.map }, place }
}

/**
 * As webpack itself does: a module first, else a script.
 * @throws SyntaxError with the lines around; a stack would be the parser's
 */
function parseModule(code: string): unknown {
  const { parse } = acorn()
  const options = { ecmaVersion: 'latest', allowHashBang: true, allowReturnOutsideFunction: true } as const
  try {
    return parse(code, { ...options, sourceType: 'module', allowAwaitOutsideFunction: true })
  } catch (asModule) {
    try {
      return parse(code, { ...options, sourceType: 'script', allowImportExportEverywhere: true })
    } catch {
      throw notParsed(code, asModule)
    }
  }
}

/** An `import` would make an ES module of it, in which `module.exports` means nothing. */
function isCommonJs(code: string, type: string): boolean {
  if (type !== 'javascript/auto') return type === 'javascript/dynamic'
  if (!COMMON_JS_WORDS.test(code)) return false
  try {
    initSync()
    const [imports, exports] = lex(code)
    return exports.length === 0 && imports.every(({ d }) => d !== -1)
  } catch {
    return true
  }
}

function readMap(map: unknown): TraceMap | undefined {
  try {
    return map ? new (tracing().TraceMap)(map as SourceMapInput) : undefined
  } catch {
    // A broken map of another loader.
    return undefined
  }
}

function placeByMap(map: TraceMap | undefined, code: string, start: number): SourcePlace | undefined {
  if (!map) return undefined
  const { originalPositionFor, sourceContentFor } = tracing()
  const before = code.slice(0, start)
  const line = before.split('\n').length
  const found = originalPositionFor(map, { line, column: start - before.lastIndexOf('\n') - 1 })
  const source = found.source === null ? null : sourceContentFor(map, found.source)
  if (!source || found.line === null) return undefined
  const lines = source.split('\n').slice(0, found.line - 1)
  return { source, start: lines.reduce((sum, text) => sum + text.length + 1, 0) + found.column }
}

/** Without a map: the same words, as often as they stand before. Compilers that drop types keep their order. */
export function placeByText(path: string, code: string, start: number): SourcePlace {
  const words = /^[\w$.[\]'"?!]+/.exec(code.slice(start))?.[0] ?? ''
  try {
    const source = readFileSync(path, 'utf8')
    if (source === code) return { source, start }
    const nth = code.slice(0, start).split(words).length
    let at = -1
    for (let count = 0; words !== '' && count < nth; count++) {
      at = source.indexOf(words, at + 1)
      if (at === -1) break
    }
    if (at !== -1) return { source, start: at }
  } catch {
    // No file of its own.
  }
  return { source: code, start }
}

/** The first map, with every place followed through the second. */
function compose(outer: TraceMap, inner: TraceMap): unknown {
  const { decodedMappings, encodedMap, originalPositionFor } = tracing()
  const lines = decodedMappings(outer).map((segments) =>
    segments.flatMap((segment): SourceMapSegment[] => {
      if (segment.length === 1) return []
      const [column, , line, from] = segment
      const found = originalPositionFor(inner, { line: line + 1, column: from })
      if (found.source === null) return []
      const source = inner.sources.indexOf(found.source)
      return found.name === null
        ? [[column, source, found.line - 1, found.column]]
        : [[column, source, found.line - 1, found.column, inner.names.indexOf(found.name)]]
    }),
  )
  const { names, sources, sourcesContent } = inner
  return encodedMap(
    new (tracing().TraceMap)({
      version: 3,
      names,
      sources,
      sourcesContent,
      mappings: lines,
    } as SourceMapInput),
  )
}
