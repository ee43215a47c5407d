const { join } = require('node:path')
const secrets = require('unplugin-secrets/webpack')

module.exports = {
  mode: 'production',
  context: __dirname,
  entry: './src/main.jsx',
  output: { path: join(__dirname, 'dist'), filename: 'main.js' },
  module: { rules: [{ test: /\.jsx$/, use: join(__dirname, 'jsx-loader.js') }] },
  // Kept between builds. It holds no server value, and a changed value is not answered from it.
  cache: { type: 'filesystem', cacheDirectory: join(__dirname, '.cache') },
  plugins: [secrets()],
}
