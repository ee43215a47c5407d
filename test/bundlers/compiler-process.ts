import type { SecretsConfig } from '../../src/core/types.ts'
import type { CompilerKind } from './compiler-cases.ts'
import { entryUrl } from './compilers.ts'

/** A build of its own process. It tells which modules of the user were built. */
export function buildScript(
  name: CompilerKind['name'],
  { target = 'web', settings = {} }: { target?: 'web' | 'node'; settings?: SecretsConfig } = {},
): string {
  const cache =
    name === 'webpack'
      ? `{ type: 'filesystem', cacheDirectory: root + '/cache' }`
      : `{ type: 'persistent', storage: { type: 'filesystem', directory: root + '/cache' } }`
  const from = { webpack: 'webpack', rspack: '@rspack/core' }[name]
  const make = { webpack: `require('webpack')`, rspack: `require('@rspack/core').rspack` }[name]
  return `
    import { createRequire } from 'node:module'
    import secrets from ${JSON.stringify(entryUrl(`bundlers/${name}`))}
    const require = createRequire(${JSON.stringify(import.meta.url)}) // for ${from}
    const bundler = ${make}
    const root = process.cwd()
    const plugin = secrets({
      providers: { local: { type: 'local' } }, types: false, cache: false,
      secrets: { MAPS_KEY: 'local:MAPS_KEY', DATABASE_URL: 'local:DATABASE_URL' }, client: ['MAPS_KEY'],
      ...${JSON.stringify(settings)},
    })
    const compiler = bundler({
      context: root, mode: 'production', target: ['${target}', 'es2022'], entry: './src/main.js', devtool: 'source-map',
      infrastructureLogging: { level: 'none' }, plugins: [plugin], cache: ${cache},
      output: { path: root + '/dist', filename: 'main.js' },
      module: { rules: [{ test: /src.\\w+\\.js$/, use: [root + '/count.cjs'] }] },
    })
    globalThis.built = []
    compiler.run((error, stats) => {
      if (error) throw error
      if (stats.hasErrors()) throw new Error(stats.toString('errors-only'))
      compiler.close(() => console.log(JSON.stringify(globalThis.built.sort())))
    })`
}
