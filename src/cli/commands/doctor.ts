import { command } from '../command.ts'
import { EXIT } from '../errors.ts'
import { colors, count, printable, result } from '../output.ts'

export default command({
  name: 'doctor',
  description: 'Check the configuration, the files of this machine, and every provider with every reference',
  examples: [
    ['secrets doctor', 'exits with 1 when anything is not as it should be; a warning (!) alone is none'],
    ['secrets doctor --env production --profile staging', 'as another machine would see it'],
  ],
  args: {},
  async run({ flags }) {
    const { examine } = await import('../doctor/index.ts')
    const groups = await examine(flags)
    const failed = groups.flatMap(({ checks }) => checks.filter(({ ok }) => !ok)).length
    // Fine, with something to be mended all the same.
    const warnings = groups.flatMap(({ checks }) => checks.filter(({ ok, hint }) => ok && hint)).length
    const data = { ok: failed === 0, groups }
    const text = (): string => {
      const lines = groups.flatMap(({ title, checks }) => [
        colors.bold(title),
        ...checks.flatMap(({ label, ok, detail, hint }) => {
          const mark = ok ? (hint ? colors.yellow('!') : colors.green('✔')) : colors.red('✘')
          const found = detail ? `: ${detail.replaceAll('\n', '\n      ')}` : ''
          const advice = hint ? hint.split('\n').map((line) => `      ${colors.cyan(printable(line))}`) : []
          return [`  ${mark} ${printable(label)}${found}`, ...advice]
        }),
        '',
      ])
      const summary =
        failed === 0 ? colors.green('Everything is in order.') : colors.red(`${count(failed, 'problem')}.`)
      const remarks = warnings === 0 ? [] : [colors.yellow(`${count(warnings, 'warning')}.`)]
      return [...lines, [summary, ...remarks].join(' ')].join('\n')
    }
    result(flags.json === true, data, text, failed > 0 ? EXIT.mend : EXIT.ok)
  },
})
