import { realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { SecretsError } from '../errors.ts'
import { cacheFolder } from '../files.ts'

/**
 * A cache inside the project would be copied into images, published, served and committed with it. Chosen so
 * it is a mistake; where the home folder happens to be the project (containers) memory does.
 * @param root real path
 * @throws SecretsError CONFIG_INVALID
 */
export function chooseFolder(
  root: string,
  chosen: string | undefined,
  warn: (message: string) => void,
): string | undefined {
  const folder = chosen === undefined ? cacheFolder() : resolve(root, chosen)
  if (!isInside(realpath(folder), root)) return folder
  if (chosen !== undefined)
    throw new SecretsError('CONFIG_INVALID', `cache.directory must not be inside the project: ${folder}.`, {
      hint: 'Choose a folder outside, or leave it out: the user’s cache folder is used then.',
    })
  warn(`Secrets are cached in memory only: the user's cache folder ${folder} is inside the project.`)
  return undefined
}

function isInside(folder: string, root: string): boolean {
  const path = relative(root, folder)
  return path === '' || !(path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path))
}

/** Links resolved as far as the path exists. */
export function realpath(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realpath(parent), path.slice(parent.length))
  }
}
