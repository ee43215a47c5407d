import { ignoredBeside } from '../../core/config/find.ts'
import type { ResolvedConfig } from '../../core/config/resolve.ts'
import { SecretsError } from '../../core/errors.ts'
import { createSecrets, type Secrets } from '../../core/pipeline.ts'
import type { CheckResult } from '../../core/types.ts'
import type { CommonFlags } from '../command.ts'
import { optionsOf } from '../context.ts'
import { machineChecks, nodeCheck } from './machine.ts'
import { providerChecks } from './providers.ts'
import { quiet } from './quiet.ts'
import { valueChecks } from './values.ts'

/** What was looked at together: the configuration, this machine, one provider. */
export interface CheckGroup {
  readonly title: string
  readonly checks: readonly CheckResult[]
}

/** Looks at everything that a build stands on. Throws for nothing it finds. */
export async function examine(flags: CommonFlags): Promise<CheckGroup[]> {
  const options = { ...optionsOf(flags), logger: quiet }
  let secrets: Secrets
  try {
    secrets = await createSecrets(options)
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    const broken = error.problems.length > 0 ? error.problems : [error]
    const checks = broken.map(({ message, hint }) => ({
      label: 'readable',
      ok: false,
      detail: message,
      hint,
    }))
    return [
      { title: 'Configuration', checks },
      { title: 'This machine', checks: [nodeCheck()] },
    ]
  }
  try {
    const { config } = secrets
    const [machine, providers] = await Promise.all([machineChecks(config), providerChecks(secrets)])
    const failed = providers.flatMap(({ checks }) => checks.filter(({ ok }) => !ok))
    // A provider that cannot be asked has said so; its names would all say it again.
    const unknown = failed.some(({ label }) => !label.startsWith('read '))
    const values = unknown
      ? []
      : await valueChecks(
          flags,
          failed.map(({ label }) => label.replace(/^read /, '')),
        )
    return [
      { title: 'Configuration', checks: configChecks(config) },
      { title: 'This machine', checks: machine },
      ...providers,
      ...(values.length > 0 ? [{ title: 'Names', checks: values }] : []),
    ]
  } finally {
    await secrets.close()
  }
}

function configChecks(config: ResolvedConfig): CheckResult[] {
  const { root, environment, profile, files, secrets, imports, client } = config
  const overridden = [...secrets.keys()].filter(
    (name) => config.processEnv && process.env[name] !== undefined,
  )
  const names = `${secrets.size} declared, ${imports.length} imported documents, ${client.length} for clients`
  return [
    { label: 'project', ok: true, detail: root },
    ...(files.length === 0
      ? [{ label: 'file', ok: true, detail: 'none: everything is in the local vault' }]
      : files.map((file, index) => {
          const above = index === 0 || files.length === 1 ? '' : ' (overrides the one above)'
          return { label: 'file', ok: true, detail: `${file}${above}` }
        })),
    ...ignoredBeside(files).map((file) => {
      const hint = `Remove one of the two: ${files.at(-1)} is the one that counts.`
      return { label: 'file', ok: true, detail: `${file} is not read`, hint }
    }),
    { label: 'environment', ok: true, detail: environment },
    { label: 'profile', ok: true, detail: profile ?? 'none' },
    { label: 'names', ok: true, detail: names },
    ...(overridden.length === 0
      ? []
      : [
          {
            label: 'from process.env',
            ok: true,
            detail: `${overridden.join(', ')} (in place of the provider)`,
          },
        ]),
  ]
}
