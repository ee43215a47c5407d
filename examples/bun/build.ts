import secrets from 'unplugin-secrets/bun'

await Bun.build({
  entrypoints: ['src/server.ts'],
  target: 'bun',
  outdir: 'dist',
  plugins: [secrets()],
})
