import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { ResolvedConfig } from '../../core/config/resolve.ts'
import type { Finding, Scanner, ScanProblem } from '../../core/scan/index.ts'
import { type CommonFlags, command } from '../command.ts'
import { EXIT, notFoundError, usageError } from '../errors.ts'
import { colors, count, note, print, warn } from '../output.ts'
import type { Looked } from '../scan/look.ts'

type Format = 'text' | 'json' | 'sarif'

export default command({
  name: 'scan',
  description: 'Search files for values that only servers may have',
  examples: [
    ['secrets scan dist', 'exits with 10 when one is found'],
    ["secrets scan dist --exclude 'server/**' --env production", 'without a part of it'],
    ['secrets scan dist --format sarif --output scan.sarif', 'for a code host'],
    ['secrets scan --staged', 'what the next commit would hold'],
    ['secrets scan --install-hook', 'the same at every commit'],
    ['secrets scan dist --update-baseline', 'accept what is found now'],
  ],
  args: {
    dir: { type: 'positional', required: false, description: 'The folder' },
    staged: { type: 'boolean', description: 'What is staged in git, instead of a folder (or only below it)' },
    'install-hook': { type: 'boolean', description: 'Have git scan what is staged before every commit' },
    exclude: {
      type: 'string',
      description: 'Files to leave out; may be given several times',
      valueHint: 'glob',
    },
    format: { type: 'enum', options: ['text', 'json', 'sarif'], description: 'Default text; --json is json' },
    output: { type: 'string', description: 'A file for the report', valueHint: 'file' },
    baseline: {
      type: 'string',
      description: 'Accepted findings. Default .secrets-baseline.json beside the configuration',
      valueHint: 'file',
    },
    'update-baseline': { type: 'boolean', description: 'Accept everything that is found' },
  },
  exits: [[EXIT.leak, 'a value was found']],
  async run({ flags, list }) {
    const format = (flags.format ?? (flags.json ? 'json' : 'text')) as Format
    if (flags.json && format !== 'json')
      throw usageError(`--json and --format ${format} contradict each other.`)
    if (flags['install-hook']) return installHook(flags, list('exclude'))
    if (!flags.dir && !flags.staged)
      throw usageError('scan needs DIR, or --staged.', 'See: secrets scan --help')
    if (flags.staged && flags['update-baseline'])
      throw usageError('--update-baseline goes with DIR alone: what is staged is not all there is.')
    const folder = flags.dir === undefined ? undefined : await folderOf(flags.dir)
    const { withSecrets } = await import('../context.ts')
    const { withProgress } = await import('../progress.ts')
    const [scan, { serverValues }, { createPolicy }] = await Promise.all([
      import('../../core/scan/index.ts'),
      import('../../core/expose/exposure.ts'),
      import('../../core/policy.ts'),
    ])
    await withSecrets(flags, async ({ config, load }) => {
      const values = serverValues(await load(), createPolicy(config.client))
      const scanner = scan.createScanner(values)
      const names = new Set(values.map(({ name }) => name)).size
      for (const { name, reason } of scanner.unscannable)
        if (format !== 'json') warn(`not scanned for ${name}: ${reason}`)
      const started = performance.now()
      let looked: Looked
      if (flags.staged) {
        const { scanStaged } = await import('../scan/look.ts')
        const excluded = await scan.matcher(list('exclude'))
        looked = await withProgress(
          () => 'Scanning what is staged',
          () => scanStaged(scanner, { from: config.root, below: folder, excluded }),
        )
      } else {
        const exclude = [...(config.scan ? config.scan.exclude : []), ...list('exclude')]
        const found = await withProgress(
          () => `Scanning ${flags.dir} for ${count(names, 'value')}`,
          () => scan.scanFolder(scanner, folder!, { exclude }),
        )
        looked = { folder: folder!, ...found }
      }
      const ms = Math.round(performance.now() - started)
      const baseline = await applyBaseline(flags, config, scanner, looked)
      const base = format === 'sarif' ? repositoryAround(looked.folder) : process.cwd()
      const shown = relative(base, looked.folder).replaceAll('\\', '/')
      const findings = flags.staged
        ? baseline.findings
        : await scan.traceFindings(baseline.findings, scanner, {
            read: scan.assetReader(looked.folder),
            shown,
          })
      await write({ ...baseline, findings, scanner, looked, ms, shown, format, output: flags.output })
    })
  },
})

async function folderOf(dir: string): Promise<string> {
  const folder = resolve(dir)
  const found = await stat(folder).catch(() => undefined)
  if (!found) throw notFoundError(`There is no folder ${folder}.`, 'Build first, or mend the path.')
  if (!found.isDirectory()) throw usageError(`${folder} is not a folder.`)
  return folder
}

async function installHook(
  flags: CommonFlags & { dir?: string | undefined },
  exclude: readonly string[],
): Promise<void> {
  if (flags.dir) throw usageError('--install-hook takes no folder: it is about the whole repository.')
  const [{ installHook: install }, { rootOf }] = await Promise.all([
    import('../scan/hook.ts'),
    import('../context.ts'),
  ])
  const given = { env: flags.env, profile: flags.profile, config: flags.config }
  const passed = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  )
  const { file, done } = await install(rootOf(flags), [
    ...passed,
    ...exclude.flatMap((glob) => ['--exclude', glob]),
  ])
  const said = { made: 'Made', extended: 'Added to', renewed: 'Renewed in', unchanged: 'Nothing to do in' }[
    done
  ]
  if (flags.json) print(JSON.stringify({ file, done }, undefined, 2))
  else print(`${said} ${file}.`)
}

interface Checked {
  readonly findings: readonly Finding[]
  /** How many places the baseline accepts. */
  readonly accepted: number
}

async function applyBaseline(
  flags: { readonly baseline: string | undefined; readonly 'update-baseline': boolean | undefined },
  { root, environment }: ResolvedConfig,
  scanner: Scanner,
  { folder, findings }: Looked,
): Promise<Checked> {
  const { BASELINE_FILE, updateBaseline, withoutAccepted } = await import('../../core/scan/index.ts')
  const file = flags.baseline === undefined ? join(root, BASELINE_FILE) : resolve(flags.baseline)
  const at = { file, scope: { root, folder, environment } }
  if (flags['update-baseline']) {
    const all = await updateBaseline(findings, scanner, at)
    note(`${count(findings.length, 'place')} accepted; ${count(all, 'place')} in ${file}.`)
    return { findings: [], accepted: findings.length }
  }
  if (flags.baseline !== undefined && !existsSync(file))
    throw notFoundError(`There is no baseline ${file}.`, 'Make it: secrets scan DIR --update-baseline.')
  const { problem, ...checked } = await withoutAccepted(findings, scanner, at)
  if (problem) warn(`${problem}.`)
  return checked
}

interface Report extends Checked {
  readonly scanner: Scanner
  readonly looked: Looked
  readonly ms: number
  /** The folder as it is shown. */
  readonly shown: string
  readonly format: Format
  readonly output: string | undefined
}

async function write({
  findings,
  accepted,
  scanner,
  looked,
  ms,
  shown,
  format,
  output,
}: Report): Promise<void> {
  const { folder, files, bytes, problems } = looked
  if (format === 'text') for (const { path, reason } of problems) warn(`${path} ${reason}`)
  // What was not looked at is not known to be clean. Set first: a reader that goes away must not change it.
  process.exitCode = findings.length > 0 ? EXIT.leak : problems.length > 0 ? EXIT.mend : EXIT.ok
  const summary = `${count(files, 'file')}, ${(bytes / 1e6).toFixed(1)} MB, ${ms} ms${accepted > 0 ? `, ${accepted} accepted` : ''}`
  const text = await {
    text: () => reportText(findings, summary, output === undefined),
    json: async () => {
      const { unscannable } = scanner
      return JSON.stringify(
        { folder, findings, accepted, files, bytes, ms, unscannable, problems },
        undefined,
        2,
      )
    },
    sarif: () => reportSarif(findings, problems, shown),
  }[format]()
  if (output === undefined) print(text)
  else {
    const { writeAtomic } = await import('../../core/files.ts')
    await writeAtomic(resolve(output), `${text}\n`, { mode: 0o644 })
    note(`The report is in ${resolve(output)}.`)
  }
  if (format !== 'json' && findings.length > 0) note(`Looked at ${summary}.`)
}

async function reportText(findings: readonly Finding[], summary: string, inColor: boolean): Promise<string> {
  const { formatFindings } = await import('../../core/scan/index.ts')
  const none = 'No secret found'
  return formatFindings(findings) || `${inColor ? colors.green(none) : none} in ${summary}.`
}

async function reportSarif(
  findings: readonly Finding[],
  problems: readonly ScanProblem[],
  base: string,
): Promise<string> {
  const [{ toSarif }, { VERSION }] = await Promise.all([
    import('../../core/scan/sarif.ts'),
    import('../../core/user-agent.ts'),
  ])
  return JSON.stringify(toSarif({ findings, problems, base, version: VERSION }), undefined, 2)
}

/** Code hosts want paths from the top of the repository. */
function repositoryAround(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at
    if (dirname(at) === at) return process.cwd()
  }
}
