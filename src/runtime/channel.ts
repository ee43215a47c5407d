import { CHANNEL, DESCRIPTOR, encodeFrame, FrameReader, type Handed } from './frames.ts'
import { changedValues } from './read.ts'
import { change, store } from './store.ts'
import { variable, warnLine } from './value.ts'

/**
 * Takes values from `secrets run`: synchronously from the descriptor that a program inherits, else (a launcher
 * such as npm closes it) from a socket, by a worker for which this thread waits.
 */

/** How long a start may wait for it, in ms. It answers at once, or is gone. */
const LONGEST_WAIT = 10_000

interface Channel {
  /** The process id of `secrets run`. */
  readonly parent: number
  readonly token: string
  readonly live: boolean
  readonly address: string
}

type Texts = Handed['values']

/** What `secrets run` has handed to this process; asked for once, by whoever is first. */
export function handed(): Texts | undefined {
  const shared = store()
  if (shared.handed === undefined) {
    const channel = channelOf(variable(CHANNEL))
    shared.handed = (channel && (fromDescriptor(channel) ?? fromSocket(channel))) ?? null
    if (channel?.live && shared.handed) listen(channel)
  }
  return shared.handed ?? undefined
}

function channelOf(text: string | undefined): Channel | undefined {
  const found = /^1:(\d+):([\w-]+):([01]):(.+)$/s.exec(text ?? '')
  if (!found || !globalThis.process?.getBuiltinModule) return undefined
  const [, parent, token, live, address] = found as unknown as [string, string, string, string, string]
  return { parent: Number(parent), token, live: live === '1', address }
}

/**
 * Only in the very process that `secrets run` has started: in others the number may stand for anything, such as
 * the line between a `fork` and its parent.
 */
function fromDescriptor({ parent }: Channel): Texts | undefined {
  const { fstatSync, readSync } = process.getBuiltinModule('node:fs')
  try {
    if (process.ppid !== parent || !fstatSync(DESCRIPTOR).isSocket()) return undefined
    const frames = new FrameReader<Handed>()
    const chunk = new Uint8Array(65_536)
    for (;;) {
      // Nothing: somebody of this process, or before it, has taken it already.
      const length = readSync(DESCRIPTOR, chunk)
      const found = length === 0 ? undefined : frames.take(chunk.subarray(0, length))
      if (!found || found.length > 0) return found?.[0]?.values
    }
  } catch {
    return undefined
  }
}

function fromSocket({ address, token }: Channel): Texts | undefined {
  const { Worker, MessageChannel, receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads')
  const { port1, port2 } = new MessageChannel()
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const hello = encodeFrame({ token, stays: false })
  const worker = new Worker(WORKER, {
    eval: true,
    workerData: { address, hello, signal, port: port2 },
    transferList: [port2],
  })
  worker.unref()
  worker.once('error', () => {})
  Atomics.wait(signal, 0, 0, LONGEST_WAIT)
  const bytes = receiveMessageOnPort(port1)?.message as Uint8Array | undefined
  void worker.terminate()
  port1.close()
  return bytes && new FrameReader<Handed>().take(bytes)?.[0]?.values
}

/** CommonJS, as an evaluated worker is. `secrets run` ends the connection behind its answer. */
const WORKER = `
const { workerData: { address, hello, signal, port } } = require('node:worker_threads')
const done = () => { Atomics.store(signal, 0, 1); Atomics.notify(signal, 0) }
const parts = []
require('node:net').connect(address)
  .on('connect', function () { this.write(hello) })
  .on('data', (part) => parts.push(part))
  .on('error', done)
  .on('end', () => { port.postMessage(new Uint8Array(Buffer.concat(parts))); done() })
`

/** Hears of changes as long as `secrets run` is there; keeps no process alive. */
function listen({ address, token }: Channel): void {
  const frames = new FrameReader<Handed>()
  const socket = process.getBuiltinModule('node:net').connect(address)
  socket.unref()
  socket.on('error', () => {})
  socket.on('connect', () => socket.write(encodeFrame({ token, stays: true })))
  socket.on('data', (bytes) => {
    const found = frames.take(bytes)
    if (!found) socket.destroy()
    for (const { values } of found ?? []) deliver(values)
  })
}

function deliver(texts: Texts): void {
  const shared = store()
  shared.handed = texts
  const warn = (error: Error): void => warnLine(error.message)
  for (const [scope, { manifest, handed: given, missing, worker }] of shared.sources ?? []) {
    const before = shared.values.get(scope)
    // What the worker keeps is the worker's.
    const names = worker ? given : [...given, ...missing]
    if (before) change(scope, changedValues(manifest, names, texts, before, warn))
  }
}
