import { isAbsolute, relative, resolve } from 'node:path'
import { SecretsError } from '../core/errors.ts'
import { type ModuleUse, usedSecrets } from '../core/expose/usage.ts'
import type { Consumer } from '../core/types.ts'
import type { Session } from './session.ts'

/** One finished build of one graph, of which nothing is written yet. */
export interface BuiltGraph {
  /** What the bundler calls it: `client`, `ssr`, … */
  readonly name: string
  readonly consumer: Consumer
  readonly root: string
  /** Absolute, or relative to the root. */
  readonly outDir: string
  readonly uses: readonly ModuleUse[]
  /** Folders that are served as they are, besides a client's own output. */
  readonly served?: readonly string[]
}

/** What a graph is called where the bundler has no name for it: whom it is for, and where it goes. */
export function graphName(consumer: Consumer, root: string, output: string): string {
  return `${consumer} ${relative(root, output).replaceAll('\\', '/') || '.'}`
}

/**
 * Writes the graph's part of the manifest, where the configuration asks for one.
 * @throws SecretsError CONFIG_INVALID for a file that browsers would get, FILE_UNREADABLE
 */
export async function recordUsage(session: Session, built: BuiltGraph): Promise<void> {
  const { config, exposure, snapshot } = session
  if (config.manifest === false) return
  const { usageFile, writeUsage } = await import('../core/expose/usage-file.ts')
  const file = usageFile(config.root, config.manifest)
  const outDir = resolve(built.root, built.outDir)
  const open = [...(built.served ?? []), ...(built.consumer === 'client' ? [outDir] : [])]
  const folder = open.find((each) => {
    const path = resolve(built.root, each)
    // A folder that holds the project holds its sources too; nobody serves that.
    return isInside(path, file) && !isInside(path, config.root)
  })
  if (folder !== undefined) {
    throw new SecretsError('CONFIG_INVALID', `manifest would be written into ${folder}, which is served.`, {
      hint: 'It names your secrets and where they are. Give it a path outside, or true for .secrets/manifest.json.',
    })
  }
  await writeUsage(config.root, file, built.name, {
    consumer: built.consumer,
    environment: config.environment,
    profile: config.profile ?? null,
    outDir: relative(built.root, outDir).replaceAll('\\', '/') || '.',
    secrets: usedSecrets(built.uses, snapshot, exposure, config.server),
  })
}

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file)
  return !path.startsWith('..') && !isAbsolute(path)
}
