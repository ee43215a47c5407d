import { linksFile } from '../../core/config/links.ts'
import type { ResolvedConfig } from '../../core/config/resolve.ts'
import type { Json } from '../../core/types.ts'
import { command } from '../command.ts'
import { result, table } from '../output.ts'

/** One effective value, and who said so. */
interface Setting {
  readonly name: string
  readonly value: Json
  readonly origin: string
}

export default command({
  name: 'config',
  description: 'Show every effective setting and where it comes from; no credentials, no values',
  examples: [
    ['secrets config', 'for this working copy'],
    ['secrets config --profile staging --json', 'what a profile makes of it'],
  ],
  args: {},
  async run({ flags }) {
    const { withSecrets } = await import('../context.ts')
    await withSecrets(flags, async ({ config }) => {
      const { relative } = await import('node:path')
      const settings = await settingsOf(config, flags)
      const shown = (origin: string): string =>
        config.files.includes(origin) ? relative(process.cwd(), origin) || origin : origin
      result(flags.json === true, { root: config.root, files: config.files, settings }, () => {
        const rows = settings.map(({ name, value, origin }) => {
          return [name, typeof value === 'string' ? value : JSON.stringify(value), shown(origin)]
        })
        return table(['SETTING', 'VALUE', 'FROM'], rows)
      })
    })
  },
})

async function settingsOf(
  config: ResolvedConfig,
  flags: { readonly env: string | undefined; readonly profile: string | undefined },
): Promise<Setting[]> {
  const { formatDuration } = await import('../../core/duration.ts')
  const origin = (key: string): string => {
    const from = config.origins.get(key)
    return from === 'options' ? 'the command line' : (from ?? 'default')
  }
  const one = (name: string, value: Json, from = origin(name)): Setting => ({ name, value, origin: from })
  const { cache, scan } = config
  return [
    one('environment', config.environment, await environmentOrigin(config, flags.env)),
    one('profile', config.profile ?? null, await profileOrigin(config, flags.profile)),
    ...[...config.providers].map(([name, { type, location }]) =>
      one(`providers.${name}`, { type, location }),
    ),
    // A file says `import` once; whose it is shows for all.
    one(
      'import',
      config.imports.filter((reference) => reference !== config.link).map(({ source }) => source),
    ),
    ...[...(config.links ?? [])].map(([environment, source]) =>
      one(`links.${environment}`, source, linksFile(config.root)),
    ),
    ...[...config.secrets.values()].map(({ name, reference, template }) =>
      one(`secrets.${name}`, reference?.source ?? { template: partsOf(template ?? []) }),
    ),
    one('client', config.client),
    one(
      'cache',
      cache && {
        ...Object.fromEntries(plain(cache)),
        ttl: formatDuration(cache.ttl),
        maxStale: formatDuration(cache.maxStale),
      },
    ),
    one('scan', scan && { exclude: scan.exclude }),
    one('dashboard', config.dashboard),
    one('timeout', formatDuration(config.timeout)),
    ...plain(config).flatMap(([name, value]) => (OWN_LINE.has(name) ? [] : [one(name, value)])),
  ]
}

/** Have a line of their own, in words. */
const OWN_LINE: ReadonlySet<string> = new Set(['root', 'environment', 'profile', 'cache', 'scan', 'timeout'])

/** Switches, numbers and texts. An object may be a live one, with credentials inside. */
function plain(settings: object): [string, string | number | boolean][] {
  return Object.entries(settings).filter(([, value]) =>
    ['string', 'number', 'boolean'].includes(typeof value),
  )
}

function partsOf(template: readonly (string | { readonly alias: string })[]): string {
  return template.map((part) => (typeof part === 'string' ? part : `{{vault:${part.alias}}}`)).join('')
}

async function environmentOrigin(config: ResolvedConfig, flag: string | undefined): Promise<string> {
  if (flag !== undefined) return '--env'
  const from = config.origins.get('environment')
  return from ?? (process.env.NODE_ENV ? 'NODE_ENV' : 'default')
}

async function profileOrigin(config: ResolvedConfig, flag: string | undefined): Promise<string> {
  const { activeProfile, activeProfileFile } = await import('../../core/config/active.ts')
  if (flag !== undefined) return '--profile'
  if (process.env.SECRETS_PROFILE) return 'SECRETS_PROFILE'
  if (config.files.length > 0 && activeProfile(config.root) !== undefined)
    return activeProfileFile(config.root)
  return config.origins.get('profile') ?? 'default'
}
