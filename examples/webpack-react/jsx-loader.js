// What swc-loader does, for this example: JSX to JavaScript.
const { transform } = require('@swc/core')

module.exports = function (source) {
  const done = this.async()
  transform(source, {
    filename: this.resourcePath,
    swcrc: false,
    jsc: {
      parser: { syntax: 'ecmascript', jsx: true },
      target: 'es2022',
      transform: { react: { runtime: 'automatic' } },
    },
  }).then(({ code }) => done(null, code), done)
}
