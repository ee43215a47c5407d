// With `--import`: writes down every module that is loaded. Node is asked three ways, because none sees all:
// a loader's hook (ECMAScript modules), the cache of `require`, and the list of its own modules.
import { createRequire, register } from 'node:module'
import { MessageChannel } from 'node:worker_threads'

const before = new Set(process.moduleLoadList)
const { port1, port2 } = new MessageChannel()
const source = `
  let port
  export function initialize(data) { port = data.port }
  export async function load(url, context, next) { port.postMessage(url); return next(url, context) }
`
register(`data:text/javascript,${encodeURIComponent(source)}`, {
  data: { port: port2 },
  transferList: [port2],
})
const urls = []
port1.on('message', (url) => urls.push(url))
port1.unref()

globalThis.watchedLoading = () => {
  const required = Object.keys(createRequire(import.meta.url).cache).map((file) => `file://${file}`)
  const builtins = process.moduleLoadList
    .filter((entry) => !before.has(entry) && entry.startsWith('NativeModule '))
    .map((entry) => entry.slice('NativeModule '.length))
  return { loaded: [...new Set([...urls, ...required])].filter((url) => url.startsWith('file:')), builtins }
}
