// Opens one cache in a process of its own; started by cache.mjs: the bundle, the project, how many values.
const [, , bundle, root, count] = process.argv
const { openCache } = await import(bundle)
const warn = (message) => {
  throw new Error(message)
}
const open = async () => {
  const before = process.cpuUsage()
  const started = performance.now()
  const entries = await openCache({ root, profile: undefined, environment: 'production', warn }).read()
  const wall = performance.now() - started
  const { user, system } = process.cpuUsage(before)
  if (entries.size !== Number(count)) throw new Error(`${entries.size} values`)
  return { wall, cpu: (user + system) / 1000 }
}
// The second one has the code compiled and the keys in the file system's cache: what a longer-lived process pays.
const first = await open()
console.log(JSON.stringify({ first, second: await open() }))
