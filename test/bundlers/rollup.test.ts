import { join } from 'node:path'
import { type OutputOptions, type RollupOptions, rollup, watch } from 'rollup'
import secrets from '../../src/bundlers/rollup.ts'
import type { Project } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness } from './harness.ts'
import { namesOf, usual, watching } from './rollup-like.ts'

function inputOf(project: Project, options: BuildOptions): RollupOptions {
  const { config, consumer, plugins = [] } = options
  return {
    input: join(project.root, options.entry),
    plugins: [
      // First, where it is hardest to be last.
      secrets({ ...config, consumer, root: project.root }),
      usual(options),
      plugins as RollupOptions['plugins'],
    ],
    // Node's own modules, which nobody bundles.
    external: /^node:/,
    onLog: (level, log) => void project.output.push(`${level}: ${log.message}`),
    preserveEntrySignatures: 'strict',
  }
}

function outputOf(project: Project, options: BuildOptions): OutputOptions {
  const { format = 'es', outDir = 'dist', sourcemap = false } = options
  return { dir: join(project.root, outDir), format, sourcemap, ...namesOf(options) }
}

const harness: BundlerHarness = {
  name: 'rollup',
  async build(project, options) {
    const bundle = await rollup(inputOf(project, options))
    try {
      await bundle.write(outputOf(project, options))
    } finally {
      await bundle.close()
    }
  },
  watch(project, options) {
    return watching(watch({ ...inputOf(project, options), output: outputOf(project, options) }))
  },
}

conformance(harness, { json: false, css: false, require: false, sealed: true, manifest: true })
