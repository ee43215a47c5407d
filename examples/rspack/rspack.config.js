import secrets from 'unplugin-secrets/rspack'

const shared = { mode: 'production', context: import.meta.dirname, plugins: [secrets()] }

export default [
  // `target` says whom an output is for.
  { ...shared, name: 'page', target: 'web', entry: { page: './src/page.js' } },
  {
    ...shared,
    name: 'server',
    target: 'node',
    entry: { server: './src/server.js' },
    output: { filename: '[name].cjs' },
  },
]
