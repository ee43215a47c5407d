import { isAbsolute, relative, resolve, sep } from 'node:path'
import type { Plugin } from 'vite'
import { attemptAsync } from './error.ts'
import { scanFolderOf } from './outputs.ts'
import type { Session } from './session.ts'

/**
 * Frameworks build several environments, then run the server's code to write pages, and change bundles that were
 * complete. So all that they wrote is looked at once more when nobody has anything left to do: last in the
 * list and last in order.
 */
export function pagesPlugin(session: Session): Plugin {
  return {
    name: 'unplugin-secrets:pages',
    buildApp: {
      order: 'post',
      async handler({ config, environments }) {
        const built = Object.values(environments).filter(({ isBuilt }) => isBuilt)
        if (built.length < 2) return
        const folders = built.map((environment) => resolve(config.root, environment.config.build.outDir))
        await attemptAsync(() => scanPages(session, folders, config.root))
      },
    },
  }
}

/**
 * Looks through all that was written to some folders and, where they have one of their own, the folder that holds them.
 * @throws SecretsError as `scanFolderOf`
 */
export async function scanPages(session: Session, folders: readonly string[], root: string): Promise<void> {
  for (const folder of outermost(folders, root)) await scanFolderOf(session, folder, root)
}

/** The folder that holds all of them, where pages have one of their own; not one that holds the sources too. */
function outermost(folders: readonly string[], root: string): Iterable<string> {
  const [first = [], ...others] = folders.map((folder) => folder.split(sep))
  const end = first.findIndex((part, index) => others.some((parts) => parts[index] !== part))
  const all = (end === -1 ? first : first.slice(0, end)).join(sep)
  const above = relative(all, root)
  const holdsRoot = above === '' || !(above.startsWith('..') || isAbsolute(above))
  return holdsRoot ? new Set(folders) : [all]
}
