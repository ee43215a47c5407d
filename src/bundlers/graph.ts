import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { SecretsError, throwProblems } from '../core/errors.ts'
import { ABSENT_ID, ENV_ID, meansServer, RUNTIME_ID, SERVER_ID, virtualId } from '../core/expose/ids.ts'
import type { EnvProblem, EnvReadsOptions } from '../core/expose/rewrite.ts'
import {
  codeFrame,
  type Denial,
  denialError,
  type ImportersOf,
  positionOf,
  type SourcePlace,
} from '../core/guard.ts'
import type { Consumer } from '../core/types.ts'
import type { Session } from './session.ts'

/** Packages' own files: nothing in them was written for these names. */
export const PACKAGES = /[\\/]node_modules[\\/]/
/** Modules in which no name is replaced: `\0` ids are other plugins' own, packages were not written for these names. */
export const FOREIGN = /[\\/]node_modules[\\/]|^\0/

/** A denied or impossible access, waiting for the whole graph so that its chain can be told. */
type Violation = Denial | (Omit<Denial, 'name'> & { readonly problem: EnvProblem })

/**
 * One module graph of one build: answers for the virtual modules, rewrites what reads the environment and
 * guards both. In dev a violation fails the request at once; a build brings them together and fails at
 * the end of the graph, when every importer is known and nothing has been written.
 */
export class Graph {
  readonly consumer: Consumer
  readonly #session: Session
  readonly #root: string
  /** In dev: who imports a module, as far as the server knows. */
  readonly #live: ImportersOf | undefined
  /** Built for runtimes that may lack Node's modules. */
  readonly #edge: boolean
  readonly #violations: Violation[] = []

  constructor(
    session: Session,
    options: { consumer: Consumer; root: string; live?: ImportersOf | undefined; edge?: boolean | undefined },
  ) {
    this.#session = session
    this.#edge = options.edge ?? false
    this.consumer = options.consumer
    this.#root = options.root
    this.#live = options.live
  }

  /** @throws SecretsError for a virtual id that is none, and in dev for one this graph may not have */
  resolve(id: string, importer: string | undefined): string | undefined {
    if (this.consumer === 'client' && meansServer(id)) {
      const module = importer ?? id
      this.#violate({ name: undefined, module, place: importPlace(module) })
      return `\0${SERVER_ID}`
    }
    if (id === ENV_ID)
      return `\0${importer && FOREIGN.test(importer) ? ABSENT_ID : this.#session.serve(this.consumer).envModule}`
    const known = virtualId(id)
    if (known === undefined) {
      throw new SecretsError('REQUEST_REFUSED', `There is no module ${id.replace('\0', '')}.`, {
        hint: 'Import virtual:secrets/client or virtual:secrets/server, without a query.',
      })
    }
    return known === RUNTIME_ID ? this.#session.runtimeFile(this.#edge) : `\0${known}`
  }

  /** The text of a resolved virtual module. Asks the policy again: an id can get here without `resolve`. */
  load(id: string): string | undefined {
    if (id === `\0${ABSENT_ID}`) return this.#session.serve(this.consumer).denied()
    const known = virtualId(id)
    if (known === undefined || known === RUNTIME_ID) {
      if (this.consumer === 'client' && meansServer(id)) this.#violate({ name: undefined, module: id })
      return undefined
    }
    const { failure } = this.#session
    if (failure) throw failure
    const serve = this.#session.serve(this.consumer)
    const text = serve.moduleFor(known)
    if (text !== undefined) return text
    if (this.#violations.length === 0) this.#violate({ name: undefined, module: id })
    return serve.denied()
  }

  /** What `import.meta.env.NAME` means in this graph. */
  readsOptions(): EnvReadsOptions {
    const serve = this.#session.serve(this.consumer)
    return {
      names: this.#session.names,
      from: serve.envModule,
      allows: (name) => serve.allows(name),
      exported: (name) => this.#session.exposure.client.values.has(name),
      processEnv: this.#session.config.replaceProcessEnv,
    }
  }

  /** What is wrong with the reads of a module. @param place finds an offset in the author's own source */
  report(problems: readonly EnvProblem[], id: string, place: (start: number) => SourcePlace): void {
    for (const problem of problems) {
      const at = place(problem.start)
      if (problem.kind === 'denied') this.#violate({ name: problem.name, module: id, place: at })
      else this.#violate({ problem, module: id, place: at })
    }
  }

  /** A server name in HTML. */
  denyHtml(name: string, file: string, place: SourcePlace): void {
    this.#violate({ name, module: file, place })
  }

  /** Fails the build if anything was denied, with the chains of the finished graph. @throws SecretsError */
  finish(importersOf: ImportersOf): void {
    const errors = this.#violations.splice(0).map((violation) => this.#error(violation, importersOf))
    throwProblems(
      // One place that was met twice is one report.
      [...new Map(errors.map((error) => [error.message, error])).values()],
      (count) => `${count} places in client code would leak server secrets, or cannot be followed:`,
    )
  }

  #violate(violation: Violation): void {
    this.#violations.push(violation)
    if (this.#live) this.finish(this.#live)
  }

  #error(violation: Violation, importersOf: ImportersOf): SecretsError {
    const show = (id: string): string => this.#show(id)
    const error =
      'problem' in violation ? accessError(violation, show) : denialError(violation, importersOf, show)
    // A frame quotes source, and source may hold what somebody pasted.
    return new SecretsError(error.code, this.#session.redact(error.message), { hint: error.hint })
  }

  #show(id: string): string {
    const file = fileOf(id)
    const path = relative(this.#root, file)
    return path.startsWith('..') || path === '' ? file : path
  }
}

/** An id without the marks of virtual modules and queries. */
export function fileOf(id: string): string {
  return id.replace(/^\0/, '').split(/[?#]/)[0]!
}

/** Where a file names the server module. Read from disk: in dev its own text is not at hand yet. */
function importPlace(module: string): SourcePlace | undefined {
  const file = fileOf(module)
  if (!existsSync(file)) return undefined
  const source = readFileSync(file, 'utf8')
  const start = source.indexOf(SERVER_ID)
  return start === -1 ? undefined : { source, start }
}

const WHAT: Record<Exclude<EnvProblem['kind'], 'denied'>, (name: string | undefined) => [string, string]> = {
  assigned: (name) => [
    `${name} is written to, but a secret can only be read.`,
    'Change the value where it is kept; running code gets it from there.',
  ],
  elsewhere: (name) => [
    `${name} is a server secret; virtual:secrets/client does not have it.`,
    `Import it from 'virtual:secrets/server' in server code, or add it to \`client\` if browsers may see it.`,
  ],
  computed: () => [
    'A key of import.meta.env is computed here, so it cannot be known whether it means a secret.',
    "Name it: import.meta.env.NAME, or import it from 'virtual:secrets/client'.",
  ],
  whole: (name) => [
    `import.meta.env is used as a whole here, in a module that also names ${name}; the object never holds secrets.`,
    `Read import.meta.env.${name} directly, or import it from 'virtual:secrets/client'.`,
  ],
}

function accessError(violation: Exclude<Violation, Denial>, show: (id: string) => string): SecretsError {
  const { problem, module, place } = violation
  const [what, hint] = WHAT[problem.kind as keyof typeof WHAT](problem.name)
  const position = place && positionOf(place)
  const at = position ? `${show(module)}:${position.line}:${position.column}` : show(module)
  const frame = place ? `\n\n${codeFrame(place)}` : ''
  return new SecretsError('ACCESS_UNSUPPORTED', `${what}\n\n  ${at}${frame}\n`, { hint })
}
