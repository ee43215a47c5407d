// One webpack or Rspack build in this process; started by webpack.mjs with its plan as JSON.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const plan = JSON.parse(process.argv[2])
const isRspack = plan.bundler === 'rspack'
const require = createRequire(import.meta.url)
const bundler = isRspack ? require('@rspack/core').rspack : require('webpack')
const values = JSON.parse(readFileSync(join(plan.run, 'values.json'), 'utf8'))
const path = join(plan.run, plan.out)
rmSync(path, { recursive: true, force: true })
const rewritten = []

/** The plugin with a configuration of its own and a provider that has no network. */
async function withPlugin() {
  const { default: secrets } = await import(plan.entry)
  const memory = {
    type: 'memory',
    location: 'memory',
    read: async (requests) => requests.map(({ path }) => ({ value: values[path] })),
  }
  return secrets({
    environment: 'production',
    providers: { memory },
    secrets: Object.fromEntries([...plan.client, ...plan.server].map((name) => [name, `memory:${name}`])),
    client: plan.client,
    cache: { ttl: '1d' },
    scan: true,
  })
}

const define = () =>
  new bundler.DefinePlugin(
    Object.fromEntries(plan.client.map((name) => [`import.meta.env.${name}`, JSON.stringify(values[name])])),
  )
const plugins = plan.plugin ? [await withPlugin()] : plan.control === 'define' ? [define()] : []
const typescript = isRspack
  ? {
      loader: 'builtin:swc-loader',
      options: { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } },
    }
  : { loader: fileURLToPath(new URL('typescript-loader.cjs', import.meta.url)) }
const compiler = bundler({
  context: plan.app,
  mode: 'production',
  target: ['web', 'es2022'],
  entry: './src/part0/m0.js',
  devtool: false,
  infrastructureLogging: { level: 'warn' },
  performance: false,
  resolve: { roots: [plan.app], extensions: ['.js', '.ts'] },
  module: { rules: [{ test: /\.ts$/, type: 'javascript/auto', use: [typescript] }] },
  output: { path },
  plugins,
})
if (plan.count) {
  const bridge = compiler[Symbol.for('unplugin-secrets.compiler.v1')]
  // webpack hands over a module, Rspack the context of our loader.
  const [method, pathOf] = isRspack
    ? ['rewrite', (context) => context.resourcePath]
    : ['rewriteModule', (_, module) => module.path]
  const original = bridge[method]
  bridge[method] = function (...args) {
    rewritten.push(pathOf(...args))
    return original.apply(this, args)
  }
}

const cpu = process.cpuUsage()
const started = performance.now()
const stats = await new Promise((resolve, reject) =>
  compiler.run((error, result) => (error ? reject(error) : resolve(result))),
)
const wall = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
if (stats.hasErrors()) throw new Error(stats.toString('errors-only'))
await new Promise((resolve) => compiler.close(resolve))
const bytes = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)

process.once('exit', () => {
  const whole = process.cpuUsage()
  const report = {
    cpu: (user + system) / 1000,
    wall,
    processCpu: (whole.user + whole.system) / 1000,
    bytes,
    rewritten,
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
})
