import { build, type Plugin } from 'vite'
import { viteConfig } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BundlerHarness } from './harness.ts'

const vite: BundlerHarness = {
  name: 'vite',
  async build(project, options) {
    const { format = 'es', outDir = 'dist', minify = false, sourcemap = false } = options
    await build(
      viteConfig(project, options.config, {
        plugins: (options.plugins ?? []) as Plugin[],
        resolve: { alias: { ...options.alias } },
        build: {
          outDir,
          minify,
          sourcemap,
          target: 'esnext',
          ssr: options.consumer === 'server',
          // Output that Node runs: no page, no preloading of its parts.
          modulePreload: false,
          rolldownOptions: {
            input: options.entry,
            output: {
              format,
              entryFileNames: format === 'cjs' ? '[name].cjs' : '[name].js',
              chunkFileNames: 'chunks/[name].js',
            },
            preserveEntrySignatures: 'strict',
          },
        },
      }),
    )
  },
}

conformance(vite, { worker: true, sealed: true, manifest: true })
