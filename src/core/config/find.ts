import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { configFolder } from '../files.ts'

/** Looked for in this order; the first one in a folder is the one. */
const EXTENSIONS = ['ts', 'mts', 'js', 'mjs', 'json'] as const

/** Which scope a configuration file speaks for; later ones in the list override earlier ones. */
export type LayerKind = 'user' | 'repository' | 'workspace'

export interface ConfigFile {
  readonly kind: LayerKind
  readonly file: string
}

export interface FoundConfig {
  /** The folder the project's own files belong to: of the workspace config, else of the nearest `package.json`. */
  readonly root: string
  /** From the least to the most specific. */
  readonly files: readonly ConfigFile[]
}

/** The files that could be a folder's configuration, whether they are there or not. */
export function configCandidates(folder: string): string[] {
  return EXTENSIONS.map((extension) => join(folder, `secrets.config.${extension}`))
}

function configIn(folder: string, base: string): string | undefined {
  for (const extension of EXTENSIONS) {
    const file = join(folder, `${base}.${extension}`)
    if (existsSync(file)) return file
  }
  return undefined
}

/**
 * Walks up from `start` to the top of the repository (the folder with `.git`; without one, the nearest
 * `package.json`). The nearest `secrets.config.*` is the workspace's, one at the top the repository's,
 * `config.*` in the user's configuration folder the user's.
 */
export function findConfig(start: string): FoundConfig {
  const folders: string[] = []
  let packageRoot: string | undefined
  let top: string | undefined
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    folders.push(folder)
    if (packageRoot === undefined && existsSync(join(folder, 'package.json'))) packageRoot = folder
    if (existsSync(join(folder, '.git'))) {
      top = folder
      break
    }
    if (dirname(folder) === folder) break
  }
  // Outside a repository nothing above the package is ours to read.
  const last = top ?? packageRoot ?? folders[0]!
  const searched = folders.slice(0, folders.indexOf(last) + 1)

  const files: ConfigFile[] = []
  const user = configIn(configFolder(), 'config')
  if (user) files.push({ kind: 'user', file: user })
  const workspaceFolder = searched.find((folder) => configIn(folder, 'secrets.config'))
  const workspace = workspaceFolder && configIn(workspaceFolder, 'secrets.config')
  const repository =
    top === undefined || top === workspaceFolder ? undefined : configIn(top, 'secrets.config')
  if (repository) files.push({ kind: 'repository', file: repository })
  if (workspace) files.push({ kind: 'workspace', file: workspace })
  return { root: workspaceFolder ?? packageRoot ?? searched[0]!, files }
}
