import { sep } from 'node:path'
import { CLIENT_ID } from '../core/expose/ids.ts'
import { fileReads, findReaders, type ReadersOptions } from '../core/readers.ts'
import type { CompilerRun, CompilerWays } from './compiler-hooks.ts'
import { fileBeside, STUB } from './compiler-virtual.ts'
import { stampOf } from './webpack-hooks.ts'

/** Sources that a rule may send to the loader though nobody has looked into them. */
const CODE = /\.(?:[cm]?[jt]sx?|vue|svelte|astro|mdx)$/
const PACKAGES = /[\\/]node_modules[\\/]/

/**
 * Rspack's own `ProvidePlugin` reads a name once (it is not live), passes over destructuring, and lets
 * assignments, computed keys and the whole object by without a word. So reads are rewritten by the same
 * transform as everywhere, in a loader that a rule gives to the few files that name a secret. Other modules
 * stay on the native side.
 */
export function rspackWays(): CompilerWays {
  const known = new WeakMap<object, { files: Set<string>; stamp: string }>()
  return {
    looksAlways: false,
    waitsForNothing: false,
    start(run) {
      const { cache } = run.compiler.options as { cache?: { type?: string; version?: string } | boolean }
      // Modules of a cache were looked at under the names of their time.
      if (typeof cache === 'object' && cache.type === 'persistent')
        cache.version = `${(cache.version ?? '').replace(/\|secrets:\w+$/, '')}|secrets:${stampOf(run)}`
    },
    begin(run) {
      const { compiler } = run
      const options = readersOptions(run)
      const stamp = stampOf(run)
      const before = known.get(compiler)
      if (before && compiler.watchMode) {
        if (before.stamp !== stamp) lookAnew(run, before, options)
        before.stamp = stamp
        // Only what changed; the rule asks for each module that is made again.
        for (const path of compiler.modifiedFiles ?? []) {
          if (fileReads(path, options) === false) before.files.delete(path)
          else before.files.add(path)
        }
        return
      }
      const readers = findReaders(compiler.context, options)
      known.set(compiler, { files: readers.files, stamp })
      compiler.options.module.rules!.push(readersRule(compiler.context, readers, compiler.watchMode))
    },
  }
}

/** Names or client list have changed: whatever was looked at under the old ones is made again, and what the new ones stand in. */
function lookAnew(
  { compiler, given }: CompilerRun,
  before: { readonly files: Set<string> },
  options: ReadersOptions,
): void {
  for (const path of findReaders(compiler.context, options).files) before.files.add(path)
  for (const path of [...before.files, ...given]) compiler.modifiedFiles?.add(path)
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

/** After all other loaders: what they make is what is read. */
function readersRule(
  root: string,
  { files, unknown }: { files: ReadonlySet<string>; unknown: readonly string[] },
  watch: boolean,
): object {
  const inside = root.endsWith(sep) ? root : root + sep
  const isUnknown = (path: string): boolean =>
    unknown.some((start) => path.startsWith(start)) ||
    (CODE.test(path) && ![inside, STUB].some((start) => path.startsWith(start)) && !PACKAGES.test(path))
  return {
    enforce: 'post',
    // A rule cannot change once Rspack has it, but in a watching build the files do.
    resource: watch
      ? (path: string) => files.has(path) || isUnknown(path)
      : [...files, ...unknown, { and: [CODE, { not: [inside, PACKAGES, STUB] }] }],
    use: [{ loader: fileBeside('rspack-loader') }],
  }
}
