// What ts-loader, swc-loader and esbuild-loader do: drops types and gives a map.
const { transformSync } = require('esbuild')

module.exports = function (source) {
  const { code, map } = transformSync(source, {
    loader: 'ts',
    target: 'esnext',
    sourcefile: this.resourcePath,
    sourcemap: this.sourceMap,
  })
  this.callback(null, code, this.sourceMap ? JSON.parse(map) : undefined)
}
