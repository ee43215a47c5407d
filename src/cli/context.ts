import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { DeclaredSecret, ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import { didYouMean } from '../core/nearest.ts'
import { createSecrets, type Secrets, type SecretsOptions } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { aliasesOf, ownerOf } from '../core/template.ts'
import type { SecretDeclaration } from '../core/types.ts'
import type { CommonFlags } from './command.ts'
import { notFoundError } from './errors.ts'

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
    return await work(secrets)
  } finally {
    await secrets.close()
  }
}

/**
 * Some of a project's secrets, and what their templates need: a command that is about one name neither
 * waits for the others nor fails with them.
 * @param names declared ones or dot keys of them; others can only come from an import, which is read then.
 * @throws SecretsError for what it loads; CliError `NOT_FOUND` for a name that nothing gives
 */
export async function loadSome(config: ResolvedConfig, names: readonly string[]): Promise<Snapshot> {
  const isDeclared = (name: string): boolean => config.secrets.has(name)
  const needed = new Set<string>()
  let imported = false
  const need = (name: string): void => {
    const owner = ownerOf(name, isDeclared)
    if (owner === undefined) imported = true
    else if (!needed.has(owner)) {
      needed.add(owner)
      for (const alias of aliasesOf(config.secrets.get(owner)!.template ?? [])) need(alias)
    }
  }
  for (const name of names) {
    need(name)
    if (imported && config.imports.length === 0) throw unknownName(name, config.secrets.keys())
  }
  const snapshot = await loadParts(config, needed, imported).catch((error: unknown) => {
    // A value may itself name other secrets (dotenv), which only reading it shows.
    const incomplete = error instanceof SecretsError && error.code === 'TEMPLATE_INVALID'
    if (incomplete) return loadParts(config, new Set(config.secrets.keys()), true)
    throw error
  })
  for (const name of names) {
    if (snapshot.get(name) !== undefined) continue
    if (isDeclared(name)) throw notFoundError(`${name} has no value, which its schema allows.`)
    throw unknownName(name, [...config.secrets.keys(), ...snapshot.names()])
  }
  return snapshot
}

/** The same configuration with fewer names: same providers, same cache. */
async function loadParts(
  config: ResolvedConfig,
  names: ReadonlySet<string>,
  imports: boolean,
): Promise<Snapshot> {
  const { root, environment, profile, processEnv, timeout, cache } = config
  const secrets = [...config.secrets].filter(([name]) => names.has(name))
  const part = await createSecrets({
    root,
    environment,
    processEnv,
    timeout,
    cache: cache && {
      ttl: cache.ttl,
      maxStale: cache.maxStale,
      ...(cache.directory && { directory: cache.directory }),
    },
    ...(profile === undefined ? {} : { profile, profiles: { [profile]: {} } }),
    providers: Object.fromEntries(config.providers),
    secrets: Object.fromEntries(secrets.map(([name, secret]) => [name, declarationOf(secret)])),
    import: imports ? config.imports.map(({ source }) => source) : [],
  })
  // Not closed: the providers belong to the whole, which closes them.
  return part.load()
}

function declarationOf(secret: DeclaredSecret): SecretDeclaration {
  const { reference, template, mode, schema, ttl } = secret
  const declaration: SecretDeclaration = { mode, ttl, ...(schema && { schema }) }
  if (reference) declaration.from = reference.source
  if (template)
    declaration.template = template
      .map((part) => (typeof part === 'string' ? part : `{{vault:${part.alias}}}`))
      .join('')
  return declaration
}

export function unknownName(name: string, known: Iterable<string>): Error {
  return notFoundError(
    `There is no secret ${name}.${didYouMean(name, known)}`,
    'Names: secrets list. A new one: secrets set NAME.',
  )
}
