const { join } = require('node:path')
const secrets = require('unplugin-secrets/webpack')

module.exports = {
  mode: 'production',
  context: __dirname,
  entry: './src/main.jsx',
  output: { path: join(__dirname, 'dist'), filename: '[name].js' },
  // React in a file of its own, so that the cache has it ready when only the app has changed.
  optimization: {
    splitChunks: {
      cacheGroups: {
        react: { test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, name: 'react', chunks: 'all' },
      },
    },
  },
  module: { rules: [{ test: /\.jsx$/, use: join(__dirname, 'jsx-loader.js') }] },
  // Kept between builds. It holds no server value, and a changed value is not answered from it.
  cache: { type: 'filesystem', cacheDirectory: join(__dirname, '.cache') },
  plugins: [secrets()],
}
