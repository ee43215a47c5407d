import type { SecretsConfig } from '../../src/core/types.ts'
import type { Project } from '../support/project.ts'

/** One build of a case. Paths are relative to `project.root`. */
export interface BuildOptions {
  readonly config: SecretsConfig
  /** The one entry, `src/main.js` or `.ts`; its output is `<outDir>/main.js` (`main.cjs` for CommonJS). */
  readonly entry: string
  /** Said the bundler's own way: platform, target, environment, or the `consumer` of the configuration. */
  readonly consumer: 'client' | 'server'
  /** Default `dist`. */
  readonly outDir?: string
  /** Default `false`. */
  readonly minify?: boolean
  /** Default `false`. */
  readonly sourcemap?: boolean
  /** Default `es`. What comes out must run in Node as it is, a client's output too. */
  readonly format?: 'es' | 'cjs'
  /** Several chunks for dynamic imports; default `true`. Bundlers that always split may ignore it. */
  readonly splitting?: boolean
  /** Where a persistent cache goes, absolute; absent: none. Bundlers without one ignore it. */
  readonly cacheFolder?: string
  /** Specifier → specifier, by the bundler's own setting, or the plugin that it recommends. */
  readonly alias?: Readonly<Record<string, string>>
  /** The bundler's own plugins, beside ours. */
  readonly plugins?: readonly unknown[]
}

/** A watching build. */
export interface Watching {
  /** Resolves at the end of the next build, or of one that ended since the last call; rejects when it failed. */
  next(): Promise<void>
  /** Forgets the builds that have ended: a file system may tell of one change twice. */
  forget?(): void
  close(): Promise<void>
}

/** A bundler as the suite sees it. */
export interface BundlerHarness {
  readonly name: string
  /**
   * Builds once and lets go of everything. What the bundler and the plugin say goes to `project.output`
   * (what they print to the console gets there by itself).
   * @throws what the user would see, its text in `message`
   */
  build(project: Project, options: BuildOptions): Promise<void>
  /** Builds at each change of a file. Absent where a case is not to be run. */
  watch?(project: Project, options: BuildOptions): Watching
}

/** What a bundler does not have by itself. Everything defaults to `true` where nothing else is said. */
export interface Specifics {
  /** `import data from './data.json'`. */
  readonly json?: boolean
  /** `import './a.css'` gives a stylesheet of its own. */
  readonly css?: boolean
  /** The harness compiles `.ts` entries. */
  readonly typescript?: boolean
  /** Output as CommonJS. */
  readonly cjs?: boolean
  /** `new Worker(new URL('./w.js', import.meta.url))` is bundled. Default `false`. */
  readonly worker?: boolean
  /** `cacheFolder` is used. Default `false`. */
  readonly cache?: boolean
  /** `server: 'sealed'` works. Default `false`. */
  readonly sealed?: boolean
  /** What nothing reads is dropped without minifying too. Default `true`. */
  readonly dropsUnused?: boolean
  /** `manifest` is written. Default `false`. */
  readonly manifest?: boolean
  /** Source maps hold the sources' text. */
  readonly sourcesContent?: boolean
  /** It builds in this process, which then has the values. Default `true`. */
  readonly inProcess?: boolean
  /** Source maps of minified outputs hold anything. Default `true`. */
  readonly minifiedMaps?: boolean
  /** Follows `require()` in a CommonJS module. Default `true`. */
  readonly require?: boolean
  /** Does without a source map of a source that is broken. Default `true`. */
  readonly brokenMaps?: boolean
  /** Keeps `({ a: b } = object)` when it drops what nothing reads. Default `true`. */
  readonly patternAssignments?: boolean
}
