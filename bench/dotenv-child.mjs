// One process of `bench/dotenv.mjs`: the import and the first call, each in ms of CPU.
const [entry, arm, file] = process.argv.slice(2)
const cpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const started = cpu()
let imported = started
let called = started
let names = 0
if (arm !== 'nothing') {
  const module = await import(entry)
  imported = cpu()
  const { parsed } =
    arm === 'ours'
      ? module.configSync({ path: file, environment: 'production' })
      : (module.config ?? module.default.config)({ path: file, quiet: true })
  called = cpu()
  names = Object.keys(parsed).length
}
console.log(JSON.stringify({ import: imported - started, call: called - imported, cpu: cpu(), names }))
