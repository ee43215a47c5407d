import secrets from 'unplugin-secrets/rollup'

export default {
  input: 'src/index.js',
  // Rollup does not know whom a library is for. Without a word it is a browser's, which may not read STRIPE_KEY.
  plugins: [secrets({ consumer: 'server' })],
  output: { dir: 'dist', format: 'es', sourcemap: true },
}
