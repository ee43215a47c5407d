import { build } from 'esbuild'
import secrets from 'unplugin-secrets/esbuild'

await build({
  entryPoints: ['src/main.ts'],
  bundle: true,
  // Says that this is a server's. With `browser` the same sources are refused.
  platform: 'node',
  format: 'esm',
  outdir: 'dist',
  sourcemap: true,
  plugins: [secrets()],
})
