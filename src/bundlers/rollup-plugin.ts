import { dirname, extname, isAbsolute, relative, resolve } from 'node:path'
import type { Rollup } from 'vite'
import { VIRTUAL } from '../core/expose/ids.ts'
import type { ModuleUse } from '../core/expose/usage.ts'
import { consoleLogger, type Logger } from '../core/log.ts'
import { attemptAsync } from './error.ts'
import { fileOf } from './graph.ts'
import { localFiles } from './local-files.ts'
import { modulesFilter, otherModulesFilter, replaceNatively } from './native-reads.ts'
import { scanFolderOf, scanOutputs } from './outputs.ts'
import { graphHooks, keepFilter, type Syntax } from './rollup-hooks.ts'
import { usesOf } from './rollup-usage.ts'
import { changesFileOf } from './rotation-stamp.ts'
import type { Session } from './session.ts'
import { graphName, recordUsage } from './usage.ts'

/** What Rollup and Rolldown differ in. */
export interface RollupKind {
  /** The folder that the build's options name as theirs. */
  readonly root: (options: object) => string | undefined
  /** Whether the output is for runtimes that may lack Node's modules. */
  readonly edge: (options: object) => boolean
  /** Whether it can replace reads itself, by `transform.define` and `transform.inject`. */
  readonly replaces: boolean
  /** How modules are written by the time that this plugin sees them. */
  readonly syntaxOf: (options: object) => (id: string, moduleType: string | undefined) => Syntax | undefined
}

type Context = Pick<Rollup.PluginContext, 'info' | 'warn' | 'meta'>

/**
 * The wiring between the hooks of Rollup or Rolldown and one graph. Neither knows whom its output is for, so
 * the configuration says it; without a word it is a client's.
 * @param given the root that the plugin's own options name
 */
export function rollupPlugin(session: Session, kind: RollupKind, given?: string) {
  /** Where outputs are relative to. */
  let base = process.cwd()
  /** Where the configuration is, and paths in messages are relative to. */
  let root = given ?? base
  let syntaxOf: ReturnType<RollupKind['syntaxOf']> = () => undefined
  let isEdge = false
  let isPrepared = false
  let said = ''
  /** The file that is touched when a provider has another value, in a watching build. */
  let stamp: string[] = []
  /** What a build has brought to disk and was scanned before, by folder. */
  const emitted = new Map<string, Set<string>>()
  /** What a build has said of an output folder or file: several outputs may share one. */
  const recorded = new Map<string, ModuleUse[]>()

  const graph = graphHooks(session, {
    root: () => root,
    consumerOf: () => session.config.consumer ?? 'client',
    edge: () => isEdge,
    // Whether an output will have one is known only when all modules are there.
    map: () => true,
    syntaxOf: (id, moduleType) => syntaxOf(id, moduleType),
  })

  // After the compilers of a framework or of TypeScript.
  const transform = { ...graph.transform, order: 'post' as const }

  const prepare = async (context: Context): Promise<void> => {
    const logger: Logger = {
      // Each rebuild says it; once said is enough.
      info: (message) => {
        if (message !== said) context.info(message)
        said = message
      },
      warn: (message) => context.warn(message),
      debug: consoleLogger.debug,
    }
    try {
      await attemptAsync(() => session.prepare({ root, mode: undefined, prefixes: [], logger }))
    } catch (error) {
      // A watching build goes on when these are mended.
      throw Object.assign(error as Error, {
        watchFiles: session.isConfigured ? [...localFiles(session.config), ...stamp] : [],
      })
    }
  }

  const record = async (
    context: Rollup.PluginContext,
    output: string,
    outDir: string,
    bundle: Rollup.OutputBundle,
  ): Promise<void> => {
    if (session.config.manifest === false) return
    const parse = (code: string, id: string): unknown => {
      const type = extname(fileOf(id)).replace(/^\.[cm]?/, '')
      return context.parse(code, syntaxOf(id, type)?.parser as Parameters<typeof context.parse>[1])
    }
    const consumer = session.config.consumer ?? 'client'
    const name = graphName(consumer, root, output)
    const uses = [...(recorded.get(name) ?? []), ...usesOf(context, bundle, root, parse)]
    recorded.set(name, uses)
    await recordUsage(session, { name, consumer, root, outDir, uses })
  }

  const scanFolders = (): Promise<void> =>
    attemptAsync(async () => {
      for (const [folder, names] of emitted) await scanFolderOf(session, folder, root, names)
    })

  return {
    ...graph,

    // Filters are compiled after this hook, so the names must be known by now.
    options: {
      order: 'post',
      async handler(this: Context, options: object) {
        base = kind.root(options) ?? process.cwd()
        root = given ?? base
        syntaxOf = kind.syntaxOf(options)
        isEdge = kind.edge(options)
        await prepare(this)
        isPrepared = true
        // A watching build asks for options once, and names may come and go.
        const native = kind.replaces && !this.meta.watchMode
        if (native) replaceNatively(session, options)
        transform.filter = native ? otherModulesFilter(session) : modulesFilter(session)
        keepFilter((options as { plugins?: unknown }).plugins, transform)
        return null
      },
    },

    async buildStart(this: Rollup.PluginContext) {
      graph.buildStart.call(this)
      const { watchMode } = this.meta
      // Rolldown does not watch files that are not there yet; we do.
      const isRolldown = 'rolldownVersion' in this.meta
      const files = isRolldown ? [] : localFiles(session.config)
      if (watchMode) for (const file of [...files, ...stamp]) this.addWatchFile(file)
      // A watching Rolldown asks for options once, and values may have changed since.
      if (!isPrepared) await prepare(this)
      if (watchMode) {
        stamp = [await changesFileOf(session, isRolldown)]
        this.addWatchFile(stamp[0]!)
      }
      isPrepared = false
      emitted.clear()
      recorded.clear()
    },

    // Before other plugins, which may take the prefix for a package.
    resolveId: { ...graph.resolveId, order: 'pre' },
    transform,

    // Before anything is written: a leak that is only found afterwards already is one.
    generateBundle: {
      order: 'post',
      async handler(
        this: Rollup.PluginContext,
        output: { dir?: string | undefined; file?: string | undefined },
        bundle: Rollup.OutputBundle,
      ) {
        const folder = resolve(base, output.dir ?? dirname(output.file ?? ''))
        const files = Object.values(bundle)
        for (const file of files) {
          if (file.type !== 'chunk') continue
          const left = [...file.imports, ...file.dynamicImports].find((id) => VIRTUAL.test(id))
          if (left !== undefined)
            this.error(`${left} was left out of the bundle by \`external\` or an alias.`)
        }
        await attemptAsync(() =>
          scanOutputs(
            session,
            files.map((file) => ({
              name: file.fileName,
              content: file.type === 'chunk' ? file.code : file.source,
            })),
            relative(root, folder) || '.',
          ),
        )
        await attemptAsync(() =>
          record(this, output.file ? resolve(base, output.file) : folder, folder, bundle),
        )
        // A folder that holds the project holds its sources and settings too, which are nobody's output.
        const below = relative(folder, root)
        if (below !== '' && (below.startsWith('..') || isAbsolute(below))) {
          const names = emitted.get(folder) ?? new Set()
          emitted.set(folder, names)
          for (const { fileName } of files) names.add(fileName)
        }
      },
    },

    // What other plugins put beside the bundle. Not everybody closes one.
    writeBundle: { order: 'post', sequential: true, handler: scanFolders },
    closeBundle: {
      order: 'post',
      sequential: true,
      async handler(this: Rollup.PluginContext) {
        await scanFolders()
        if (!this.meta.watchMode) await session.close()
      },
    },
    closeWatcher: () => session.close(),
  }
}
