import { type InputOptions, type OutputOptions, rolldown, watch } from 'rolldown'
import { viteAliasPlugin } from 'rolldown/experimental'
import secrets from '../../src/bundlers/rolldown.ts'
import type { Project } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'
import { namesOf, watching } from './rollup-like.ts'

function inputOf(project: Project, options: BuildOptions): InputOptions {
  const { alias, config, consumer, plugins = [] } = options
  return {
    cwd: project.root,
    input: options.entry,
    plugins: [
      secrets({ ...config, consumer, root: project.root }),
      // `resolve.alias` asks no plugin for what it leads to.
      alias &&
        viteAliasPlugin({
          entries: Object.entries(alias).map(([find, replacement]) => ({ find, replacement })),
        }),
      plugins as InputOptions['plugins'],
    ],
    platform: consumer === 'server' ? 'node' : 'browser',
    onLog: (level, log) => void project.output.push(`${level}: ${log.message}`),
    preserveEntrySignatures: 'strict',
  }
}

function outputOf({ outDir = 'dist', ...options }: BuildOptions): OutputOptions {
  const { format = 'es', minify = false, sourcemap = false } = options
  return { dir: outDir, format, sourcemap, minify, ...namesOf(options) }
}

const harness: BundlerHarness = {
  name: 'rolldown',
  async build(project, options) {
    const bundle = await rolldown(inputOf(project, options))
    try {
      await bundle.write(outputOf(options))
    } finally {
      await bundle.close()
    }
  },
  watch(project, options) {
    const watcher = watch({ ...inputOf(project, options), output: outputOf(options) })
    return watching(watcher as unknown as Parameters<typeof watching>[0])
  },
}

conformance(harness, { css: false, sealed: true, manifest: true })
