import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { SecretsError } from '../core/errors.ts'
import { SEAL_MARK } from '../core/expose/seal-marks.ts'
import { assetReader, matcher, scanFolder } from '../core/scan/files.ts'
import type { ReadAsset } from '../core/scan/origin.ts'
import type { Finding } from '../core/scan/types.ts'
import type { Session } from './session.ts'

/** One emitted file, before or after it is written. */
export interface OutputFile {
  /** Relative to the output folder. */
  readonly name: string
  readonly content: string | Uint8Array
}

/**
 * Looks through what a build is about to write. A pure function of files, fed by each bundler's own hook.
 * @param shown the output folder, absolute or relative to `root`
 * @throws SecretsError `LEAK_FOUND` with name, file, line and encoding; never the value
 */
export async function scanOutputs(
  session: Session,
  files: Iterable<OutputFile>,
  shown: string,
  root: string = session.config.root,
): Promise<void> {
  const { scan, server } = session.config
  const all = [...files]
  if (server === 'sealed') checkSealed(all)
  if (scan === false) return
  const scanner = session.scanner()
  const excluded = await matcher(scan.exclude)
  const findings: Finding[] = []
  for (const { name, content } of all) {
    if (excluded(name)) continue
    findings.push(...scanner.scan(content, name))
  }
  const read: ReadAsset = async (asset) => {
    const file = all.find(({ name }) => name === asset)
    return file && Buffer.from(file.content as Uint8Array)
  }
  await failOn(session, findings, { folder: resolve(root, shown), root, read })
}

/** A plugin that renders code after us, or a bundler whose outputs are not sealed, would leave a server that cannot start. */
function checkSealed(files: readonly OutputFile[]): void {
  for (const { name, content } of files) {
    if (/\.[cm]?js$/.test(name) && SEAL_MARK.test(Buffer.from(content as Uint8Array).toString())) {
      throw new SecretsError(
        'UNSUPPORTED',
        `${name}: the values of virtual:secrets/server were not sealed.`,
        {
          hint: "Let no plugin after this one bring code into an output, or use server: 'runtime', which is the default.",
        },
      )
    }
  }
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
  // A build that failed for another reason may have made nothing at all, and has said why.
  if (scan === false || !existsSync(folder)) return
  const { findings, problems } = await scanFolder(session.scanner(), folder, {
    exclude: scan.exclude,
    skip,
  })
  await failOn(session, findings, { folder, root, read: assetReader(folder) })
  if (problems.length === 0) return
  const shown = relative(root, folder) || '.'
  const list = problems.map(({ path, reason }) => `${shown}/${path} ${reason}`).join('; ')
  throw new SecretsError('FILE_UNREADABLE', `Not everything could be scanned: ${list}.`, {
    hint: 'Mend these files, or list them under scan.exclude when they may stay unseen.',
  })
}

/** Where findings are, and how to get at the files beside them. */
interface Place {
  readonly folder: string
  readonly root: string
  readonly read: ReadAsset
}

async function failOn(
  session: Session,
  all: readonly Finding[],
  { folder, root, read }: Place,
): Promise<void> {
  if (all.length === 0) return
  const { BASELINE_FILE, formatFindings, traceFindings, withoutAccepted } = await import(
    '../core/scan/index.ts'
  )
  const scanner = session.scanner()
  const { root: project, environment } = session.config
  const { findings, problem } = await withoutAccepted(all, scanner, {
    file: join(project, BASELINE_FILE),
    scope: { root: project, folder, environment },
  })
  if (findings.length === 0) return
  const shown = (relative(root, folder) || '.').replaceAll('\\', '/')
  const traced = await traceFindings(findings, scanner, { read, shown })
  const report = formatFindings(traced.map((finding) => ({ ...finding, asset: `${shown}/${finding.asset}` })))
  throw new SecretsError('LEAK_FOUND', problem ? `${report}\n${problem}.` : report)
}
