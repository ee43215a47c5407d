import type { Manifest } from '../core/expose/manifest.ts'
import { beforeEnd } from './end.ts'
import { changedValues } from './read.ts'
import { change, type Interval, type Keeper, type Source, store } from './store.ts'
import { startError, warnLine } from './value.ts'

/**
 * Reads from the cache and the providers, synchronously: a worker does it while this thread waits (45 to
 * 67 ms), because a module body that waits any other way breaks CommonJS output and `require`. The worker
 * stays where something was lent or changes are watched.
 */

/** How long a start may wait, in ms: a little more than the default deadline of a fetch. */
const LONGEST_WAIT = 20_000

/** What a worker is started with. */
export interface WorkerTask {
  readonly manifest: Manifest
  /** 0: at work; 1: it has answered, and stays; 2: it has nothing to give back (any more). */
  readonly signal: Int32Array
  readonly port: import('node:worker_threads').MessagePort
  /** How often it asks the providers; absent: never, unless what was lent ends. */
  readonly interval: Interval | undefined
  /** Whether there are values already, so that it only watches. */
  readonly known: boolean
}

/** What the worker says; texts are all there are. Errors are already made for a person. */
export interface Answer {
  readonly texts?: Readonly<Record<string, string>>
  /** Whether the worker goes on. */
  readonly stays?: boolean
  readonly error?: string
  /** What `error` told is over. */
  readonly recovered?: boolean
}

/** What is said to it. */
export type Order = { readonly watch: Interval | undefined } | 'close'

/**
 * @returns the texts of a manifest's secrets
 * @throws Error when the package is not installed beside the server, or the secrets cannot be read
 */
export function readByWorker(
  source: Source,
  interval: Interval | undefined,
): Readonly<Record<string, string>> {
  const { manifest, missing } = source
  const names = missing.join(', ')
  if (globalThis.process?.getBuiltinModule === undefined) {
    throw startError(
      `[secrets] ${names}: not in the environment, and this runtime cannot fetch. Set them as variables.`,
    )
  }
  const entry = findPackage()
  if (entry === undefined) {
    throw startError(
      `[secrets] ${names}: not in the environment, and unplugin-secrets is not installed beside this server to fetch them. ` +
        'Start it with `secrets run -- node server.js`, set the variables, or install unplugin-secrets.',
    )
  }
  const { port, signal, worker } = start(entry, { manifest, interval, known: false })
  Atomics.wait(signal, 0, 0, LONGEST_WAIT)
  const { receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads')
  const answer = receiveMessageOnPort(port)?.message as Answer | undefined
  if (answer?.texts && answer.stays) {
    source.worker = keep(source, { port, signal, worker })
    return answer.texts
  }
  void worker.terminate()
  port.close()
  if (answer?.texts) return answer.texts
  throw startError(`[secrets] ${answer?.error ?? `${names}: not read within ${LONGEST_WAIT / 1000} s.`}`)
}

/**
 * Starts a worker that watches, without waiting for it: the values are there already.
 * @returns `undefined` where the package is not installed, or cannot be loaded
 */
export function watchByWorker(source: Source, interval: Interval): Keeper | undefined {
  const entry = globalThis.process?.getBuiltinModule === undefined ? undefined : findPackage()
  return entry === undefined
    ? undefined
    : keep(source, start(entry, { manifest: source.manifest, interval, known: true }))
}

interface Started {
  readonly port: import('node:worker_threads').MessagePort
  readonly signal: Int32Array
  readonly worker: import('node:worker_threads').Worker
}

function start(entry: string, how: Omit<WorkerTask, 'signal' | 'port'>): Started {
  const { Worker, MessageChannel } = process.getBuiltinModule('node:worker_threads')
  const { port1, port2 } = new MessageChannel()
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const task: WorkerTask = { ...how, signal, port: port2 }
  const worker = new Worker(WORKER, { eval: true, workerData: { entry, task }, transferList: [port2] })
  worker.unref()
  return { port: port1, signal, worker }
}

/** CommonJS, because that is what an evaluated worker is. */
const WORKER = `
const { workerData: { entry, task } } = require('node:worker_threads')
import(entry).then(({ serveManifest }) => {
  if (!serveManifest) throw new Error('The installed unplugin-secrets is older than the one that built this server. Update it.')
  return serveManifest(task)
}).catch((error) => {
  task.port.postMessage({ error: String(error.message) })
  Atomics.store(task.signal, 0, 2)
  Atomics.notify(task.signal, 0)
})
`

/** Lets a worker go on: what it tells becomes the values, and the process does not end before it has given back. */
function keep(source: Source, { port, signal, worker }: Started): Keeper {
  const { manifest, missing } = source
  const order = (what: Order): void => port.postMessage(what)
  port.on('message', ({ texts, error, recovered }: Answer) => {
    const { values, watching } = store()
    const before = values.get(manifest.scope)
    const fail = watching?.onError ?? ((failure: Error) => warnLine(failure.message))
    if (texts && before) change(manifest.scope, changedValues(manifest, missing, texts, before, fail))
    if (error !== undefined) fail(startError(`[secrets] ${error}`))
    if (recovered) watching?.onRecover()
  })
  port.unref()
  const forget = beforeEnd({
    begin: () => order('close'),
    wait(until) {
      for (
        let state = Atomics.load(signal, 0);
        state !== 2 && Date.now() < until;
        state = Atomics.load(signal, 0)
      )
        Atomics.wait(signal, 0, state, until - Date.now())
    },
  })
  worker.once('error', (error) => warnLine(`Secrets are not watched any more: ${error.name}.`))
  worker.once('exit', () => {
    forget()
    source.worker = undefined
  })
  return { watch: (interval) => order({ watch: interval }) }
}

/** Beside the started file, else in the working folder. */
function findPackage(): string | undefined {
  const { createRequire } = process.getBuiltinModule('node:module')
  const { pathToFileURL } = process.getBuiltinModule('node:url')
  const { join } = process.getBuiltinModule('node:path')
  for (const start of [process.argv[1], join(process.cwd(), 'index.js')]) {
    if (start === undefined) continue
    try {
      return pathToFileURL(createRequire(start).resolve('unplugin-secrets/runtime/load')).href
    } catch {
      // Not there; the next place.
    }
  }
  return undefined
}
