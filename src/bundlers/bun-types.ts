/**
 * What this plugin uses of Bun's plugin API, described here because Bun's own types redefine the globals of a
 * whole program.
 */

/** The part of `Bun.build()`'s options that matters here. Plugins may change it before the build begins. */
export interface BunBuildConfig {
  entrypoints?: readonly string[]
  outdir?: string | undefined
  target?: 'browser' | 'bun' | 'node' | undefined
  sourcemap?: boolean | 'none' | 'linked' | 'inline' | 'external' | undefined
  metafile?: unknown
  compile?: unknown
}

/** One file of a finished build, in memory. */
export interface BunArtifact extends Blob {
  /** Relative to the output folder. */
  readonly path: string
  readonly loader: string
  readonly hash: string | null
  readonly kind: string
}

/** Which module asks for which, by paths relative to the current folder. */
export interface BunMetafile {
  readonly inputs: Readonly<Record<string, { readonly imports: readonly BunImport[] }>>
  readonly outputs: Readonly<
    Record<
      string,
      { bytes: number; readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }
    >
  >
}

interface BunImport {
  readonly path: string
  readonly external?: boolean
  /** The source of a chunk that is only imported on demand. */
  readonly entryPoint?: string
}

export interface BunBuildOutput {
  success: boolean
  outputs: BunArtifact[]
  metafile?: BunMetafile | undefined
}

/** Whom a module is made for; a server's build may hold pages, which are made for browsers. */
export type BunSide = 'client' | 'server'

export interface BunOnLoadArgs {
  readonly path: string
  readonly namespace: string
  readonly loader: string
  readonly side?: BunSide
}

export interface BunOnResolveArgs {
  readonly path: string
  readonly importer: string
  readonly namespace: string
}

export interface BunOnLoadResult {
  readonly contents: string
  readonly loader: string
}

export interface BunPluginBuilder {
  readonly config?: BunBuildConfig
  onResolve(
    options: { filter: RegExp; namespace?: string },
    callback: (args: BunOnResolveArgs) => { path: string; namespace?: string } | undefined,
  ): unknown
  onLoad(
    options: { filter: RegExp; namespace?: string },
    callback: (args: BunOnLoadArgs) => Promise<BunOnLoadResult | undefined> | BunOnLoadResult | undefined,
  ): unknown
  onEnd?(callback: (result: BunBuildOutput) => Promise<void>): unknown
}

/** Bun's plugin object. */
export interface BunPlugin {
  readonly name: string
  setup(build: BunPluginBuilder): Promise<void>
}
