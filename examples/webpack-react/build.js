// What `webpack` of webpack-cli does, for this example.
const webpack = require('webpack')

const compiler = webpack(require('./webpack.config.js'))
compiler.run((error, stats) => {
  if (error) console.error(error)
  else console.log(stats.toString({ colors: process.stdout.isTTY }))
  if (error || stats.hasErrors()) process.exitCode = 1
  // Writes the cache.
  compiler.close(() => {})
})
