import { relative, resolve } from 'node:path'
import type { FolderScan, Scanner } from '../../core/scan/index.ts'
import { repositoryOf, stagedFiles } from './git.ts'

/** What was looked at, and where it is. */
export interface Looked extends FolderScan {
  /** Absolute: assets are relative to it. */
  readonly folder: string
}

/**
 * Looks through what is staged for the next commit.
 * @param below absolute; only files below it. Default: the whole repository.
 * @throws CliError outside a repository
 */
export async function scanStaged(
  scanner: Scanner,
  { from, below, excluded }: { from: string; below: string | undefined; excluded: (path: string) => boolean },
): Promise<Looked> {
  const top = await repositoryOf(below ?? from)
  const prefix = below === undefined ? '' : relative(top, resolve(below)).replaceAll('\\', '/')
  const looked = { findings: [] as FolderScan['findings'][number][], files: 0, bytes: 0 }
  for await (const { path, bytes } of stagedFiles(top)) {
    if ((prefix !== '' && !path.startsWith(`${prefix}/`)) || excluded(path)) continue
    looked.files++
    looked.bytes += bytes.length
    looked.findings.push(...scanner.scan(bytes, path))
  }
  return { folder: top, problems: [], ...looked }
}
