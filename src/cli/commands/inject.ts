import { resolve } from 'node:path'
import { command } from '../command.ts'
import { notFoundError } from '../errors.ts'
import { count, result } from '../output.ts'

export default command({
  name: 'inject',
  description: 'Fill {{vault:NAME}} in a file of any kind with the values, in clear',
  examples: [
    ['secrets inject nginx.conf.tpl > nginx.conf', 'to the standard output'],
    ['secrets inject app.yml.tpl --output app.yml', 'to a file that only this user can read'],
  ],
  args: {
    template: { type: 'positional', required: true, description: 'The file with {{vault:NAME}} in it' },
    output: { type: 'string', description: 'The file to write', valueHint: 'file' },
  },
  async run({ flags }) {
    const { template, output, json } = flags
    const { loadSome, withSecrets } = await import('../context.ts')
    const { readIfExists, writeAtomic } = await import('../../core/files.ts')
    const { aliasesOf, parseTemplate } = await import('../../core/template.ts')
    const source = (await readIfExists(resolve(template)))?.toString()
    if (source === undefined)
      throw notFoundError(`There is no file ${template}.`, 'Name the file that holds the {{vault:NAME}}.')
    // Other braces are somebody else's templates.
    const parts = parseTemplate(source, template, false)
    const names = [...new Set(aliasesOf(parts))]
    await withSecrets(flags, async ({ config }) => {
      const snapshot = names.length > 0 ? await loadSome(config, names) : undefined
      const filled = parts
        .map((part) => (typeof part === 'string' ? part : snapshot!.get(part.alias)!.reveal()))
        .join('')
      if (output !== undefined) await writeAtomic(resolve(output), filled)
      else if (!json) {
        process.stdout.write(filled)
        return
      }
      const data = {
        template: resolve(template),
        names,
        output: output === undefined ? null : resolve(output),
      }
      result(json === true, output === undefined ? { ...data, text: filled } : data, () => {
        return `Wrote ${output} with ${count(names.length, 'secret')}.`
      })
    })
  },
})
