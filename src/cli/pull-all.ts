import type { LinkAllPlan } from '../core/link-all.ts'
import type { CommonFlags } from './command.ts'
import { withSecrets } from './context.ts'
import { count, note, result, table } from './output.ts'
import { withProgress } from './progress.ts'
import { approve } from './prompt.ts'

interface PullAllFlags extends CommonFlags {
  readonly provider: string | undefined
  readonly 'dry-run': boolean | undefined
  readonly yes: boolean | undefined
}

/** `secrets pull --all`: an environment for each secret of a provider that has none yet. */
export async function pullAll(flags: PullAllFlags): Promise<void> {
  const { planLinkAll } = await import('../core/link-all.ts')
  const json = flags.json === true
  await withSecrets(flags, async ({ config, contextFor }) => {
    let looked = 'Listing secrets'
    const plan = await withProgress(
      () => looked,
      () =>
        planLinkAll(config, contextFor, flags.provider, (done, all) => {
          looked = `Looking at secrets (${done} of ${all} done)`
        }),
    )
    const { links, skipped } = plan
    if (flags['dry-run'] || links.length === 0) {
      result(json, { links, skipped, linked: false }, () => shown(plan, 'would be linked'))
      return
    }
    if (!json) note(shown(plan, 'to link'))
    await approve(`Link ${count(links.length, 'environment')}?`, flags.yes)
    await plan.apply()
    result(json, { links, skipped, linked: true }, () => `Linked ${count(links.length, 'environment')}.`)
    if (!json) note('Commit secrets.links.json: it holds no value.')
  })
}

function shown({ links, skipped }: LinkAllPlan, what: string): string {
  return [
    ...(links.length > 0
      ? [
          table(
            ['ENVIRONMENT', 'DOCUMENT'],
            links.map(({ environment, reference }) => [environment, reference]),
          ),
        ]
      : []),
    ...skipped.map(({ reference, reason }) => `Left out: ${reference} (${reason})`),
    `${count(links.length, 'environment')} ${what}, ${skipped.length} left out.`,
  ].join('\n')
}
