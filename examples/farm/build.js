import { build } from '@farmfe/core'
import secrets from 'unplugin-secrets/farm'

// Without a configuration file: two builds, each with a plugin of its own.
const common = { configFile: false, clearScreen: false }

await build({
  ...common,
  compilation: { input: { index: './index.html' }, output: { path: 'dist/page', publicPath: './' } },
  plugins: [secrets()],
})
await build({
  ...common,
  compilation: {
    input: { server: './src/server.ts' },
    output: { path: 'dist/server', targetEnv: 'node', entryFilename: '[entryName].js' },
  },
  plugins: [secrets()],
})
