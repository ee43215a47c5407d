// What `rspack build` of @rspack/cli does, for this example.
import { rspack } from '@rspack/core'
import config from './rspack.config.js'

const compiler = rspack(config)
compiler.run((error, stats) => {
  if (error) console.error(error)
  else console.log(stats.toString({ colors: process.stdout.isTTY }))
  if (error || stats.hasErrors()) process.exitCode = 1
  compiler.close(() => {})
})
