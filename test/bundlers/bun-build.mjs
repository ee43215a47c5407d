// One build inside Bun: what is to be built comes by stdin, what a user would see of a failure goes to stderr.
const { alias, config, consumer, entry, format, minify, outDir, paths, plugins, sourcemap, splitting } =
  await Bun.stdin.json()
const { default: secrets } = await import(paths.plugin)
const { local } = await import(paths.providers)

// Bun itself has no aliases; a plugin may answer for a specifier, also with a module of somebody else's.
const aliases = {
  name: 'aliases',
  setup(build) {
    for (const [from, to] of Object.entries(alias ?? {}))
      build.onResolve({ filter: new RegExp(`^${from}$`) }, () => ({ path: to, namespace: 'secrets' }))
  },
}
try {
  await Bun.build({
    entrypoints: [entry],
    outdir: outDir ?? 'dist',
    target: consumer === 'server' ? 'node' : 'browser',
    format: format === 'cjs' ? 'cjs' : 'esm',
    splitting: format !== 'cjs' && (splitting ?? true),
    minify: minify ?? false,
    sourcemap: sourcemap ? 'linked' : 'none',
    naming: { entry: format === 'cjs' ? '[name].cjs' : '[name].[ext]' },
    plugins: [aliases, secrets({ ...config, providers: { local: local() } })],
    ...plugins,
  })
} catch (error) {
  const all = error instanceof AggregateError ? error.errors : [error]
  console.error(all.map((each) => each.message).join('\n'))
  process.exit(1)
}
