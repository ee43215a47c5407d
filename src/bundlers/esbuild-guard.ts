import { resolve, sep } from 'node:path'
import type { BuildOptions, Message, Metafile, OutputFile, PluginBuild } from 'esbuild'
import type { ImportersOf } from '../core/guard.ts'
import { findReaders } from '../core/readers.ts'
import { ENV_ID, namesByKey, namesRead } from './esbuild-env.ts'
import { codeLoader, type Judgement, judge, textOf } from './esbuild-sources.ts'
import { type Graph, PACKAGES } from './graph.ts'
import { linkedPackages } from './linked-packages.ts'
import type { Session } from './session.ts'

/** The environment as anything but the object of a member access. */
const WHOLE = /\b(?:meta|process)\s*(?:\?\.|\.)\s*env\b(?!\s*(?:\?\.|!?\s*[.[]))/
/** What esbuild says of a name that the client module does not export. */
const MISSING = /No matching export in "secrets:virtual:secrets\/client" for import "([^"]+)"/

interface GuardOptions {
  readonly build: PluginBuild
  readonly session: Session
  readonly graph: Graph
  readonly root: string
  readonly given: BuildOptions
  /** Names that another pass has found to be read. */
  readonly known: ReadonlySet<string>
  /** The guard of the build before this one. */
  readonly before: EsbuildGuard | undefined
}

/** What must be looked into by another pass. */
export interface Missed {
  readonly files: ReadonlySet<string>
  readonly names: ReadonlySet<string>
}

/** Finds out what the sources of one build do with the environment, and what the graph may not have. */
export class EsbuildGuard {
  readonly #options: GuardOptions
  /** Files whose patterns were made into direct reads in this build. */
  readonly opened = new Set<string>()
  /** Files below the root that name a secret; absent before anything was read. */
  #readers: ReadonlySet<string> | undefined
  #skipped: readonly string[] = []
  readonly #names: Set<string>
  readonly #patternFiles = new Set<string>()
  /** Files that come to JavaScript; esbuild takes a filter once, for all builds of a context. */
  #filtered: ReadonlySet<string> | undefined

  constructor(options: GuardOptions) {
    this.#options = options
    const { before, known } = options
    // What one build of a context has found out late, the next one knows.
    this.#names = new Set([...known, ...(before?.names ?? [])])
    this.#filtered = before?.filtered
  }

  get filtered(): ReadonlySet<string> | undefined {
    return this.#filtered
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  /** The names that the environment module has to have. */
  named(): string[] {
    const { graph, session } = this.#options
    const names = [...session.names].filter((name) => graph.readsOptions().allows(name))
    // A server's module is one piece, so leaving names out would spare nothing.
    return graph.consumer === 'server' ? names : names.filter((name) => this.#names.has(name))
  }

  /**
   * Reads the project's own sources. @param skip folders and files that the build writes
   * @returns the files in which the environment is taken apart, for esbuild's filter
   */
  lookAround(skip: readonly string[], known: ReadonlySet<string>): string[] {
    const { session, root, given } = this.#options
    // Nothing is read without one of these.
    const words = ['meta', 'virtual:secrets', ...(session.config.replaceProcessEnv ? ['process'] : [])]
    const reads = (text: string, file: string): boolean => {
      const doesRead = this.#mayRead(text)
      if (doesRead) this.#take(file, text)
      return doesRead
    }
    const outside = new Set(skip.filter((path) => path !== root))
    const how = { words, reads, skip: outside }
    const { files, unknown } = findReaders(root, how)
    // Not a link among them is followed by the folder's own search, and all of it lies outside.
    for (const folder of linkedPackages(root)) {
      if (!isInside(root, folder) && !isInside(folder, root))
        for (const file of findReaders(folder, how).files) files.add(file)
    }
    if (given.stdin) this.#take('', String(given.stdin.contents))
    for (const file of known) this.#patternFiles.add(file)
    this.#readers = files
    this.#skipped = [...unknown, ...[...outside].map((path) => `${path}${sep}`)]
    this.#filtered ??= new Set(this.#patternFiles)
    return [...this.#filtered]
  }

  #take(file: string, text: string): void {
    for (const name of this.#options.session.names) if (standsIn(text, name)) this.#names.add(name)
    if (file !== '' && WHOLE.test(text) && codeLoader(file, this.#options.given)) this.#patternFiles.add(file)
  }

  /**
   * Judges every module of the project that names a secret.
   * @returns what another pass must know; `undefined` when all is well
   * @throws SecretsError for what is denied or cannot be followed, with chains
   */
  async judgeAll(metafile: Metafile, outputs: readonly OutputFile[]): Promise<Missed | undefined> {
    const { graph, root, session } = this.#options
    const reported = new Set<string>()
    const missed = new Set<string>()
    const toJudge: { input: string; file: string; text: string }[] = []
    for (const input of Object.keys(metafile.inputs)) {
      const file = absolute(root, input)
      const text = this.#textToJudge(input, file)
      if (text !== undefined) toJudge.push({ input, file, text })
    }
    await Promise.all(
      toJudge.map(async ({ input, file, text }) => {
        const judged = await this.#judge(input, file, text)
        if (!judged) return
        for (const { name } of judged.problems) if (name !== undefined) reported.add(name)
        graph.report(judged.problems, file, (start) => ({ source: text, start }))
        if (judged.patterns.length === 0 || this.opened.has(file)) return
        if (this.#filtered?.has(file)) {
          // It came to us and could not be changed, or went to another plugin.
          graph.report(
            judged.patterns.map(({ names, start }) => ({ kind: 'whole', name: names[0], start })),
            file,
            (start) => ({ source: text, start }),
          )
          return
        }
        missed.add(file)
        for (const { names } of judged.patterns) for (const name of names) this.#names.add(name)
      }),
    )
    const read = new Set<string>()
    const keys = namesByKey(session.names)
    for (const output of outputs) {
      const { path, contents } = output
      if (!/\.[cm]?js$|^<stdout>$/.test(path)) continue
      const names = namesRead(contents, keys)
      for (const name of names) read.add(name)
      const unseen = [...names].filter((name) => !graph.readsOptions().allows(name) && !reported.has(name))
      if (unseen.length > 0) this.#findUnseen(unseen, path, metafile)
    }
    graph.finish(importersFrom(metafile, root))
    const named = new Set(this.named())
    const absent = [...read].filter((name) => graph.readsOptions().allows(name) && !named.has(name))
    for (const name of absent) this.#names.add(name)
    return missed.size > 0 || absent.length > 0
      ? { files: new Set([...this.#patternFiles, ...missed]), names: this.#names }
      : undefined
  }

  /** Says of managed names that the client module does not have what is wrong with asking it. */
  judgeMissing(errors: readonly Message[]): void {
    const { graph, root, session } = this.#options
    for (const { text, location } of errors) {
      const name = MISSING.exec(text)?.[1]
      if (name === undefined || !location || !session.names.has(name)) continue
      const file = resolve(root, location.file)
      const source = textOf(file) ?? location.lineText
      const start = Math.max(0, source.indexOf(name, source.indexOf(location.lineText)))
      const kind = graph.readsOptions().allows(name) ? 'elsewhere' : 'denied'
      graph.report([{ kind, name, start }], file, () => ({ source, start }))
    }
    graph.finish(() => [])
  }

  /** @returns `undefined` for modules that are not the project's, or name no secret */
  #textToJudge(input: string, file: string): string | undefined {
    const { root, given } = this.#options
    const isStdin = given.stdin && input === (given.stdin.sourcefile ?? '<stdin>')
    // Most inputs end here.
    if (!isStdin && this.#readers && !this.#readers.has(file) && this.#wasSeen(file, root)) return undefined
    if (input.startsWith('secrets:') || PACKAGES.test(file)) return undefined
    if (isStdin) return String(given.stdin!.contents)
    const text = codeLoader(file, given) ? textOf(file) : undefined
    return text !== undefined && this.#mayRead(text) ? text : undefined
  }

  #mayRead(text: string): boolean {
    return this.#options.session.readsFilter.include.some((pattern) => pattern.test(text))
  }

  #wasSeen(file: string, root: string): boolean {
    return file.startsWith(root + sep) && !this.#skipped.some((path) => file.startsWith(path))
  }

  async #judge(input: string, file: string, text: string): Promise<Judgement | undefined> {
    const { build, given, graph } = this.#options
    const isStdin = given.stdin && input === (given.stdin.sourcefile ?? '<stdin>')
    const loader = isStdin ? (given.stdin!.loader ?? 'js') : codeLoader(file, given)
    return loader && judge(build, text, loader, graph.readsOptions())
  }

  /**
   * Reads that stand in an output and in no source of the project: in what another plugin made (a component
   * of a framework), which is denied, or in a package, which gets `undefined`.
   */
  #findUnseen(names: readonly string[], output: string, metafile: Metafile): void {
    const { graph, root } = this.#options
    const key = Object.keys(metafile.outputs).find((path) => resolve(root, path) === output)
    const inputs = Object.keys((key !== undefined && metafile.outputs[key]?.inputs) || metafile.inputs)
    for (const input of inputs) {
      const file = resolve(root, input)
      if (input.startsWith('secrets:') || PACKAGES.test(file)) continue
      const text = textOf(file)
      // Of what has no file the text is not at hand; its name is all there is to show.
      const source = text ?? input
      for (const name of names) {
        const start = text === undefined ? 0 : text.indexOf(name)
        if (start !== -1) graph.report([{ kind: 'denied', name, start }], file, () => ({ source, start }))
      }
    }
  }
}

/** Who imports a module, by absolute paths; what every file is given does not count. */
function importersFrom({ inputs }: Metafile, root: string): ImportersOf {
  const collect = (): Map<string, string[]> => {
    const importers = new Map<string, string[]>()
    for (const [input, { imports }] of Object.entries(inputs)) {
      for (const { path, external } of imports) {
        if (external || path.endsWith(ENV_ID)) continue
        const target = resolve(root, path)
        importers.set(target, [...(importers.get(target) ?? []), resolve(root, input)])
      }
    }
    return importers
  }
  // Asked for where something is denied, and nowhere else.
  let importers: Map<string, string[]> | undefined
  return (id) => (importers ??= collect()).get(id) ?? []
}

/** Whether a name stands in a text by itself, and not as a part of a longer word. */
function standsIn(text: string, name: string): boolean {
  const isPart = (at: number): boolean => /[\w$]/.test(text[at] ?? '')
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    if (!isPart(at - 1) && !isPart(at + name.length)) return true
  }
  return false
}

function isInside(folder: string, path: string): boolean {
  return path.startsWith(folder + sep)
}

/** The file of an input, which most often is a plain path below the root. */
function absolute(root: string, input: string): string {
  return sep === '/' && root !== '/' && /^[\w@-]/.test(input) ? `${root}/${input}` : resolve(root, input)
}
