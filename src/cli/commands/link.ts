import { relative, resolve } from 'node:path'
import type { LinkChange, LinkPlan } from '../../core/links.ts'
import type { Secrets } from '../../core/pipeline.ts'
import { type CommonFlags, command } from '../command.ts'
import { usageError } from '../errors.ts'
import { colors, count, note, result, table } from '../output.ts'

export default command({
  name: 'link',
  description:
    'Have an environment’s values come from one document: push what it has, compare, and only then link',
  examples: [
    ['secrets link production aws:myapp/production', 'shows the names that would be pushed, and asks'],
    ['secrets link staging vault:myapp/staging --dry-run', 'changes nothing'],
    ['secrets link production aws --prefer remote --yes', 'aws:production; its values stay, for a script'],
    ['secrets link', 'shows what is linked'],
  ],
  args: {
    environment: { type: 'positional', required: false, description: 'The environment' },
    reference: {
      type: 'positional',
      required: false,
      description: 'A whole document (vault:myapp/production, vaultEnv:*), or a provider alone',
    },
    file: {
      type: 'string',
      description: 'Push what this .env file has, instead of what the environment has here',
      valueHint: 'file',
    },
    only: { type: 'string', description: 'Push these names and no others', valueHint: 'A,B' },
    prefer: {
      type: 'string',
      description: 'Whose value stays where both have one: local or remote',
      valueHint: 'side',
    },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags, list }) {
    const { yes, json } = flags
    const isNamed = flags.env !== undefined && flags.reference === undefined
    const environment = isNamed ? flags.env : flags.environment
    const reference = isNamed ? flags.environment : flags.reference
    if (environment === undefined) return showLinks(flags)
    if (reference === undefined)
      throw usageError(
        'link needs a REFERENCE.',
        `For example: secrets link ${environment} aws:myapp/${environment}`,
      )
    const { rootOf, withSecrets } = await import('../context.ts')
    const { planLink } = await import('../../core/links.ts')
    const { withProgress } = await import('../progress.ts')
    const prefer = sideOf(flags.prefer)
    const only = list('only')
    const given =
      flags.file === undefined ? undefined : await valuesOf(resolve(rootOf(flags), flags.file), only)
    await withSecrets({ ...flags, env: environment }, async (secrets) => {
      const values = given ?? (only.length > 0 ? await ownOnly(secrets, only) : undefined)
      const plan = await withProgress(
        () => `Comparing ${environment} with ${reference}`,
        () => planLink(secrets, { environment, reference, values }),
      )
      const data = { environment, reference: plan.reference, exists: plan.exists, changes: plan.changes }
      if (flags['dry-run']) {
        result(json === true, { ...data, pushed: [], linked: false }, () =>
          [...lines(plan), `${environment} would be linked to ${plan.reference}.`].join('\n'),
        )
        return
      }
      if (!json) for (const line of lines(plan)) note(line)
      const chosen = prefer ?? (await askSide(plan, yes))
      const { approve } = await import('../prompt.ts')
      await approve(`${question(plan, chosen)}?`, yes)
      const linked = await withProgress(
        () => `Linking ${environment} to ${plan.reference}`,
        () => plan.apply(chosen),
      )
      const file = relative(process.cwd(), linked.file)
      result(json === true, { ...data, pushed: linked.pushed, linked: true, file }, () =>
        [
          ...(linked.pushed.length > 0
            ? [`Pushed ${count(linked.pushed.length, 'value')}, and read them back.`]
            : []),
          `${environment} is linked to ${linked.reference} now; ${file} says so.`,
        ].join('\n'),
      )
      if (!json)
        note(`Commit ${file}: it holds no value. What the environment had here stays; nothing reads it now.`)
    })
  },
})

async function showLinks(flags: CommonFlags): Promise<void> {
  const { rootOf } = await import('../context.ts')
  const { findConfig } = await import('../../core/config/find.ts')
  const { readLinks } = await import('../../core/links.ts')
  const links = readLinks(findConfig(rootOf(flags)).root)
  const rows = [...links].map(([environment, reference]) => ({ environment, reference }))
  result(flags.json === true, { links: rows }, () =>
    rows.length === 0
      ? 'No environment is linked.'
      : table(
          ['ENVIRONMENT', 'DOCUMENT'],
          rows.map(({ environment, reference }) => [environment, reference]),
        ),
  )
}

function sideOf(word: string | undefined): 'local' | 'remote' | undefined {
  if (word === undefined || word === 'local' || word === 'remote') return word
  throw usageError(`--prefer is local or remote, not ${word}.`)
}

async function valuesOf(file: string, only: readonly string[]): Promise<Map<string, string>> {
  const { readEnvFile } = await import('../env-file.ts')
  return picked(await readEnvFile(file), only)
}

async function ownOnly(
  { config, contextFor }: Pick<Secrets, 'config' | 'contextFor'>,
  only: readonly string[],
): Promise<Map<string, string>> {
  const { ownValues } = await import('../../core/link-values.ts')
  return picked((await ownValues(config, contextFor)).values, only)
}

function picked(values: ReadonlyMap<string, string>, only: readonly string[]): Map<string, string> {
  return new Map([...values].filter(([name]) => only.length === 0 || only.includes(name)))
}

function lines({ changes, places, exists, reference }: LinkPlan): string[] {
  const sign: Record<LinkChange['kind'], string> = {
    added: colors.green('+'),
    differs: colors.yellow('~'),
    same: '=',
    kept: ' ',
  }
  const remark: Record<LinkChange['kind'], string> = {
    added: '',
    differs: '  (another value there)',
    same: '',
    kept: '  (only there; stays)',
  }
  return [
    ...(places.length > 0 ? [`From ${places.join(', ')}:`] : []),
    ...changes.map(({ name, kind }) => `${sign[kind]} ${name}${remark[kind]}`),
    ...(exists ? [] : [`There is nothing at ${reference} yet.`]),
  ]
}

/** Asks a person whose values stay; a script says so with `--prefer`, or is told by `apply`. */
async function askSide(plan: LinkPlan, yes: boolean | undefined): Promise<'local' | 'remote' | undefined> {
  const differing = plan.changes.filter(({ kind }) => kind === 'differs').length
  const { canAsk, confirm } = await import('../prompt.ts')
  if (differing === 0 || yes || !canAsk()) return undefined
  const local = await confirm(
    `Replace ${count(differing, 'value')} at ${plan.reference} by those of this machine? (No: they stay)`,
  )
  return local ? 'local' : 'remote'
}

function question(
  { changes, environment, reference }: LinkPlan,
  side: 'local' | 'remote' | undefined,
): string {
  const amount = changes.filter(
    ({ kind }) => kind === 'added' || (kind === 'differs' && side === 'local'),
  ).length
  const link = `link ${environment} to ${reference}`
  return amount === 0 ? link.replace('l', 'L') : `Push ${count(amount, 'value')}, then ${link}`
}
