import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { command } from '../command.ts'
import { EXIT, notFoundError, usageError } from '../errors.ts'
import { colors, count, note, result, warn } from '../output.ts'

export default command({
  name: 'scan',
  description: 'Search every file below a folder for values that only servers may have',
  examples: [
    ['secrets scan dist', 'exits with 10 when one is found'],
    ["secrets scan dist --exclude 'server/**' --env production", 'without a part of it'],
  ],
  args: {
    dir: { type: 'positional', required: true, description: 'The folder' },
    exclude: {
      type: 'string',
      description: 'Files to leave out; may be given several times',
      valueHint: 'glob',
    },
    format: { type: 'enum', options: ['text', 'json'], description: 'The same as --json for json' },
  },
  async run({ flags, list }) {
    const folder = resolve(flags.dir)
    const found = await stat(folder).catch(() => undefined)
    if (!found) throw notFoundError(`There is no folder ${folder}.`, 'Build first, or mend the path.')
    if (!found.isDirectory()) throw usageError(`${folder} is not a folder.`)
    const { withSecrets } = await import('../context.ts')
    const [{ createScanner, formatFindings, scanFolder }, { serverValues }, { createPolicy }] =
      await Promise.all([
        import('../../core/scan/index.ts'),
        import('../../core/expose/exposure.ts'),
        import('../../core/policy.ts'),
      ])
    await withSecrets(flags, async ({ config, load }) => {
      const scanner = createScanner(serverValues(await load(), createPolicy(config.client)))
      const started = performance.now()
      const exclude = [...(config.scan ? config.scan.exclude : []), ...list('exclude')]
      const { findings, files, bytes, problems } = await scanFolder(scanner, folder, { exclude })
      const ms = Math.round(performance.now() - started)
      const { unscannable } = scanner
      const json = flags.json === true || flags.format === 'json'
      // What was not looked at is not known to be clean.
      const exit = findings.length > 0 ? EXIT.leak : problems.length > 0 ? EXIT.mend : EXIT.ok
      if (!json) {
        for (const { name, reason } of unscannable) warn(`not scanned for ${name}: ${reason}`)
        for (const { path, reason } of problems) warn(`${path} ${reason}`)
      }
      const data = { folder, findings, files, bytes, ms, unscannable, problems }
      const summary = `${count(files, 'file')}, ${(bytes / 1e6).toFixed(1)} MB, ${ms} ms`
      result(
        json,
        data,
        () => formatFindings(findings) || `${colors.green('No secret found')} in ${summary}.`,
        exit,
      )
      if (!json && findings.length > 0) note(`Looked at ${summary}.`)
    })
  },
})
