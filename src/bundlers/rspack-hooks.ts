import type { CompilerRun, CompilerWays } from './compiler-hooks.ts'
import { fileBeside, STUB } from './compiler-virtual.ts'
import { PACKAGES } from './graph.ts'
import { codeFilter, WATCH_FILTER } from './rspack-filters.ts'
import { stampOf } from './webpack-hooks.ts'

/** What no loader makes JavaScript with reads of. */
const ASSETS =
  /\.(?:png|jpe?g|gif|webp|avif|ico|svg|bmp|woff2?|ttf|otf|eot|mp3|mp4|webm|ogg|wav|pdf|zip|gz|br|wasm|node|map|css|scss|sass|less|styl|md|txt)$/

/** The first Rspack whose rules have a `codeFilter`. */
const FILTERS_CODE = [2, 3] as const

interface Known {
  stamp: string
  /** Files that name a secret, where Rspack does not look for it. */
  readonly files: Set<string> | undefined
}

/**
 * Rspack's own `ProvidePlugin` reads a name once (it is not live), passes over destructuring, and lets
 * assignments, computed keys and the whole object by without a word. So reads are rewritten by the same
 * transform as everywhere, in a loader that a rule gives to the few modules that may read a secret: Rspack looks for that
 * in what the other loaders have made. Other modules stay on the native side.
 */
export function rspackWays(): CompilerWays {
  const known = new WeakMap<object, Known>()
  return {
    looksAlways: false,
    waitsForNothing: false,
    start(run) {
      const { cache } = run.compiler.options as { cache?: { type?: string; version?: string } | boolean }
      // Modules of a cache were looked at under the names of their time.
      if (typeof cache === 'object' && cache.type === 'persistent')
        cache.version = `${(cache.version ?? '').replace(/\|secrets:\w+$/, '')}|secrets:${stampOf(run)}`
    },
    async begin(run) {
      const { compiler } = run
      const stamp = stampOf(run)
      const before = known.get(compiler)
      if (!before) {
        const { rule, files } = filtersCode(run) ? filterRule(run) : await readersRule(run)
        known.set(compiler, { stamp, files })
        compiler.options.module.rules!.push(...rule)
        return
      }
      if (!compiler.watchMode) return
      if (before.stamp !== stamp) await lookAnew(run, before)
      before.stamp = stamp
      if (before.files) (await import('./rspack-readers.ts')).followReaders(run, before.files)
    },
  }
}

/** Names or client list have changed: whatever was looked at under the old ones is made again, and what the new ones stand in. */
async function lookAnew(run: CompilerRun, { files = new Set() }: Known): Promise<void> {
  const { readersOf } = await import('./rspack-readers.ts')
  for (const path of readersOf(run).files) files.add(path)
  for (const path of [...files, ...run.given]) run.compiler.modifiedFiles?.add(path)
}

function filtersCode({ compiler }: CompilerRun): boolean {
  const [major = 0, minor = 0] = (compiler.webpack.rspackVersion ?? '').split('.').map(Number)
  return major > FILTERS_CODE[0] || (major === FILTERS_CODE[0] && minor >= FILTERS_CODE[1])
}

const loader = fileBeside('rspack-loader')

/** After all other loaders: what they make is what is read. */
function filterRule({ compiler, session }: CompilerRun): { rule: object[]; files: undefined } {
  const names = [...session.names]
  const others = names.filter((name) => !session.exposure.client.values.has(name))
  const filter = compiler.watchMode
    ? WATCH_FILTER
    : codeFilter(names, others, session.config.replaceProcessEnv)
  if (!filter) return { rule: [], files: undefined }
  const use = [{ loader, codeFilter: filter }]
  return { rule: [{ enforce: 'post', resource: { not: [ASSETS, PACKAGES, STUB] }, use }], files: undefined }
}

/** The same for an older Rspack, by the files as they are on disk. */
async function readersRule(run: CompilerRun): Promise<{ rule: object[]; files: Set<string> }> {
  const { readersCondition, readersOf } = await import('./rspack-readers.ts')
  const { compiler } = run
  const readers = readersOf(run)
  const resource = readersCondition(compiler.context, readers, compiler.watchMode)
  return { rule: [{ enforce: 'post', resource, use: [{ loader }] }], files: readers.files }
}
