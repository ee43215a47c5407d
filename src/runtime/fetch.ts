import type { Manifest } from '../core/expose/manifest.ts'
import { startError } from './value.ts'

/**
 * Reads from the cache and the providers, synchronously: a worker does it while this thread waits (45 to
 * 67 ms), because a module body that waits any other way breaks CommonJS output and `require`.
 */

/** How long a start may wait, in ms: a little more than the default deadline of a fetch. */
const LONGEST_WAIT = 20_000

/** What the worker sends back. */
interface Answer {
  readonly texts?: Record<string, string>
  readonly error?: string
}

/** @throws Error when the package is not installed beside the server, or the secrets cannot be read */
export function readByWorker(manifest: Manifest, missing: readonly string[]): Record<string, string> {
  const names = missing.join(', ')
  const builtin = globalThis.process?.getBuiltinModule
  if (builtin === undefined) {
    throw startError(
      `[secrets] ${names}: not in the environment, and this runtime cannot fetch. Set them as variables.`,
    )
  }
  const entry = findPackage(builtin)
  if (entry === undefined) {
    throw startError(
      `[secrets] ${names}: not in the environment, and unplugin-secrets is not installed beside this server to fetch them. ` +
        'Start it with `secrets run -- node server.js`, set the variables, or install unplugin-secrets.',
    )
  }
  const { Worker, MessageChannel, receiveMessageOnPort } = builtin('node:worker_threads')
  const { port1, port2 } = new MessageChannel()
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(WORKER, {
    eval: true,
    workerData: { entry, manifest, signal, port: port2 },
    transferList: [port2],
  })
  worker.unref()
  Atomics.wait(signal, 0, 0, LONGEST_WAIT)
  const answer = receiveMessageOnPort(port1)?.message as Answer | undefined
  void worker.terminate()
  port1.close()
  if (answer?.texts) return answer.texts
  throw startError(`[secrets] ${answer?.error ?? `${names}: not read within ${LONGEST_WAIT / 1000} s.`}`)
}

/** CommonJS, because that is what an evaluated worker is. Texts only; the error is already made for a person. */
const WORKER = `
const { workerData: { entry, manifest, signal, port } } = require('node:worker_threads')
const done = (answer) => { port.postMessage(answer); Atomics.store(signal, 0, 1); Atomics.notify(signal, 0) }
import(entry).then(async ({ loadManifest }) => done({ texts: await loadManifest(manifest) }))
  .catch((error) => done({ error: error.format ? error.format() : String(error.message) }))
`

/** Beside the started file, else in the working folder. */
function findPackage(builtin: typeof process.getBuiltinModule): string | undefined {
  const { createRequire } = builtin('node:module')
  const { pathToFileURL } = builtin('node:url')
  const { join } = builtin('node:path')
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
