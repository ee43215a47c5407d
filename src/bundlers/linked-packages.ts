import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PACKAGES } from './graph.ts'

/**
 * The real folders of packages that a project depends on and that are linked from elsewhere: those of its
 * workspace, and what these depend on in turn. They are sources as its own are.
 * @param root an absolute, real path
 */
export function linkedPackages(root: string): string[] {
  const found = new Set<string>()
  const visit = (folder: string): void => {
    for (const name of dependenciesOf(folder)) {
      const target = linkTarget(folder, name)
      if (target === undefined || found.has(target) || root === target) continue
      found.add(target)
      visit(target)
    }
  }
  visit(root)
  return [...found]
}

function dependenciesOf(folder: string): string[] {
  try {
    const text = readFileSync(join(folder, 'package.json'), 'utf8')
    const { dependencies, devDependencies, peerDependencies, optionalDependencies } = JSON.parse(
      text,
    ) as Record<string, object | undefined>
    return Object.keys({ ...peerDependencies, ...optionalDependencies, ...devDependencies, ...dependencies })
  } catch {
    // None, or none that can be read: whoever needs it says so.
    return []
  }
}

/** Where the nearest package of this name leads; nothing for one that is installed, in a store of links too. */
function linkTarget(folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat) {
      if (!stat.isSymbolicLink()) return undefined
      try {
        const target = realpathSync(path)
        return PACKAGES.test(target) ? undefined : target
      } catch {
        return undefined
      }
    }
    if (at === dirname(at)) return undefined
  }
}
