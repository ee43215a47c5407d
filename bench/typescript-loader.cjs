// What a project's own loader would do for webpack; the same in every arm.
const { transformSync } = require('esbuild')

module.exports = (source) => transformSync(source, { loader: 'ts', target: 'esnext' }).code
