import { createRequire } from 'node:module'
import { transform } from 'esbuild'
import type { Plugin, RollupWatcher } from 'rollup'
import type { BuildOptions, Watching } from './harness.ts'

/** What people give Rollup by plugins of their own: TypeScript, packages, aliases, minifying. */
export function usual(options: BuildOptions): Plugin[] {
  const { alias = {}, minify = false } = options
  return [
    {
      name: 'usual',
      resolveId(source, importer) {
        const target = alias[source]
        if (target !== undefined) return this.resolve(target, importer)
        if (importer === undefined || !/^[a-z]/.test(source) || source.includes(':')) return null
        return createRequire(importer).resolve(source)
      },
      async transform(code, id) {
        if (!id.endsWith('.ts')) return null
        const done = await transform(code, {
          loader: 'ts',
          sourcemap: true,
          sourcefile: id,
          target: 'es2023',
        })
        return { code: done.code, map: done.map }
      },
      async renderChunk(code) {
        if (!minify) return null
        const done = await transform(code, { minify: true, sourcemap: true })
        return { code: done.code, map: done.map }
      },
    },
  ]
}

export function namesOf({ format = 'es' }: BuildOptions): { entryFileNames: string; chunkFileNames: string } {
  return {
    entryFileNames: format === 'cjs' ? '[name].cjs' : '[name].js',
    chunkFileNames: 'chunks/[name].js',
  }
}

/** The ends of a watcher's builds, one after the other, also those that came before anybody asked. */
export function watching(watcher: Pick<RollupWatcher, 'on' | 'close'>): Watching {
  const ended: (Error | undefined)[] = []
  let wake = (): void => {}
  const tell = (error?: Error): void => {
    ended.push(error)
    wake()
  }
  let failed: Error | undefined
  watcher.on('event', async (event) => {
    if (event.code === 'START') failed = undefined
    if (event.code === 'ERROR') failed = Object.assign(new Error(event.error.message), { cause: event.error })
    if (event.code === 'END') tell(failed)
    if ('result' in event) await event.result?.close()
  })
  return {
    async next() {
      while (ended.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const error = ended.shift()
      if (error) throw error
    },
    forget: () => void ended.splice(0),
    async close() {
      await watcher.close()
    },
  }
}
