import { spawn } from 'node:child_process'
import { reasonOf } from '../../core/errors.ts'
import { EXIT, notFoundError, usageError } from '../errors.ts'

/** One file as the next commit would hold it. */
export interface StagedFile {
  /** Relative to the top of the repository, with `/`. */
  readonly path: string
  readonly bytes: Uint8Array
}

/**
 * Runs git.
 * @param input for its standard input
 * @throws CliError when there is no git, no repository, or git fails. What git itself says is not shown:
 * it may quote anything.
 */
export async function git(folder: string, args: readonly string[], input?: string): Promise<Buffer> {
  const child = spawn('git', args, { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  // It ends early where it fails; its exit code says so.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        (error as NodeJS.ErrnoException).code === 'ENOENT'
          ? notFoundError(
              'There is no git on this machine.',
              'Install it, or scan a folder: secrets scan DIR.',
            )
          : usageError(`git could not be started (${reasonOf(error)}).`),
      ),
    )
    child.once('close', resolve)
  })
  if (code === 0) return Buffer.concat(pieces)
  throw usageError(`git ${args[0]} failed in ${folder} (exit code ${code ?? EXIT.interrupted}).`)
}

/** The top folder of the repository around a folder. @throws CliError when there is none */
export async function repositoryOf(folder: string): Promise<string> {
  const answer = await git(folder, ['rev-parse', '--show-toplevel']).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'NOT_FOUND') throw error
    throw usageError(
      `${folder} is in no git repository.`,
      'Run it inside one, or scan a folder: secrets scan DIR.',
    )
  })
  return answer.toString().replace(/\r?\n$/, '')
}

/** The contents that are staged and differ from the last commit, one after the other. */
export async function* stagedFiles(top: string): AsyncGenerator<StagedFile> {
  const diff = ['diff', '--cached', '--raw', '-z', '--no-abbrev', '--no-renames', '--no-ext-diff']
  const raw = (await git(top, [...diff, '--diff-filter=ACMRT', '--'])).toString()
  // `:100644 100644 <before> <after> M\0path\0`
  const fields = raw.split('\0')
  const staged: { id: string; path: string }[] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, mode, , id] = fields[at]!.split(' ')
    // A submodule is another repository, with an index of its own.
    if (mode !== '160000' && id !== undefined) staged.push({ id, path: fields[at + 1]! })
  }
  for (const group of groupsOf(staged, 200)) {
    const input = group.map(({ id }) => `${id}\n`).join('')
    const answer = await git(top, ['cat-file', '--batch'], input)
    let at = 0
    for (const { path } of group) {
      // `<id> blob <size>\n<bytes>\n`
      const end = answer.indexOf(10, at)
      const size = Number(answer.toString('latin1', at, end).split(' ')[2])
      if (!Number.isInteger(size)) throw usageError('git cat-file gave no content for what is staged.')
      yield { path, bytes: answer.subarray(end + 1, end + 1 + size) }
      at = end + size + 2
    }
  }
}

function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = []
  for (let at = 0; at < items.length; at += size) groups.push(items.slice(at, at + size))
  return groups
}
