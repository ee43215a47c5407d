import type { DeclaredSecret, ResolvedConfig } from '../core/config/resolve.ts'
import { SecretsError } from '../core/errors.ts'
import { createSecrets, type Secrets } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { aliasesOf, ownerOf } from '../core/template.ts'
import type { SecretDeclaration } from '../core/types.ts'

/** What was loaded, and how it can be watched. Its providers belong to the whole, which closes them. */
export interface Some {
  readonly secrets: Secrets
  readonly snapshot: Snapshot
}

/**
 * Some of a project's secrets, and what their templates need: who asks for one name neither waits for the
 * others nor fails with them.
 * @param names declared ones or dot keys of them; others can only come from an import, which is read then.
 * @returns what there is of them; a name that nothing gives is missing
 * @throws SecretsError for what it loads
 */
export async function openSome(config: ResolvedConfig, names: readonly string[]): Promise<Some> {
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
  for (const name of names) need(name)
  return loadParts(config, needed, imported).catch((error: unknown) => {
    // A value may itself name other secrets (dotenv), which only reading it shows.
    const incomplete = error instanceof SecretsError && error.code === 'TEMPLATE_INVALID'
    if (incomplete) return loadParts(config, new Set(config.secrets.keys()), true)
    throw error
  })
}

/** As `openSome`, for the values of this moment. */
export async function loadSome(config: ResolvedConfig, names: readonly string[]): Promise<Snapshot> {
  return (await openSome(config, names)).snapshot
}

/**
 * What stands at a reference, as a name that only this snapshot has: `value`.
 * @throws SecretsError for what cannot be read, `NOT_FOUND` too
 */
export async function loadReference(config: ResolvedConfig, reference: string): Promise<Snapshot> {
  const how = { ...config, processEnv: false }
  return (await loadPart(how, { value: { from: reference } }, false)).snapshot
}

/** The same configuration with fewer names. */
function loadParts(config: ResolvedConfig, names: ReadonlySet<string>, imports: boolean): Promise<Some> {
  const secrets = [...config.secrets].filter(([name]) => names.has(name))
  return loadPart(
    config,
    Object.fromEntries(secrets.map(([name, secret]) => [name, declarationOf(secret)])),
    imports,
  )
}

/** Other names with the same providers and the same cache. */
async function loadPart(
  config: ResolvedConfig,
  secrets: Readonly<Record<string, SecretDeclaration>>,
  imports: boolean,
): Promise<Some> {
  const { root, environment, profile, processEnv, timeout, cache } = config
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
    secrets,
    import: imports ? config.imports.map(({ source }) => source) : [],
  })
  return { secrets: part, snapshot: await part.load() }
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
