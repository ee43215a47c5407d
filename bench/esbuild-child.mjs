// One esbuild build in this process; started by esbuild.mjs with its plan as JSON.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, stop } from 'esbuild'

const plan = JSON.parse(process.argv[2])
const values = JSON.parse(readFileSync(join(plan.run, 'values.json'), 'utf8'))
const outdir = join(plan.run, plan.out)
rmSync(outdir, { recursive: true, force: true })

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
  return { plugins: [plugin] }
}

/** The same values without a plugin: a real file behind the virtual id, and esbuild's own replacement. */
const without = () => ({
  alias: { 'virtual:secrets/client': join(plan.run, 'client.js') },
  define: Object.fromEntries(
    plan.client.map((name) => [`import.meta.env.${name}`, JSON.stringify(values[name])]),
  ),
})

const config = plan.plugin ? await withPlugin() : without()
const cpu = process.cpuUsage()
const started = performance.now()
await build({
  ...config,
  absWorkingDir: plan.app,
  entryPoints: [plan.main],
  bundle: true,
  splitting: true,
  format: 'esm',
  outdir,
  logLevel: 'warning',
})
const wall = performance.now() - started
const { user, system } = process.cpuUsage(cpu)
await stop()
// esbuild is a process of its own, whose time counts once it has ended and been waited for.
const childCpu = async () => {
  for (;;) {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')
    const ticks = Number(fields[13]) + Number(fields[14])
    if (ticks > 0) return ticks * 10
    await new Promise((done) => setTimeout(done, 5))
  }
}
process.stdout.write(`${JSON.stringify({ wall, cpu: (user + system) / 1000 + (await childCpu()) })}\n`)
