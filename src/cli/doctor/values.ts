import { SecretsError } from '../../core/errors.ts'
import { createSecrets } from '../../core/pipeline.ts'
import type { CheckResult } from '../../core/types.ts'
import type { CommonFlags } from '../command.ts'
import { loadVisibly, optionsOf } from '../context.ts'
import { count } from '../output.ts'
import { quiet } from './quiet.ts'

/**
 * What becomes of every name: fields that are not in their document, placeholders, schemas, templates. Reads
 * past the cache, so that it shows what a fresh machine would see.
 * @param told references of which a provider's own check has said already what is wrong
 */
export async function valueChecks(flags: CommonFlags, told: readonly string[]): Promise<CheckResult[]> {
  const secrets = await createSecrets({ ...optionsOf(flags), cache: false, logger: quiet })
  try {
    const snapshot = await loadVisibly(secrets)
    const { client } = secrets.config
    return [
      { label: 'values', ok: true, detail: `${count(snapshot.names().length, 'name')}, all as declared` },
      {
        label: 'for browsers',
        ok: true,
        detail: client.length === 0 ? 'none' : `${client.join(', ')}: everybody can read these`,
      },
    ]
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    const problems = error.problems.length > 0 ? error.problems : [error]
    return problems.flatMap(({ message, hint }) => {
      const words = message.split(/[\s#,;]|\.(?:\s|$)/)
      return told.some((reference) => words.includes(reference))
        ? []
        : [{ label: 'values', ok: false, detail: message, hint }]
    })
  } finally {
    await secrets.close()
  }
}
