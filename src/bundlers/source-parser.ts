import type { Program } from 'acorn'
import { notParsed } from './error.ts'

/** The languages that a bundler may read JavaScript out of by itself. */
export type SourceLanguage = 'js' | 'jsx' | 'ts' | 'tsx'

/** A module as its author wrote it, types and JSX included. */
export interface ParsedSource {
  readonly ast: Program
  /** Whether it is CommonJS, which an `import` would make into something else. */
  readonly commonJs: boolean
}

/**
 * Parses sources for bundlers that show plugins modules before their own compilers have had them. Only the few
 * modules that name a secret come here.
 * @throws SyntaxError for what is neither JavaScript nor TypeScript, with the lines around
 */
export async function parseSource(code: string, language: SourceLanguage): Promise<ParsedSource> {
  const { parse, Parser } = await import('acorn')
  const common = { ecmaVersion: 'latest', allowHashBang: true } as const
  const finished = (ast: Program): ParsedSource => ({
    ast,
    // What says neither may be either; as a module it can be shaken.
    commonJs: /\b(?:module|exports|require)\b/.test(code) && !ast.body.some(isModuleItem),
  })
  if (language === 'js' || language === 'jsx') {
    try {
      return finished(parse(code, { ...common, sourceType: 'module' }))
    } catch {
      // JSX, or CommonJS, which may say what a module must not.
    }
    try {
      return finished(parse(code, { ...common, sourceType: 'script', allowReturnOutsideFunction: true }))
    } catch {
      // JSX it is, or nothing.
    }
  }
  const { tsPlugin } = await import('@sveltejs/acorn-typescript')
  const jsx = language === 'ts' ? {} : { jsx: {} }
  const typescript = Parser.extend(tsPlugin(jsx) as unknown as Parameters<typeof Parser.extend>[0])
  try {
    return finished(typescript.parse(code, { ...common, sourceType: 'module', locations: true }))
  } catch (error) {
    throw notParsed(code, error)
  }
}

function isModuleItem({ type }: { type: string }): boolean {
  return /^(?:Import|Export)/.test(type)
}
