import { type Configuration, rspack } from '@rspack/core'
import { type CompilerKind, compilerCases } from './compiler-cases.ts'
import { compilerSealedCases } from './compiler-sealed-cases.ts'
import { type CompilerLike, compilerConfig, pluginOf, runOnce, watch } from './compilers.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'

const secrets = await pluginOf('rspack')
const make = (config: object | object[]): CompilerLike =>
  rspack(config as Configuration) as unknown as CompilerLike

const more = ({ cacheFolder }: BuildOptions): object => ({
  cache: cacheFolder
    ? { type: 'persistent', storage: { type: 'filesystem', directory: cacheFolder } }
    : false,
  module: {
    rules: [
      {
        test: /\.ts$/,
        loader: 'builtin:swc-loader',
        options: { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } },
        type: 'javascript/auto',
      },
      { test: /\.css$/, type: 'css' },
    ],
  },
})

const harness: BundlerHarness = {
  name: 'rspack',
  build: (project, options) =>
    runOnce(project, make(compilerConfig(project, options, secrets(options.config), more(options)))),
  watch: (project, options) =>
    watch(make(compilerConfig(project, options, secrets(options.config), more(options)))),
}

conformance(harness, { worker: true, cache: true, sealed: true, manifest: true, dropsUnused: false })
const kind: CompilerKind = { name: 'rspack', secrets, harness, make, more }
compilerCases(kind)
compilerSealedCases(kind)
