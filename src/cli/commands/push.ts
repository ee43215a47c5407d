import { resolve } from 'node:path'
import { command } from '../command.ts'
import { colors, count, note, result, warn } from '../output.ts'

export default command({
  name: 'push',
  description: 'Store what a .env file has at the places its names are read from; shows the names first',
  examples: [
    ['secrets push', 'from .env; asks before it writes'],
    ['secrets push --file .env.production --env production --yes', 'for a script'],
    ['secrets push --dry-run', 'shows what is different, and where it would go'],
  ],
  args: {
    file: { type: 'string', description: 'The file. Default: .env', valueHint: 'file' },
    only: { type: 'string', description: 'These names and no others', valueHint: 'A,B' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags, list }) {
    const { file = '.env', env, yes, json } = flags
    const { rootOf, withSecrets } = await import('../context.ts')
    const { readEnvFile } = await import('../env-file.ts')
    const { applyPush, planPush } = await import('../push.ts')
    const { approve } = await import('../prompt.ts')
    const { pushable } = await import('../../core/link-values.ts')
    const { withProgress } = await import('../progress.ts')
    const only = list('only')
    const given = await readEnvFile(resolve(rootOf(flags), file))
    const values = pushable([...given].filter(([name]) => only.length === 0 || only.includes(name)))
    await withSecrets(flags, async ({ config, contextFor }) => {
      const plan = await withProgress(
        () => `Comparing ${count(values.size, 'value')} with what is there`,
        () => planPush(config, contextFor, values, env),
      )
      const open = plan.filter(({ kind }) => kind !== 'same')
      const changes = plan.map(({ name, kind, target }) => {
        return { name, kind, provider: target.name, path: target.path, field: target.field ?? null }
      })
      const line = ({ name, kind, target }: (typeof plan)[number]): string => {
        const sign = kind === 'added' ? colors.green('+') : colors.yellow('~')
        return `${sign} ${name} → ${target.name}:${target.path}${target.field === undefined ? '' : `#${target.field}`}`
      }
      const summary = `${count(open.length, 'value')} to write, ${plan.length - open.length} the same.`
      if (flags['dry-run'] || open.length === 0) {
        const data = { file, changes, written: [] }
        result(json === true, data, () => [...open.map(line), summary].join('\n'))
        return
      }
      if (!json) for (const each of open) note(line(each))
      await approve(`Write ${count(open.length, 'value')}?`, yes)
      const written: string[] = []
      try {
        await withProgress(
          () => `Writing ${written.length + 1} of ${open.length}`,
          () => applyPush(config, contextFor, open, (names) => written.push(...names)),
        )
      } catch (error) {
        if (written.length > 0) warn(`Written before it failed: ${written.join(', ')}.`)
        throw error
      }
      for (const { target } of open) if (target.remark) warn(target.remark)
      result(json === true, { file, changes, written }, () => `Wrote ${count(written.length, 'value')}.`)
    })
  },
})
