import { build, type InlineConfig, type Plugin } from 'vite'
import type { Project } from '../support/project.ts'
import { viteConfig } from '../support/project.ts'
import { conformance } from './conformance.ts'
import type { BuildOptions, BundlerHarness, Watching } from './harness.ts'
import { watching } from './rollup-like.ts'

function configOf(project: Project, options: BuildOptions, watch = false): InlineConfig {
  const { format = 'es', outDir = 'dist', minify = false, sourcemap = false } = options
  return viteConfig(project, options.config, {
    plugins: (options.plugins ?? []) as Plugin[],
    resolve: { alias: { ...options.alias } },
    build: {
      outDir,
      minify,
      sourcemap,
      target: 'esnext',
      ssr: options.consumer === 'server',
      watch: watch ? {} : null,
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
  })
}

const vite: BundlerHarness = {
  name: 'vite',
  async build(project, options) {
    await build(configOf(project, options))
  },
  watch(project, options) {
    const opening = build(configOf(project, options, true)).then((watcher) =>
      watching(watcher as unknown as Parameters<typeof watching>[0]),
    )
    let opened: Watching | undefined
    void opening.then((made) => (opened = made))
    return {
      next: async () => (await opening).next(),
      forget: () => opened?.forget?.(),
      close: async () => (await opening).close(),
    }
  },
}

conformance(vite, { worker: true, sealed: true, manifest: true })
