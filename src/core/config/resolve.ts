import { resolve } from 'node:path'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { createProvider } from '../../providers/index.ts'
import { parseDuration } from '../duration.ts'
import { SecretsError, throwProblems } from '../errors.ts'
import { checkNames, checkTemplates } from '../policy.ts'
import { PROVIDER_NAME } from '../reference.ts'
import {
  aliasesOf,
  orderByNeeds,
  ownerOf,
  parseTemplate,
  type TemplatePart,
  unknownAlias,
} from '../template.ts'
import type {
  CacheStorage,
  CacheStorageDescription,
  Consumer,
  Provider,
  ProviderDescription,
  Reference,
  SecretDeclaration,
  SecretsConfig,
} from '../types.ts'
import { activeProfile } from './active.ts'
import { type FoundConfig, findConfig } from './find.ts'
import { type Links, linksFile, readLinks, withoutOwnPlaces } from './links.ts'
import { loadConfigFile } from './load.ts'
import { type ConfigLayer, mergeLayers, profileLayer } from './merge.ts'
import { checkedReference, fillPlaceholders, wholePlace } from './references.ts'
import { checkShape } from './shape.ts'
import { DEFAULT_WATCH, watchSettings } from './watch-settings.ts'

/** One declared secret, ready to be fetched. Exactly one of `reference` and `template` is there. */
export interface DeclaredSecret {
  readonly name: string
  readonly reference: Reference | undefined
  readonly template: readonly TemplatePart[] | undefined
  readonly mode: 'plaintext' | 'json'
  readonly schema: StandardSchemaV1 | undefined
  readonly description: string | undefined
  /** ms */
  readonly ttl: number
}

export interface ResolvedCache {
  /** ms */
  readonly ttl: number
  /** ms */
  readonly maxStale: number
  /** Absolute. */
  readonly directory: string | undefined
  readonly storage: CacheStorage | CacheStorageDescription | undefined
  /** `undefined`: whoever loads decides. */
  readonly staleOnAuthError: boolean | undefined
  readonly staleWhileRevalidate: boolean
}

/** The configuration as everything behind it sees it: complete, checked, frozen. */
export interface ResolvedConfig {
  /** Absolute; the project's own files (`.secrets/`, `.env`) are here. */
  readonly root: string
  readonly environment: string
  readonly profile: string | undefined
  /** Every profile that there is. */
  readonly profiles: readonly string[]
  readonly providers: ReadonlyMap<string, Provider>
  /** Documents whose every key is a secret; of equal keys the last one's. The link's is the last. */
  readonly imports: readonly Reference[]
  /** The document that this environment is linked to. */
  readonly link: Reference | undefined
  /** By environment; `undefined`: the whole configuration was handed over, so there is no file to keep them in. */
  readonly links: Links | undefined
  /** In an order in which each stands after those its template needs. */
  readonly secrets: ReadonlyMap<string, DeclaredSecret>
  readonly client: readonly string[]
  readonly server: 'runtime' | 'sealed'
  readonly consumer: Consumer | undefined
  readonly processEnv: boolean
  readonly replaceProcessEnv: boolean
  readonly cache: ResolvedCache | false
  readonly scan: { readonly exclude: readonly string[] } | false
  readonly types: string | boolean
  readonly manifest: string | boolean
  readonly watch: {
    /** Whether dev servers and watching builds look for changes. */
    readonly enabled: boolean
    /** ms */
    readonly interval: number
    /** ms, of those that have their own. */
    readonly providers: ReadonlyMap<string, number>
  }
  /** ms */
  readonly timeout: number
  readonly sync: 'startup' | 'manual'
  readonly dashboard: { readonly remote: boolean } | false
  /** Absolute. */
  readonly audit: string | undefined
  /** The files that were read, from the least to the most specific. */
  readonly files: readonly string[]
  /** `providers.vault` → who said so last. */
  readonly origins: ReadonlyMap<string, string>
}

/** What a caller adds to the configuration. */
export interface ResolveOptions extends SecretsConfig {
  /** Where to look for `secrets.config.*`, and whom relative files belong to. Default: the working folder. */
  root?: string
  /** A configuration file to use instead of the ones that would be found; `false`: none. */
  configFile?: string | false
  /** The bundler's mode: the environment where nothing else names one. */
  mode?: string
  /** Whether to use no profile, whatever is configured or chosen. Default `false`. */
  withoutProfile?: boolean
}

/** A whole configuration was handed over, so no file is looked for. */
const isWhole = (config: SecretsConfig): boolean =>
  config.providers !== undefined || config.secrets !== undefined || config.import !== undefined

/**
 * Finds, merges and checks the configuration. Touches no network and no secret.
 * @throws SecretsError with every mistake at once
 */
export async function resolveConfig(options: ResolveOptions = {}): Promise<ResolvedConfig> {
  const { root: start = process.cwd(), configFile, mode, withoutProfile = false, ...inline } = options
  const isGiven = configFile === false || (configFile === undefined && isWhole(inline))
  // Whoever hands over everything, the place of it too, has nothing looked for.
  const found: FoundConfig =
    isGiven && isWhole(inline) ? { root: resolve(start), files: [] } : findConfig(start)
  const files = isGiven
    ? []
    : configFile === undefined
      ? found.files
      : [{ kind: 'workspace' as const, file: resolve(start, configFile) }]
  const layers: ConfigLayer[] = []
  for (const { kind, file } of files) layers.push({ kind, source: file, config: await loadConfigFile(file) })
  layers.push({ kind: 'inline', source: 'options', config: inline })
  throwProblems(layers.flatMap(shapeProblems), (count) => `${count} mistakes in the configuration:`)

  const base = mergeLayers(layers)
  const chosen = files.length > 0 ? activeProfile(found.root) : undefined
  const profile = withoutProfile
    ? undefined
    : (inline.profile ?? (process.env.SECRETS_PROFILE || chosen || base.config.profile))
  if (profile !== undefined) layers.push(...profileLayer(base.config, profile))
  const { config, origins } = profile === undefined ? base : mergeLayers(layers)
  const environment = config.environment ?? (mode || process.env.NODE_ENV || 'development')
  // Providers that a user keeps for all projects are no configuration of this one.
  const isConfigured = layers.some((layer) => layer.kind !== 'user' && isWhole(layer.config))
  const links = isGiven ? undefined : readLinks(found.root)
  return build(isConfigured ? config : zeroConfig(config), {
    root: isWhole(inline) ? resolve(start) : found.root,
    environment,
    profile,
    profiles: Object.keys(config.profiles ?? {}),
    files: [...files.map(({ file }) => file), ...(links?.size ? [linksFile(found.root)] : [])],
    origins,
    links,
  })
}

/** The mistakes of one layer, each with the file it stands in. */
function shapeProblems({ kind, source, config }: ConfigLayer): SecretsError[] {
  const problems = checkShape(config)
  if (kind === 'inline') return problems
  return problems.map(({ code, message, hint }) => new SecretsError(code, `${source}: ${message}`, { hint }))
}

/** Nothing is configured: everything in the project's own encrypted vault, none of it for browsers unless listed. */
function zeroConfig(config: SecretsConfig): SecretsConfig {
  return { ...config, providers: { local: { type: 'local' }, ...config.providers }, import: ['local:*'] }
}

function build(
  given: SecretsConfig,
  place: Pick<
    ResolvedConfig,
    'root' | 'environment' | 'profile' | 'profiles' | 'files' | 'origins' | 'links'
  >,
): ResolvedConfig {
  const problems: SecretsError[] = []
  const attempt = <T>(make: () => T): T | undefined => {
    try {
      return make()
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      problems.push(error)
      return undefined
    }
  }

  const providers = new Map<string, Provider>()
  const ttls = new Map<string, number>()
  for (const [name, each] of Object.entries(given.providers ?? {})) {
    const provider = attempt(() => asProvider(name, each))
    if (!provider) continue
    providers.set(name, provider)
    const own = provider.ttl
    const parsed =
      own === undefined ? undefined : attempt(() => parseDuration(own, `The ttl of providers.${name}`))
    if (parsed !== undefined) ttls.set(name, parsed)
  }
  const reference = (source: string, owner: string): Reference | undefined =>
    attempt(() => checkedReference(fillPlaceholders(source, place), owner, given, providers))

  const importReference = (source: string, owner: string): Reference | undefined => {
    const found = reference(source, owner)
    const provider = found && providers.get(found.provider)
    if (found?.path !== '*' || !provider || provider.importAll) return found
    const problem = new SecretsError(
      'REFERENCE_INVALID',
      `${owner} (${source}): ${provider.type} cannot give everything it holds.`,
      {
        hint: 'Name one document, whose every key becomes a secret.',
      },
    )
    problems.push(problem)
    return undefined
  }

  const source = place.links?.get(place.environment)
  const link = source === undefined ? undefined : importReference(source, `The link of ${place.environment}`)
  const config = link ? withoutOwnPlaces(given, link) : given

  const cache = config.cache === false ? false : (config.cache ?? {})
  const ttl = attempt(() => parseDuration(cache ? (cache.ttl ?? '5m') : 0, 'cache.ttl')) ?? 0
  const declared = new Map<string, DeclaredSecret>()
  const templates = new Map<string, readonly TemplatePart[]>()
  for (const [name, each] of Object.entries(config.secrets ?? {})) {
    const declaration: SecretDeclaration = typeof each === 'string' ? { from: each } : each
    const owner = `secrets.${name}`
    const from = declaration.from === undefined ? undefined : reference(declaration.from, owner)
    const template =
      declaration.template === undefined
        ? undefined
        : attempt(() => parseTemplate(declaration.template!, owner))
    if (template) templates.set(name, template)
    const own = declaration.ttl
    const common = (from && ttls.get(from.provider)) ?? ttl
    declared.set(name, {
      name,
      reference: from,
      template,
      mode: declaration.mode ?? 'plaintext',
      schema: declaration.schema,
      description: declaration.description,
      ttl: own === undefined ? common : (attempt(() => parseDuration(own, `${owner}.ttl`)) ?? ttl),
    })
  }
  const imports = (config.import ?? []).flatMap((source, index) => {
    return importReference(wholePlace(source, place.environment), `import[${index}]`) ?? []
  })
  if (link) imports.push(link)
  const hasImports = (config.import ?? []).length > 0 || link !== undefined
  problems.push(
    ...checkNames({
      declared: [...declared.keys()],
      hasImports,
      client: config.client ?? [],
    }),
  )
  let secrets: ReadonlyMap<string, DeclaredSecret> = declared
  // Most configurations have none, and what a start does not call it does not compile.
  if (templates.size > 0) {
    problems.push(...checkTemplates(templates, config.client ?? [], (name) => declared.has(name)))
    secrets = attempt(() => ordered(declared, hasImports)) ?? declared
  }
  const resolved: ResolvedConfig = Object.freeze({
    ...place,
    providers,
    imports,
    link,
    secrets,
    client: [...new Set(config.client ?? [])],
    server: config.server ?? 'runtime',
    consumer: config.consumer,
    processEnv: config.processEnv ?? true,
    replaceProcessEnv: config.replaceProcessEnv ?? false,
    cache: cache && {
      ttl,
      maxStale: attempt(() => parseDuration(cache.maxStale ?? '7d', 'cache.maxStale')) ?? 0,
      directory: cache.directory === undefined ? undefined : resolve(place.root, cache.directory),
      storage: cache.storage,
      staleOnAuthError: cache.staleOnAuthError,
      staleWhileRevalidate: cache.staleWhileRevalidate ?? false,
    },
    scan:
      config.scan === false
        ? false
        : { exclude: typeof config.scan === 'object' ? (config.scan.exclude ?? []) : [] },
    types: config.types ?? true,
    manifest: config.manifest ?? false,
    watch:
      (config.watch === undefined ? undefined : attempt(() => watchSettings(config, providers))) ??
      DEFAULT_WATCH,
    timeout: config.timeout ?? 15_000,
    sync: config.sync ?? 'startup',
    dashboard:
      config.dashboard === false
        ? false
        : { remote: typeof config.dashboard === 'object' && config.dashboard.remote === true },
    audit: config.audit === undefined ? undefined : resolve(place.root, config.audit),
  })
  throwProblems(problems, (count) => `${count} mistakes in the configuration:`)
  return resolved
}

function asProvider(name: string, given: Provider | ProviderDescription): Provider {
  if (!PROVIDER_NAME.test(name)) {
    throw new SecretsError('CONFIG_INVALID', `providers.${name} cannot be named in a reference.`, {
      hint: 'A provider name starts with a letter and goes on with letters, digits, - and _.',
    })
  }
  if (typeof given !== 'object' || given === null || typeof given.type !== 'string') {
    throw new SecretsError('CONFIG_INVALID', `providers.${name} is not a provider.`, {
      hint: "Write vault({ … }) from 'unplugin-secrets/providers', or an object with a `type`.",
    })
  }
  return typeof given.read === 'function' ? (given as Provider) : createProvider(given as ProviderDescription)
}

/** Declared secrets behind those their templates need; names that nothing declares are mistakes. */
function ordered(
  declared: ReadonlyMap<string, DeclaredSecret>,
  hasImports: boolean,
): Map<string, DeclaredSecret> {
  const needs = new Map<string, string[]>()
  const problems: SecretsError[] = []
  for (const [name, secret] of declared) {
    const needed: string[] = []
    for (const alias of aliasesOf(secret.template ?? [])) {
      const owner = ownerOf(alias, (candidate) => declared.has(candidate))
      if (owner !== undefined) needed.push(owner)
      // An import may bring it; that is known only once it is read.
      else if (!hasImports) problems.push(unknownAlias(name, alias, declared.keys()))
    }
    needs.set(name, needed)
  }
  throwProblems(problems, (count) => `${count} templates name secrets that are not declared:`)
  return new Map(orderByNeeds(needs).map((name) => [name, declared.get(name)!]))
}
