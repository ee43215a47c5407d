import { command } from '../command.ts'
import { colors, count, printable, result } from '../output.ts'

export default command({
  name: 'diff',
  description: 'Compare two environments or .env files: names and what changed, no values',
  examples: [
    ['secrets diff development production', 'two environments of the configuration'],
    ['secrets diff .env production', 'a file with an environment'],
    ['secrets diff staging production --reveal', 'with the values themselves'],
  ],
  args: {
    a: { type: 'positional', required: true, description: 'An environment, or a .env file' },
    b: { type: 'positional', required: true, description: 'An environment, or a .env file' },
    reveal: { type: 'boolean', description: 'Print the values that differ' },
  },
  async run({ flags }) {
    const { a, b, reveal, json } = flags
    const { sideOf } = await import('../sides.ts')
    const { changesBetween } = await import('../changes.ts')
    // One after the other: both may ask for the same login.
    const before = await sideOf(flags, a)
    const after = await sideOf(flags, b)
    const changes = changesBetween(before, after)
    const shown = changes.map(({ name, kind }) => ({
      name,
      kind,
      ...(reveal && { before: before.get(name) ?? null, after: after.get(name) ?? null }),
    }))
    const sign = { added: colors.green('+'), removed: colors.red('-'), changed: colors.yellow('~') }
    result(json === true, { a, b, changes: shown }, () => {
      const lines = changes.map(({ name, kind }) => {
        const head = `${sign[kind]} ${name}`
        if (!reveal) return head
        const side = (label: string, text: string | undefined): string[] =>
          text === undefined ? [] : [`    ${label}: ${printable(text)}`]
        return [head, ...side(a, before.get(name)), ...side(b, after.get(name))].join('\n')
      })
      return [...lines, `${count(changes.length, 'difference')} from ${a} to ${b}.`].join('\n')
    })
  },
})
