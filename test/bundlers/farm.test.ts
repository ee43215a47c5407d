import { Compiler, type JsPlugin, Logger, resolveConfig, type UserConfig } from '@farmfe/core'
import secrets from '../../src/bundlers/farm.ts'
import type { Project } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'

/** What Farm's own `build` does, which ends the process where something fails. */
async function farm(project: Project, config: UserConfig, plugins: readonly unknown[]): Promise<void> {
  const logger = new Logger()
  const { compilation, jsPlugins, rustPlugins } = await resolveConfig(
    { root: project.root, configFile: false, clearScreen: false, ...config, plugins: plugins as JsPlugin[] },
    'production',
    logger,
  )
  const compiler = new Compiler({ config: compilation!, jsPlugins, rustPlugins }, logger)
  await compiler.compile()
  compiler.writeResourcesToDisk()
}

function configOf(options: BuildOptions): UserConfig {
  const {
    alias,
    cacheFolder,
    entry,
    format = 'es',
    minify = false,
    outDir = 'dist',
    sourcemap = false,
  } = options
  return {
    compilation: {
      input: { main: `./${entry}` },
      output: {
        path: outDir,
        // Its browser outputs do not run in Node, and those of libraries cannot be split.
        targetEnv: 'node-next',
        format: format === 'es' ? 'esm' : 'cjs',
        filename: '[name].[ext]',
        entryFilename: format === 'es' ? '[entryName].js' : '[entryName].cjs',
      },
      resolve: { alias: { ...alias } },
      presetEnv: false,
      persistentCache: cacheFolder === undefined ? false : { cacheDir: cacheFolder },
      minify,
      sourcemap,
      progress: false,
    },
  }
}

const harness: BundlerHarness = {
  name: 'farm',
  async build(project, options) {
    const { config, consumer, plugins = [] } = options
    // A client that runs in Node says so itself.
    const own = consumer === 'client' ? { ...config, consumer } : config
    await farm(project, configOf(options), [secrets(own), ...plugins])
  },
}

conformance(harness, { sealed: true, cache: true })
