import { existsSync } from 'node:fs'
import { audit } from './audit.ts'
import { openGenerations } from './cache/index.ts'
import { changeLinks, isOwnPlace, linksFile } from './config/links.ts'
import { profilesOf } from './config/profiles.ts'
import { checkedReference, isBare, slugOf } from './config/references.ts'
import { type ResolvedConfig, resolveConfig } from './config/resolve.ts'
import { deviceKeyFile, hasEnvironmentKey, projectKeyFile } from './crypto/keys.ts'
import { SecretsError } from './errors.ts'
import { fieldsOf } from './fields.ts'
import { type DocumentPlace, readDocument, replaceDocument } from './link-push.ts'
import { ownValues, pushable, textOf } from './link-values.ts'
import { createSecrets, type Secrets, type SecretsOptions } from './pipeline.ts'
import { type PulledFile, pulledFiles, removePulled } from './pulled.ts'
import type { JsonObject, SecretDocument } from './types.ts'

export { type Links, linksFile, readLinks } from './config/links.ts'

/** What a link would do to one name of its document. */
export interface LinkChange {
  readonly name: string
  /**
   * `added`: only this machine has it, and it is pushed. `same`: both have the same value. `kept`: only the
   * document has it, and it stays. `differs`: both have one, and they are not the same.
   */
  readonly kind: 'added' | 'same' | 'kept' | 'differs'
}

export interface LinkRequest {
  readonly environment: string
  /** A whole document: `aws:myapp/production`, `vault:myapp/production`, `vaultEnv:*`; or a provider alone. */
  readonly reference: string
  /** Instead of what the environment has on this machine. */
  readonly values?: ReadonlyMap<string, string> | undefined
  /** Of a name with two values: this machine's is pushed (`local`), or the document's stays (`remote`). */
  readonly prefer?: 'local' | 'remote' | undefined
}

/** What is going to be done; nothing has been changed yet. */
export interface LinkPlan {
  readonly environment: string
  /** As it will be written down. */
  readonly reference: string
  /** Where the values of this machine come from. */
  readonly places: readonly string[]
  /** Whether there is a document already. */
  readonly exists: boolean
  readonly changes: readonly LinkChange[]
  /**
   * Pushes, reads back, compares, and only then links.
   * @throws SecretsError `CONFLICT` for names with two values and no `prefer`, or a write by somebody else; nothing is
   *   linked then, and the document is as it was
   */
  apply(prefer?: 'local' | 'remote'): Promise<Linked>
}

export interface Linked {
  readonly environment: string
  readonly reference: string
  /** Names whose values were written into the document. */
  readonly pushed: readonly string[]
  /** The file that has the link now, absolute. */
  readonly file: string
}

/** Links an environment in one step. @throws SecretsError as `planLink` and `LinkPlan.apply` */
export async function linkEnvironment(options: SecretsOptions, request: LinkRequest): Promise<Linked> {
  const secrets = await createSecrets({ ...options, environment: request.environment })
  try {
    return await (await planLink(secrets, request)).apply(request.prefer)
  } finally {
    await secrets.close()
  }
}

/**
 * Compares what an environment has with the document that it is to be linked to.
 * @param secrets opened for that environment
 * @throws SecretsError `CONFLICT` when it is linked already, `REFERENCE_INVALID`, `UNSUPPORTED`, `NOT_FOUND` when
 *   there is nothing to link, and what cannot be read
 */
export async function planLink(
  { config, contextFor }: Pick<Secrets, 'config' | 'contextFor'>,
  { environment, reference: given, values }: LinkRequest,
): Promise<LinkPlan> {
  const place: DocumentPlace = { ...placeOf(config, environment, given), contextFor }
  const { source } = place.reference
  const own = values ? { values: pushable(values), places: [] } : await ownValues(config, contextFor)
  const before = await readDocument(place)
  const there = before && documentFields(before, source)
  const changes = compare(own.values, there ?? {})
  if (changes.length === 0)
    throw new SecretsError(
      'NOT_FOUND',
      `${environment} has no values here, and there are none at ${source}.`,
      {
        hint: `Put them into .env.${environment}, or write the document first.`,
      },
    )
  const differing = changes.filter(({ kind }) => kind === 'differs').map(({ name }) => name)
  return {
    environment,
    reference: source,
    places: own.places,
    exists: before !== undefined,
    changes,
    async apply(prefer) {
      if (differing.length > 0 && prefer === undefined)
        throw new SecretsError(
          'CONFLICT',
          `${source} has other values than ${environment} has here: ${differing.join(', ')}.`,
          {
            hint: 'Say whose stay, with `prefer` (`--prefer`): `local`, those of this machine, or `remote`, those of the document.',
          },
        )
      const pushed = changes
        .filter(({ kind }) => kind === 'added' || (kind === 'differs' && prefer === 'local'))
        .map(({ name }) => name)
      if (pushed.length > 0) {
        const fields = Object.fromEntries(pushed.map((name) => [name, own.values.get(name)!]))
        await replaceDocument(place, before, { ...there, ...fields })
        const { provider, path } = place.reference
        await audit(config, { action: 'write', provider, path, field: undefined })
      }
      // Last: a process that is killed before has pushed at most, and pushing the same again changes nothing.
      await changeLinks(config.root, (links) => {
        if (links.has(environment)) throw alreadyLinked(environment, links.get(environment)!)
        links.set(environment, source)
      })
      await audit(config, { action: 'link', reference: source })
      return { environment, reference: source, pushed, file: linksFile(config.root) }
    },
  }
}

export interface UnlinkRequest {
  readonly environment: string
  /** Leaves files that `secrets pull` wrote. Default `false`: those that nobody has changed since are removed. */
  readonly keep?: boolean | undefined
  /** Changes nothing. */
  readonly dryRun?: boolean | undefined
}

export interface Unlinked {
  readonly environment: string
  /** What it was linked to. The document stays as it is. */
  readonly reference: string
  /** How many cached values were cleared, of all profiles. */
  readonly cached: number
  /** Pulled files that were removed, absolute. */
  readonly removed: readonly string[]
  /** Pulled files that stay: somebody has changed them since, or `keep` was asked for. */
  readonly kept: readonly string[]
}

/**
 * Takes a link away, and clears the environment's values from this machine: the cache of every profile, and what
 * `secrets pull` wrote. Asks no provider. Killed in the middle it can be run again.
 * @throws SecretsError `NOT_FOUND` when it is not linked, and for files that cannot be changed
 */
export async function unlinkEnvironment(
  options: SecretsOptions,
  { environment, keep = false, dryRun = false }: UnlinkRequest,
): Promise<Unlinked> {
  const config = await settingsOf(options)
  const reference = config.links?.get(environment)
  if (reference === undefined) throw notLinked(environment, config)
  const pulled = await pulledFiles(config.root, environment)
  const goes = ({ changed }: PulledFile): boolean => !changed && !keep
  const removed = pulled.filter(goes).map(({ file }) => file)
  const cached = await clearCaches(config, options, environment, dryRun)
  const unlinked: Unlinked = {
    environment,
    reference,
    cached,
    removed,
    kept: pulled.filter((each) => !goes(each)).map(({ file }) => file),
  }
  if (dryRun) return unlinked
  await removePulled(config.root, removed)
  await changeLinks(config.root, (links) => links.delete(environment))
  await audit({ ...config, environment }, { action: 'unlink', reference })
  return unlinked
}

/**
 * What does not depend on an environment. Asked for one that has no link: a link that cannot be used any more must not
 * be in the way of taking it back.
 */
function settingsOf(options: SecretsOptions): Promise<ResolvedConfig> {
  const { logger: _, dev: _dev, onRevalidated: _then, ...rest } = options
  return resolveConfig({ ...rest, environment: '-' })
}

function placeOf(
  config: ResolvedConfig,
  environment: string,
  given: string,
): Pick<DocumentPlace, 'reference' | 'provider'> {
  if (config.links === undefined)
    throw new SecretsError('UNSUPPORTED', 'Links belong to a configuration in a file, and here is none.', {
      hint: 'Put the configuration into secrets.config.*, or name the document under `import` yourself.',
    })
  const linked = config.links.get(environment)
  if (linked !== undefined) throw alreadyLinked(environment, linked)
  const name = given.replace(/:$/, '')
  const whole = config.providers.get(name)?.importAll
  const source = isBare(given) ? `${name}:${whole ? '*' : slugOf(environment)}` : given
  const { providers } = config
  const reference = checkedReference(
    source,
    'the link',
    { providers: Object.fromEntries(providers) },
    providers,
  )
  const provider = providers.get(reference.provider)!
  if (isOwnPlace(provider.type) || provider.type === 'env')
    throw new SecretsError(
      'UNSUPPORTED',
      `${reference.provider} is this machine's own, and no place to link to.`,
      {
        hint: 'An environment that is not linked has its values there.',
      },
    )
  const isDocument = reference.field === undefined && Object.keys(reference.options).length === 0
  if (!isDocument || (reference.path === '*') !== (provider.importAll === true))
    throw new SecretsError('REFERENCE_INVALID', `${source} is not a whole document.`, {
      hint: provider.importAll
        ? `Write ${reference.provider}:*, which is all of the environment.`
        : `Write ${reference.provider}:PATH, without ?options and #field.`,
    })
  return { reference, provider }
}

/** @throws SecretsError `WRONG_TYPE` */
function documentFields(document: SecretDocument, source: string): JsonObject {
  const fields = fieldsOf(document.value)
  if (fields) return fields
  throw new SecretsError('WRONG_TYPE', `${source} holds no JSON object, so it cannot be an environment.`, {
    hint: 'Choose another document.',
  })
}

function compare(own: ReadonlyMap<string, string>, there: JsonObject): LinkChange[] {
  const names = [...new Set([...own.keys(), ...Object.keys(there)])].sort()
  return names.map((name): LinkChange => {
    const value = own.get(name)
    if (!Object.hasOwn(there, name)) return { name, kind: 'added' }
    if (value === undefined) return { name, kind: 'kept' }
    return { name, kind: textOf(there[name]!) === value ? 'same' : 'differs' }
  })
}

/** @returns how many values there were */
async function clearCaches(
  config: ResolvedConfig,
  options: SecretsOptions,
  environment: string,
  dryRun: boolean,
): Promise<number> {
  const { root } = config
  const profiles = await profilesOf(
    root,
    typeof options.configFile === 'string' ? options.configFile : undefined,
  )
  const places = [{ ...config, profile: undefined }, config]
  for (const profile of profiles) places.push(await settingsOf({ ...options, profile }))
  const seen = new Set<string>()
  let values = 0
  for (const { cache, profile } of places) {
    if (cache === false) continue
    const { directory, storage } = cache
    // Without keys nothing can have been kept, and this is no reason to make them.
    if (!hasKeys(root, storage !== undefined)) continue
    const place = JSON.stringify([profile ?? null, directory ?? null])
    if (seen.has(place)) continue
    seen.add(place)
    for (const one of openGenerations({ root, profile, environment, directory, storage, warn: () => {} })) {
      values += (await one.read()).size
      if (!dryRun) await one.clear()
      await one.close()
    }
  }
  return values
}

function hasKeys(root: string, isShared: boolean): boolean {
  const isSealed = hasEnvironmentKey() || existsSync(projectKeyFile(root))
  return isSealed && (isShared || existsSync(deviceKeyFile()))
}

function alreadyLinked(environment: string, reference: string): SecretsError {
  return new SecretsError('CONFLICT', `${environment} is linked to ${reference} already.`, {
    hint: `Take that back first: secrets unlink ${environment}`,
  })
}

function notLinked(environment: string, { links }: ResolvedConfig): SecretsError {
  const names = [...(links?.keys() ?? [])].sort()
  return new SecretsError('NOT_FOUND', `${environment} is not linked.`, {
    hint: names.length > 0 ? `Linked: ${names.join(', ')}.` : 'No environment is.',
  })
}
