import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { command } from '../command.ts'
import { EXIT } from '../errors.ts'
import { result } from '../output.ts'

export default command({
  name: 'types',
  description: 'Write the TypeScript declarations of the names; they hold no value',
  examples: [
    ['secrets types', 'where the plugin writes them too'],
    ['secrets types --check', 'for CI: fails when the file is not up to date'],
  ],
  args: {
    output: { type: 'string', description: 'The file to write', valueHint: 'file' },
    check: { type: 'boolean', description: 'Write nothing; fail when the file would change' },
  },
  async run({ flags }) {
    const { withSecrets } = await import('../context.ts')
    const { generateTypes } = await import('../../core/expose/dts.ts')
    const { defaultTypesFile, isUpToDate, writeTypes } = await import('../../core/expose/types-file.ts')
    await withSecrets(flags, async ({ config, load }) => {
      // Only an import brings names that the configuration does not show.
      const names = config.imports.length === 0 ? [...config.secrets.keys()].sort() : (await load()).names()
      const configured = typeof config.types === 'string' ? config.types : defaultTypesFile(config.root)
      const file = flags.output === undefined ? join(config.root, configured) : resolve(flags.output)
      const text = generateTypes({ config, names, folder: dirname(file) })
      const upToDate = isUpToDate(file, text)
      const shown = relative(process.cwd(), file)
      const data = { file, names, upToDate, written: !upToDate && !flags.check }
      if (flags.check) {
        const line = upToDate
          ? `${shown} is up to date.`
          : `${shown} is ${existsSync(file) ? 'out of date' : 'missing'}. Write it with: secrets types`
        result(flags.json === true, data, () => line, upToDate ? EXIT.ok : EXIT.mend)
        return
      }
      await writeTypes(file, text)
      result(flags.json === true, data, () => (upToDate ? `${shown} is up to date.` : `Wrote ${shown}.`))
    })
  },
})
