import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import { didYouMean } from '../core/nearest.ts'
import { createSecrets, type LoadOptions, type Secrets, type SecretsOptions } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { ownerOf } from '../core/template.ts'
import type { CommonFlags } from './command.ts'
import { notFoundError } from './errors.ts'
import { count } from './output.ts'
import { withProgress } from './progress.ts'
import { openSome as openNames, type Some } from './some.ts'

/** @throws CliError when the folder is not there */
export function rootOf(flags: Pick<CommonFlags, 'root'>): string {
  const root = resolve(flags.root ?? '.')
  if (!existsSync(root)) throw notFoundError(`There is no folder ${root}.`, 'It was given with --root.')
  return root
}

/** The flags of a command line as options of `createSecrets`. */
export function optionsOf(flags: CommonFlags): SecretsOptions {
  return {
    root: rootOf(flags),
    ...(flags.env === undefined ? {} : { environment: flags.env }),
    ...(flags.profile === undefined ? {} : { profile: flags.profile }),
    ...(flags.config === undefined ? {} : { configFile: resolve(flags.config) }),
  }
}

/** Opens the project of a command line, and gives back its sockets and timers whatever happens. */
export async function withSecrets<T>(flags: CommonFlags, work: (secrets: Secrets) => Promise<T>): Promise<T> {
  const secrets = await createSecrets(optionsOf(flags))
  try {
    return await work({ ...secrets, load: (how) => loadVisibly(secrets, how) })
  } finally {
    await secrets.close()
  }
}

/** All of a project's secrets; who waits for them at a terminal sees for what. */
export function loadVisibly({ config, load }: Secrets, how?: LoadOptions): Promise<Snapshot> {
  return withProgress(
    () => readingText(config),
    () => load(how),
  )
}

function readingText({ secrets, imports, providers }: ResolvedConfig): string {
  const references = [...imports, ...[...secrets.values()].flatMap(({ reference }) => reference ?? [])]
  const from = new Set(references.map(({ provider }) => provider))
  const names = [...providers.keys()].filter((name) => from.has(name))
  return `Reading ${count(references.length, 'secret')} from ${names.join(', ') || 'the configuration'}`
}

/**
 * Some of a project's secrets, and what their templates need: a command that is about one name neither
 * waits for the others nor fails with them.
 * @param names declared ones or dot keys of them; others can only come from an import, which is read then.
 * @throws SecretsError for what it loads; CliError `NOT_FOUND` for a name that nothing gives
 */
export async function loadSome(config: ResolvedConfig, names: readonly string[]): Promise<Snapshot> {
  return (await openSome(config, names)).snapshot
}

/** As `loadSome`. */
export async function openSome(config: ResolvedConfig, names: readonly string[]): Promise<Some> {
  const isDeclared = (name: string): boolean => config.secrets.has(name)
  if (config.imports.length === 0) {
    const unknown = names.find((name) => ownerOf(name, isDeclared) === undefined)
    if (unknown !== undefined) throw unknownName(unknown, config.secrets.keys())
  }
  const some = await withProgress(
    () => readingText(config),
    () => openNames(config, names),
  )
  for (const name of names) {
    if (some.snapshot.get(name) !== undefined) continue
    if (isDeclared(name)) throw notFoundError(`${name} has no value, which its schema allows.`)
    throw unknownName(name, [...config.secrets.keys(), ...some.snapshot.names()])
  }
  return some
}

export function unknownName(name: string, known: Iterable<string>): Error {
  return notFoundError(
    `There is no secret ${name}.${didYouMean(name, known)}`,
    'Names: secrets list. A new one: secrets set NAME.',
  )
}
