import type { ResolvedConfig } from '../../core/config/resolve.ts'
import type { SecretsError } from '../../core/errors.ts'
import type { SecretMeta } from '../../core/snapshot.ts'
import { command } from '../command.ts'
import { EXIT, exitCodeOf } from '../errors.ts'
import { count, note, noteColors, result, table } from '../output.ts'

/** One line of the list: what is known of a name, or what is wrong with it. */
interface Row {
  readonly name: string
  readonly meta: Partial<SecretMeta>
  readonly problem: SecretsError | undefined
}

export default command({
  name: 'list',
  description: 'Show every name: where it comes from, its version and age, and who may see it',
  examples: [
    ['secrets list', 'for the environment of this machine'],
    ['secrets list --env production --json', 'for a program'],
  ],
  args: {},
  async run({ flags }) {
    const { withSecrets } = await import('../context.ts')
    const { SecretsError } = await import('../../core/errors.ts')
    const { formatAge } = await import('../../core/duration.ts')
    const { createPolicy } = await import('../../core/policy.ts')
    await withSecrets(flags, async ({ config, load }) => {
      const rows = await load().then(
        (snapshot) =>
          snapshot.names().map((name): Row => {
            return { name, meta: snapshot.meta(name)!, problem: undefined }
          }),
        async (error: unknown) => {
          if (!(error instanceof SecretsError)) throw error
          const each = await oneByOne(config)
          // What concerns no declared name (an import, the client list) is the error itself.
          if (!each.some(({ problem }) => problem)) throw error
          return each
        },
      )
      const policy = createPolicy(config.client)
      const seenBy = (name: string): string => {
        if (policy.allows(name)) return 'client'
        return config.client.some((entry) => entry.startsWith(`${name}.`)) ? 'client (parts)' : 'server'
      }
      const problems = rows.flatMap(({ problem }) => problem ?? [])
      const data = {
        environment: config.environment,
        profile: config.profile ?? null,
        secrets: rows.map(({ name, meta, problem }) => ({
          name,
          source: meta.source ?? null,
          provider: meta.provider ?? null,
          reference: meta.reference ?? null,
          version: meta.version ?? null,
          fetchedAt: meta.fetchedAt ?? null,
          stale: meta.stale ?? false,
          visibleTo: seenBy(name),
          ...(problem && { problem: { code: problem.code, message: problem.message, hint: problem.hint } }),
        })),
      }
      const lines = rows.map(({ name, meta, problem }) => {
        const age = meta.fetchedAt === undefined ? '' : formatAge(Date.now() - meta.fetchedAt)
        const from = meta.source === 'provider' ? (meta.provider ?? '') : (meta.source ?? '')
        return [
          name,
          from,
          meta.reference ?? '',
          meta.version ?? '',
          meta.stale ? `${age} (stale)` : age,
          problem ? problem.code : seenBy(name),
        ]
      })
      result(
        flags.json === true,
        data,
        () => (rows.length === 0 ? '' : table(['NAME', 'FROM', 'REFERENCE', 'VERSION', 'AGE', 'FOR'], lines)),
        problems.length > 0 ? exitCodeOf(new SecretsError('SEVERAL', '', { problems })) : EXIT.ok,
      )
      if (rows.length === 0) note('There are no secrets yet. Set one with: secrets set NAME')
      if (problems.length > 0 && !flags.json) {
        note('')
        note(noteColors.red(`${count(problems.length, 'problem')}:`))
        for (const problem of problems) note(problem.format())
      }
    })
  },
})

/** Which of the names fail, and why. Only asked when loading them together failed. */
async function oneByOne(config: ResolvedConfig): Promise<Row[]> {
  const { loadSome } = await import('../context.ts')
  const { SecretsError } = await import('../../core/errors.ts')
  const names = [...config.secrets.keys()].sort()
  return Promise.all(
    names.map(async (name): Promise<Row> => {
      try {
        return { name, meta: (await loadSome(config, [name])).meta(name)!, problem: undefined }
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        const reference = config.secrets.get(name)!.reference
        const meta = { provider: reference?.provider, reference: reference?.source }
        return { name, meta, problem: error }
      }
    }),
  )
}
