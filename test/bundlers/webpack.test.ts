import { join } from 'node:path'
import webpack from 'webpack'
import { type CompilerKind, compilerCases } from './compiler-cases.ts'
import { compilerSealedCases } from './compiler-sealed-cases.ts'
import { type CompilerLike, compilerConfig, here, pluginOf, runOnce, watch } from './compilers.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'

const secrets = await pluginOf('webpack')
const make = (config: object | object[]): CompilerLike =>
  webpack(config as webpack.Configuration) as unknown as CompilerLike

const more = ({ cacheFolder, format }: BuildOptions): object => ({
  experiments: { outputModule: format !== 'cjs', css: true },
  cache: cacheFolder ? { type: 'filesystem', cacheDirectory: cacheFolder } : false,
  module: { rules: [{ test: /\.ts$/, use: [join(here, 'typescript-loader.cjs')] }] },
})

const harness: BundlerHarness = {
  name: 'webpack',
  build: (project, options) =>
    runOnce(project, make(compilerConfig(project, options, secrets(options.config), more(options)))),
  watch: (project, options) =>
    watch(make(compilerConfig(project, options, secrets(options.config), more(options)))),
}

conformance(harness, { worker: true, cache: true, sealed: true, manifest: true, dropsUnused: false })
const kind: CompilerKind = { name: 'webpack', secrets, harness, make, more }
compilerCases(kind)
compilerSealedCases(kind)
