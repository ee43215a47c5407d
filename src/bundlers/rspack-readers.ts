import { sep } from 'node:path'
import { CLIENT_ID } from '../core/expose/ids.ts'
import { fileReads, findReaders, type ReadersOptions } from '../core/readers.ts'
import type { CompilerRun } from './compiler-hooks.ts'
import { STUB } from './compiler-virtual.ts'
import { PACKAGES } from './graph.ts'

/** Sources that a rule may send to the loader though nobody has looked into them. */
const CODE = /\.(?:[cm]?[jt]sx?|vue|svelte|astro|mdx)$/

/** Files below the root that name a secret, as they are on disk. */
export function readersOf(run: CompilerRun): ReturnType<typeof findReaders> {
  return findReaders(run.compiler.context, readersOptions(run))
}

/** In a watching build: what has changed may read now, or no longer. */
export function followReaders(run: CompilerRun, files: Set<string>): void {
  const options = readersOptions(run)
  for (const path of run.compiler.modifiedFiles ?? []) {
    if (fileReads(path, options) === false) files.delete(path)
    else files.add(path)
  }
}

function readersOptions({ compiler, session }: CompilerRun): ReadersOptions {
  const patterns = session.readsFilter.include
  const { replaceProcessEnv } = session.config
  const objects = replaceProcessEnv ? ['meta', 'process'] : ['meta']
  const given = session.exposure.client.values
  const others = [...session.names].filter((name) => !given.has(name))
  return {
    // Who only imports what the client module has reads nothing in another way.
    reads: (text) =>
      objects.some((word) => text.includes(word))
        ? patterns.some((pattern) => pattern.test(text))
        : text.includes(CLIENT_ID) && others.some((name) => text.includes(name)),
    words: [...objects, 'virtual:secrets'],
    skip: new Set([compiler.outputPath]),
  }
}

/** Which modules go to the loader where Rspack does not look into them itself. */
export function readersCondition(
  root: string,
  { files, unknown }: { files: ReadonlySet<string>; unknown: readonly string[] },
  watch: boolean,
): unknown {
  const inside = root.endsWith(sep) ? root : root + sep
  const isUnknown = (path: string): boolean =>
    unknown.some((start) => path.startsWith(start)) ||
    (CODE.test(path) && ![inside, STUB].some((start) => path.startsWith(start)) && !PACKAGES.test(path))
  // A rule cannot change once Rspack has it, but in a watching build the files do.
  return watch
    ? (path: string) => files.has(path) || isUnknown(path)
    : [...files, ...unknown, { and: [CODE, { not: [inside, PACKAGES, STUB] }] }]
}
