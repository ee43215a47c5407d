// One warm start; started by warm.mjs with its plan as JSON.
const plan = JSON.parse(process.argv[2])
const steps = {}
let last = process.cpuUsage()
/** CPU ms since the last step, of all threads. */
const step = (name) => {
  const now = process.cpuUsage()
  steps[name] = (now.user + now.system - last.user - last.system) / 1000
  last = now
}

/** The one warning there may be is an error here: then the cache was not what was read. */
const logger = {
  info() {},
  warn(message) {
    throw new Error(message)
  },
}

const arms = {
  empty() {},
  again() {},
  async index() {
    await import(plan.index)
    step('import')
  },
  async load() {
    const { createSecrets } = await import(plan.index)
    step('import')
    const secrets = await createSecrets({ root: plan.app, logger: { ...logger, debug() {} } })
    step('configuration')
    check(await secrets.load())
    step('cache and values')
    await secrets.close()
  },
  async vite() {
    await import(plan.vite)
    step('import')
  },
  // As Vite calls them, with what they look at.
  async plugin() {
    const { default: secrets } = await import(plan.vite)
    step('import')
    const plugin = secrets()
    plugin.config({}, { command: 'serve', mode: 'production', isPreview: false })
    step('config')
    let summary = ''
    await plugin.configResolved({
      root: plan.app,
      mode: 'production',
      command: 'serve',
      envPrefix: 'VITE_',
      plugins: [plugin, { name: 'vite:define' }],
      logger: { ...logger, info: (message) => (summary = message) },
    })
    step('configResolved')
    if (!summary.includes(`${plan.count} secrets`) || !summary.includes('cached')) throw new Error(summary)
  },
}

function check(snapshot) {
  const sources = new Set(snapshot.names().map((name) => snapshot.meta(name).source))
  if (snapshot.names().length !== plan.count) throw new Error('secrets are missing')
  // The first start, which fills the cache, finds the provider.
  if (sources.size !== 1) throw new Error(`from ${[...sources]}`)
}

await arms[plan.arm]()
process.once('exit', () => {
  const { user, system } = process.cpuUsage()
  const watched = globalThis.watchedLoading?.() ?? {}
  process.stdout.write(`${JSON.stringify({ cpu: (user + system) / 1000, steps, ...watched })}\n`)
})
