import { existsSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { BuildOptions, Loader, PluginBuild } from 'esbuild'
import type { Node } from '../core/expose/ast.ts'
import { readsOnlyPlainly } from '../core/expose/plain-read.ts'
import type { EnvPattern, EnvProblem, EnvReadsOptions } from '../core/expose/rewrite.ts'
import { importedNames } from '../core/expose/usage.ts'

const LOADERS: Readonly<Record<string, Loader>> = {
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
}
const CODE: ReadonlySet<string> = new Set(['js', 'jsx', 'ts', 'tsx'])

/** The language that esbuild itself reads a file in; `undefined`: in none of JavaScript's. */
export function codeLoader(file: string, options: BuildOptions): Loader | undefined {
  const extension = extname(file)
  const loader = options.loader?.[extension] ?? LOADERS[extension]
  return loader !== undefined && CODE.has(loader) ? loader : undefined
}

/** The text of a file, also of one that is no longer there. */
export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (existsSync(file)) throw error
    return undefined
  }
}

/** What a module does with the environment, by offsets in the author's own text. */
export interface Judgement {
  readonly problems: readonly EnvProblem[]
  readonly patterns: readonly EnvPattern[]
}

/**
 * Looks into one of the few modules that name a secret. Only JavaScript can be parsed here, so esbuild first
 * takes away what is not; its map leads back.
 * @returns `undefined` for what nobody can parse; esbuild has said so, or another plugin makes code of it
 */
export async function judge(
  build: PluginBuild,
  source: string,
  loader: Loader,
  options: EnvReadsOptions,
): Promise<Judgement | undefined> {
  if (readsOnlyPlainly(source, options)) return { problems: [], patterns: [] }
  const { rewriteReads } = await import('./transform.ts')
  const { parse } = await import('acorn')
  const rewrite = (code: string): Judgement => {
    const how = { ...options, map: false, plain: true, parse: (text: string) => parseModule(parse, text) }
    const { problems, patterns = [] } = rewriteReads(code, how)
    return { problems, patterns }
  }
  if (loader === 'js') {
    try {
      return rewrite(source)
    } catch {
      // Newer than the parser, or JSX in a file that says it has none.
    }
  }
  try {
    const { code, map } = await plainly(build, source, loader)
    const { problems, patterns } = rewrite(code)
    const place = await placer(source, code, map)
    return {
      problems: problems.map((problem) => ({ ...problem, start: place(problem.start) })),
      patterns: patterns.map((pattern) => ({ ...pattern, start: place(pattern.start) })),
    }
  } catch {
    return undefined
  }
}

/** A module without types and JSX. */
function plainly(build: PluginBuild, source: string, loader: Loader) {
  return build.esbuild.transform(source, {
    loader,
    target: 'es2022',
    jsx: 'automatic',
    charset: 'utf8',
    treeShaking: false,
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  })
}

/** What a module takes from the virtual modules, its reads of the environment included. */
export interface ModuleUses {
  readonly uses: ReturnType<typeof importedNames>
  /** Whether it only hands on what it imports, so that nothing of its own is left in an output. */
  readonly isPassage: boolean
}

/**
 * @param options.aliases specifiers that mean a virtual module
 * @returns `undefined` for what nobody can parse
 */
export async function moduleUses(
  build: PluginBuild,
  source: string,
  loader: Loader,
  options: EnvReadsOptions & { readonly aliases: ReadonlyMap<string, string> },
): Promise<ModuleUses | undefined> {
  const { rewriteReads } = await import('./transform.ts')
  const { parse } = await import('acorn')
  const read = (code: string): ModuleUses => {
    const how = { ...options, map: false, plain: true, parse: (text: string) => parseModule(parse, text) }
    const { output } = rewriteReads(code, how)
    const { body } = parseModule(parse, output?.code ?? code) as { readonly body: readonly Node[] }
    const aliased = body.map((node) => {
      const target = options.aliases.get(String(node.source?.value))
      return target === undefined ? node : { ...node, source: { ...node.source!, value: target } }
    })
    return { uses: importedNames({ body: aliased }), isPassage: body.every(handsOn) }
  }
  try {
    return read((await plainly(build, source, loader)).code)
  } catch {
    return undefined
  }
}

function handsOn(node: Node & { readonly declaration?: unknown }): boolean {
  return /^(?:Import|ExportAll|ExportNamed)Declaration$/.test(node.type) && !node.declaration
}

type Parse = typeof import('acorn').parse

function parseModule(parse: Parse, code: string): unknown {
  const options = { ecmaVersion: 'latest', allowHashBang: true } as const
  try {
    return parse(code, { ...options, sourceType: 'module' })
  } catch {
    // CommonJS may say what a module must not.
    return parse(code, { ...options, sourceType: 'script', allowReturnOutsideFunction: true })
  }
}

/** Leads from an offset in compiled code to the one in its source. */
async function placer(source: string, code: string, map: string): Promise<(start: number) => number> {
  const { originalPositionFor, TraceMap } = await import('@jridgewell/trace-mapping')
  const trace = new TraceMap(map)
  const lines = source.split('\n')
  return (start) => {
    const before = code.slice(0, start)
    const line = before.split('\n').length
    const found = originalPositionFor(trace, { line, column: start - before.lastIndexOf('\n') - 1 })
    if (found.line === null) return 0
    const at = lines.slice(0, found.line - 1).reduce((sum, text) => sum + text.length + 1, found.column)
    // Not every expression has a place of its own in the map; the next one that looks alike is it.
    const word = /^(?:import\s*\.\s*meta|process)\b/.exec(code.slice(start))
    const next = word
      ? source.slice(at).search(word[0] === 'process' ? /\bprocess\b/ : /\bimport\s*\.\s*meta\b/)
      : 0
    return next > 0 ? at + next : at
  }
}

const OBJECT = /(?:import\s*\.\s*meta|process)\s*(?:\?\.|\.)\s*env\b/y

/**
 * Makes an environment that is taken apart into an object of its direct reads, which esbuild replaces.
 * @returns the new text, in which no line has moved, and how many places could not be changed
 */
export async function openPatterns(
  source: string,
  patterns: readonly EnvPattern[],
): Promise<{ code: string; left: readonly EnvPattern[] }> {
  const { default: MagicString } = await import('magic-string')
  const magic = new MagicString(source)
  const left: EnvPattern[] = []
  for (const pattern of patterns) {
    OBJECT.lastIndex = pattern.start
    const object = OBJECT.exec(source)?.[0]
    if (object === undefined) {
      left.push(pattern)
      continue
    }
    const names = pattern.names.map((name) => JSON.stringify(name))
    const items = [
      ...(pattern.more ? [`...${object}`] : []),
      ...names.map((name) => `${name}: ${object}[${name}]`),
    ]
    magic.overwrite(pattern.start, pattern.start + object.length, `({ ${items.join(', ')} })`)
  }
  const map = magic.generateMap({ hires: 'boundary', includeContent: true })
  return { code: `${magic.toString()}\n//# sourceMappingURL=${map.toUrl()}\n`, left }
}
