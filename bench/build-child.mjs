// One Vite build in this process; started by build.mjs with its plan as JSON.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { build, createLogger } from 'vite'

const plan = JSON.parse(process.argv[2])
const values = JSON.parse(readFileSync(join(plan.run, 'values.json'), 'utf8'))
const outDir = join(plan.run, plan.out)
const called = { transform: [], resolveId: [], load: [] }

/** The plugin with a configuration of its own and a provider that has no network. */
async function withPlugin() {
  const { default: secrets } = await import(plan.entry)
  const memory = {
    type: 'memory',
    location: 'memory',
    read: async (requests) => requests.map(({ path }) => ({ value: values[path] })),
  }
  const plugin = secrets({
    environment: 'production',
    providers: { memory },
    secrets: Object.fromEntries([...plan.client, ...plan.server].map((name) => [name, `memory:${name}`])),
    client: plan.client,
    cache: { ttl: '1d' },
    scan: true,
  })
  if (plan.count) {
    for (const hook of Object.keys(called)) {
      const { handler } = plugin[hook]
      plugin[hook].handler = function (...args) {
        called[hook].push(hook === 'transform' ? args[1] : args[0])
        return handler.apply(this, args)
      }
    }
  }
  return { plugins: [plugin] }
}

/** The same values without a hook: a real file behind the virtual id, and Vite's own replacement. */
function without() {
  return {
    plugins: [],
    resolve: { alias: { 'virtual:secrets/client': join(plan.run, 'client.js') } },
    ...(plan.control === 'define'
      ? {
          define: Object.fromEntries(
            plan.client.map((name) => [`import.meta.env.${name}`, JSON.stringify(values[name])]),
          ),
        }
      : {}),
  }
}

const config = plan.plugin ? await withPlugin() : without()
const cpu = process.cpuUsage()
const started = performance.now()
await build({
  ...config,
  root: plan.app,
  configFile: false,
  // As it comes, with its minifier and its report of sizes; what it says goes nowhere.
  logLevel: 'info',
  customLogger: createLogger('silent'),
  build: { outDir, emptyOutDir: true },
})
const wall = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
const assets = readdirSync(join(outDir, 'assets')).map((name) => join(outDir, 'assets', name))
const text = plan.count ? assets.map((file) => readFileSync(file, 'utf8')).join('') : ''
const bytes = assets.reduce((sum, file) => sum + statSync(file).size, 0)

process.once('exit', () => {
  const whole = process.cpuUsage()
  const report = {
    cpu: (user + system) / 1000,
    wall,
    processCpu: (whole.user + whole.system) / 1000,
    bytes,
    missing: plan.client.filter((name) => !text.includes(values[name])).length,
    transformed: called.transform,
    resolved: called.resolveId.length,
    loaded: called.load.length,
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
})
