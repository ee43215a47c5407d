import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SecretsConfig } from '../../src/core/types.ts'
import type { Project } from '../support/project.ts'
import { buildEntries } from './built.ts'
import type { BuildOptions, BundlerHarness, Watching } from './harness.ts'

/** The part of webpack's and Rspack's own API that a build takes. */
export interface CompilerLike {
  // biome-ignore lint/suspicious/noExplicitAny: two packages with types of their own for the same objects
  run(callback: (error: Error | null | undefined, stats?: any) => void): void
  watch(
    options: object,
    // biome-ignore lint/suspicious/noExplicitAny: as above
    callback: (error: Error | null | undefined, stats?: any) => void,
  ): { close(callback: () => void): void } | undefined
  close(callback: (error?: Error | null) => void): void
}
export type Secrets = (options?: SecretsConfig) => object

const built = await buildEntries([
  'bundlers/webpack',
  'bundlers/rspack',
  'bundlers/webpack-loader',
  'bundlers/rspack-loader',
  'bundlers/webpack-stub',
  'runtime/index',
  'runtime/sealed-node',
  'runtime/sealed-edge',
])
export const entryUrl = built.url

/** The plugin as a user's configuration imports it. */
export async function pluginOf(name: 'webpack' | 'rspack'): Promise<Secrets> {
  const entry = (await import(/* @vite-ignore */ built.url(`bundlers/${name}`))) as { default: Secrets }
  return entry.default
}

/** A configuration for both; what is not the same comes in `more`. */
export function compilerConfig(
  project: Project,
  options: BuildOptions,
  plugin: object,
  more: object,
): object {
  const { format = 'es', outDir = 'dist', minify = false, sourcemap = false, consumer } = options
  const isEs = format === 'es'
  return {
    context: project.root,
    mode: 'production',
    target: consumer === 'server' ? 'node20' : ['web', 'es2022'],
    entry: { main: `./${options.entry}` },
    devtool: sourcemap ? 'source-map' : false,
    infrastructureLogging: { level: 'info', console: console },
    performance: false,
    resolve: { alias: { ...options.alias } },
    output: {
      path: join(project.root, outDir),
      filename: isEs ? '[name].js' : '[name].cjs',
      chunkFilename: 'chunks/[name].js',
      module: isEs,
      chunkFormat: isEs ? 'module' : 'commonjs',
      library: { type: isEs ? 'module' : 'commonjs2' },
    },
    optimization: { minimize: minify },
    plugins: [plugin, ...(options.plugins ?? [])],
    ...more,
  }
}

/** The text that a user's terminal shows for a failed build, without the bar that Rspack draws beside it. */
function textOf(errors: readonly { message: string }[]): string {
  return errors.map(({ message }) => message.replace(/^ {2}[×│] ?/gm, '')).join('\n')
}

/** Builds once. @throws what the compiler reports */
export async function runOnce(project: Project, compiler: CompilerLike): Promise<void> {
  const failure = await new Promise<Error | undefined>((resolve) => {
    compiler.run((error, stats) => {
      if (stats) project.output.push(stats.toString({ colors: false, all: true, source: false }))
      if (error) resolve(error)
      else
        resolve(
          stats.hasErrors()
            ? new Error(textOf(stats.toJson({ all: false, errors: true }).errors))
            : undefined,
        )
    })
  })
  await new Promise<void>((resolve) => compiler.close(() => resolve()))
  if (failure) throw failure
}

/** Builds at each change. */
export function watch(compiler: CompilerLike): Watching {
  const ended: (Error | undefined)[] = []
  let waiting: (() => void) | undefined
  const watching = compiler.watch({ aggregateTimeout: 50 }, (error, stats) => {
    ended.push(
      error ??
        (stats.hasErrors()
          ? new Error(textOf(stats.toJson({ all: false, errors: true }).errors))
          : undefined),
    )
    waiting?.()
  })
  return {
    async next() {
      if (ended.length === 0) await new Promise<void>((resolve) => (waiting = resolve))
      waiting = undefined
      const failure = ended.shift()
      if (failure) throw failure
    },
    forget() {
      ended.length = 0
    },
    close: async () => {
      await new Promise<void>((resolve) => (watching ? watching.close(() => resolve()) : resolve()))
      await new Promise<void>((resolve) => compiler.close(() => resolve()))
    },
  }
}

/** Where loaders of the tests are. */
export const here = dirname(fileURLToPath(import.meta.url))

export type { BundlerHarness }
