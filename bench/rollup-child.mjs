// One Rollup or Rolldown build in this process; started by rollup.mjs with its plan as JSON.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const plan = JSON.parse(process.argv[2])
const isRollup = plan.bundler === 'rollup'
const { [plan.bundler]: bundler } = await import(plan.bundler)
const values = JSON.parse(readFileSync(join(plan.run, 'values.json'), 'utf8'))
const dir = join(plan.run, plan.out)
rmSync(dir, { recursive: true, force: true })

async function withPlugin() {
  const { default: secrets } = await import(plan.entry)
  const memory = {
    type: 'memory',
    location: 'memory',
    read: async (requests) => requests.map(({ path }) => ({ value: values[path] })),
  }
  const plugin = secrets({
    root: plan.app,
    environment: 'production',
    providers: { memory },
    secrets: Object.fromEntries([...plan.client, ...plan.server].map((name) => [name, `memory:${name}`])),
    client: plan.client,
    cache: { ttl: '1d' },
    scan: true,
  })
  return { plugins: [plugin] }
}

/** The same values without a plugin of ours: a real file behind the virtual id, and where there is one, the bundler's own replacement. */
function without() {
  const file = join(plan.run, 'client.js')
  if (isRollup) {
    const resolveId = (id) => (id === 'virtual:secrets/client' ? file : null)
    return { plugins: [{ name: 'alias', resolveId }] }
  }
  const define = Object.fromEntries(
    plan.client.map((name) => [`import.meta.env.${name}`, JSON.stringify(values[name])]),
  )
  return { resolve: { alias: { 'virtual:secrets/client': file } }, transform: { define } }
}

const config = plan.plugin ? await withPlugin() : without()
const cpu = process.cpuUsage()
const started = performance.now()
const bundle = await bundler({
  ...config,
  ...(isRollup ? {} : { cwd: plan.app }),
  input: join(plan.app, plan.main),
  onLog: () => {},
})
await bundle.write({ dir, format: 'es' })
await bundle.close()
const wall = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
process.stdout.write(`${JSON.stringify({ wall, cpu: (user + system) / 1000 })}\n`)
