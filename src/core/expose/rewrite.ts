import MagicString, { type SourceMap } from 'magic-string'
import { freePrefix, importOf } from './locals.ts'

export interface EnvReadsOptions {
  /** The managed names. */
  readonly names: ReadonlySet<string>
  /** The virtual module that holds those this graph may have. */
  readonly from: string
  /** Whether this graph may have the name. */
  allows(name: string): boolean
  /** Whether `virtual:secrets/client` has the name. */
  exported(name: string): boolean
  /** Whether `process.env.NAME` means the same. */
  readonly processEnv: boolean
  /** Whether the module is CommonJS, which asks by `require()`: an import would make an ES module of it. Default `false`. */
  readonly commonJs?: boolean
  /** Whether a source map is made; a build without maps spares it. Default `true`. */
  readonly map?: boolean
}

export interface EnvProblem {
  /** `elsewhere`: imported from the client module by code that may have it, but from the server module. */
  readonly kind: 'denied' | 'elsewhere' | 'assigned' | 'computed' | 'whole'
  /** The managed name that is, or may be, meant. */
  readonly name: string | undefined
  /** Offset in the code. */
  readonly start: number
}

/** An object pattern that takes managed names out of the environment. */
export interface EnvPattern {
  /** Of the expression that is taken apart. */
  readonly start: number
  /** The managed names, those that the graph may have. */
  readonly names: readonly string[]
  /** Whether it takes anything else too. */
  readonly more: boolean
}

export interface EnvReadsResult {
  /** The rewritten module; absent when nothing of ours is read. */
  readonly output: { readonly code: string; readonly map: SourceMap | null } | undefined
  readonly problems: readonly EnvProblem[]
  /** For bundlers that replace members by themselves and need help with patterns only. */
  readonly patterns?: readonly EnvPattern[] | undefined
}

/** One module being rewritten: what was wrong so far, and the local that stands for each name. */
export class Rewrite {
  readonly magic: MagicString
  readonly problems: EnvProblem[] = []
  readonly patterns: EnvPattern[] = []
  readonly #options: EnvReadsOptions
  readonly #locals = new Map<string, string>()
  readonly #prefix: string

  constructor(code: string, options: EnvReadsOptions) {
    this.magic = new MagicString(code)
    this.#options = options
    this.#prefix = freePrefix(code)
  }

  /** The local that stands for an allowed name; a denied one is reported. */
  take(name: string, start: number): string | undefined {
    if (!this.#options.allows(name)) {
      this.problems.push({ kind: 'denied', name, start })
      return undefined
    }
    const local = this.#locals.get(name) ?? this.#localFor(name)
    this.#locals.set(name, local)
    return local
  }

  /** With `require()` each read asks anew, so it stays live as an import does. */
  #localFor(name: string): string {
    const { commonJs, from } = this.#options
    if (commonJs) return `require(${JSON.stringify(from)})[${JSON.stringify(name)}]`
    return `${this.#prefix}${this.#locals.size}`
  }

  finish(): EnvReadsResult {
    const problems = this.problems.sort((a, b) => a.start - b.start)
    const patterns = this.patterns.length > 0 ? this.patterns : undefined
    if (this.#locals.size === 0) return { output: undefined, problems, patterns }
    if (!this.#options.commonJs) this.magic.append(importOf(this.#locals, this.#options.from))
    const map = this.#options.map === false ? null : this.magic.generateMap({ hires: 'boundary' })
    return { output: { code: this.magic.toString(), map }, problems, patterns }
  }
}
