import { relative } from 'node:path'
import { SecretsError } from '../core/errors.ts'
import type { Finding } from '../core/scan/index.ts'
import type { Session } from './session.ts'

/** One emitted file, before or after it is written. */
export interface OutputFile {
  /** Relative to the output folder. */
  readonly name: string
  readonly content: string | Uint8Array
}

/**
 * Looks through what a build is about to write. A pure function of files, fed by each bundler's own hook.
 * @throws SecretsError `LEAK_FOUND` with name, file, line and encoding; never the value
 */
export async function scanOutputs(
  session: Session,
  files: Iterable<OutputFile>,
  shown: string,
): Promise<void> {
  const { scan } = session.config
  if (scan === false) return
  const scanner = await session.scanner()
  const { matcher } = await import('../core/scan/index.ts')
  const excluded = await matcher(scan.exclude)
  const findings: Finding[] = []
  for (const { name, content } of files) {
    if (excluded(name)) continue
    findings.push(...scanner.scan(typeof content === 'string' ? Buffer.from(content) : content, name))
  }
  await failOn(findings, shown)
}

/**
 * Looks through a folder: what was copied (`public/`), or what other plugins wrote behind the bundler's back.
 * @throws SecretsError `LEAK_FOUND`, `FILE_UNREADABLE` for what could not be looked at
 */
export async function scanFolderOf(
  session: Session,
  folder: string,
  root: string,
  skip: ReadonlySet<string> = new Set(),
): Promise<void> {
  const { scan } = session.config
  if (scan === false) return
  const { scanFolder } = await import('../core/scan/index.ts')
  const shown = relative(root, folder) || '.'
  const { findings, problems } = await scanFolder(await session.scanner(), folder, {
    exclude: scan.exclude,
    skip,
  })
  await failOn(findings, shown)
  if (problems.length === 0) return
  const list = problems.map(({ path, reason }) => `${shown}/${path} ${reason}`).join('; ')
  throw new SecretsError('FILE_UNREADABLE', `Not everything could be scanned: ${list}.`, {
    hint: 'Mend these files, or list them under scan.exclude when they may stay unseen.',
  })
}

async function failOn(findings: readonly Finding[], shown: string): Promise<void> {
  if (findings.length === 0) return
  const { formatFindings } = await import('../core/scan/index.ts')
  throw new SecretsError(
    'LEAK_FOUND',
    formatFindings(findings.map((finding) => ({ ...finding, asset: `${shown}/${finding.asset}` }))),
  )
}
