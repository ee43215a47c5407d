import type { VersionEntry } from '../../core/types.ts'
import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { note, result } from '../output.ts'

export default command({
  name: 'rollback',
  description: 'Make an older version the current one, for the whole document',
  examples: [
    ['secrets rollback DATABASE_URL', 'to the version before the current one; asks first'],
    ['secrets rollback vault:myapp/db 3 --yes', 'to a version of `secrets versions`'],
    ['secrets rollback STRIPE_KEY --dry-run', 'says what would become current'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'A declared name, or a reference' },
    version: { type: 'positional', required: false, description: 'The version; else the one before' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { name, yes, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { placeOf } = await import('../place.ts')
    const { approve } = await import('../prompt.ts')
    const { noteChange } = await import('../write.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const { reference, provider } = placeOf(config, name, 'rollback')
      const { path } = reference
      const place = `${reference.provider}:${path}`
      const dryRun = flags['dry-run'] === true
      const history =
        flags.version === undefined || dryRun
          ? await provider.history?.(path, contextFor(reference.provider))
          : undefined
      const version = flags.version ?? before(history, place)
      const isKnown = history?.some((entry) => entry.version === version || entry.labels?.includes(version))
      if (dryRun && history && !isKnown)
        throw notFoundError(`${place} has no version ${version}.`, 'See: secrets versions NAME')
      const data = { name, provider: reference.provider, path, version }
      if (dryRun) {
        result(
          json === true,
          { ...data, rolledBack: false },
          () => `${place} would go back to version ${version}.`,
        )
        return
      }
      await approve(`Make version ${version} of ${place} the current one?`, yes)
      // Its deadline begins now: a person may have thought about the answer.
      const written = await provider.rollback({ path, version }, contextFor(reference.provider))
      await noteChange(config, 'rollback', { name: reference.provider, path, field: undefined })
      const now = written.version ?? null
      result(
        json === true,
        { ...data, rolledBack: true, current: now },
        () => `${place} is back at version ${version}.`,
      )
      if (!json) note('Running dev servers and caches: secrets refresh')
    })
  },
})

/** The one before the current one. */
function before(history: readonly VersionEntry[] | undefined, place: string): string {
  const current = history?.findIndex(({ state }) => state === 'current') ?? -1
  const older = history?.slice(current + 1).find(({ state }) => state === 'previous')
  if (older) return older.version
  throw notFoundError(`${place} has no version before the current one.`, 'See: secrets versions NAME')
}
