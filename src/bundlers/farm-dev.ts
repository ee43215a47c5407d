import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { Server } from '@farmfe/core'
import { CLIENT_ID } from '../core/expose/ids.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { forTerminal, stoppedText } from './dev-guard.ts'
import type { Session } from './session.ts'

/** One page's socket, by which Farm sends it updates. */
interface Socket {
  send(data: unknown, ...rest: unknown[]): unknown
}

/** Tells the terminal and the overlay. */
export function tellFarm(server: Server, message: string): void {
  server.logger.error(forTerminal(message))
  for (const { rawSend } of server.ws.clients) rawSend(overlay(message))
}

/** What Farm's client shows over the page. */
const overlay = (message: string): string =>
  JSON.stringify({ type: 'error', err: { message }, overlay: true })

/** Keeps server values from whatever leaves Farm's dev server: responses, and updates, which go by a socket. */
export function guardFarm(
  server: Server,
  session: Session,
  guard: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  // In front of Koa, whose list of middlewares may have been copied by now.
  server.server!.prependListener('request', guard)
  server.ws.on('connection', (socket: Socket) => {
    const { send } = socket
    socket.send = (data, ...rest) => {
      const [found] = session.scanner().scan(Buffer.from(String(data)), '')
      if (!found) return send.call(socket, data, ...rest)
      const message = stoppedText('An update', found)
      server.logger.error(forTerminal(message))
      return send.call(socket, overlay(message))
    }
  })
}

/** How often a compiler that is at work is looked at (ms). */
const PATIENCE = 20

/**
 * Brings changes of values to the pages of a dev server as Farm brings edits: by HMR, else by a reload.
 * @param modules files that may read names; they are looked at anew where names come or go
 */
export function followFarm(server: Server, session: Session, modules: () => Iterable<string>): void {
  /** One change at a time. */
  let turn: Promise<void> = Promise.resolve()
  const bring = async (changed: readonly string[]): Promise<void> => {
    // Farm leaves what comes while it compiles on demand until the next edit. And whoever asks this compiler for its
    // outputs meanwhile stops the process for good: it waits in this thread for a lock that is held until a hook of ours
    // has run, in this thread.
    const compiler = server.getCompiler()!
    while (compiler.compiling) await setTimeout(PATIENCE)
    // Its cache would answer for a file that is as it was.
    for (const path of changed) compiler.invalidateModule(path)
    await server.hmrEngine!.hmrUpdate([...changed], true)
  }
  const rotate = async (names: readonly string[], snapshot: Snapshot): Promise<void> => {
    const before = pictureOf(session)
    await session.accept(snapshot)
    const after = pictureOf(session)
    const isOther = before.shape !== after.shape
    if (isOther || before.values !== after.values) await bring([...(isOther ? modules() : []), CLIENT_ID])
    session.tellChanged(names)
  }
  server.server!.once('listening', () => {
    const watching = session.watch({
      onChange(names, snapshot) {
        const done = turn.then(() => rotate(names, snapshot))
        turn = done.catch(() => {})
        return done
      },
      onError: (error) => session.tellProblem(error),
      onRecover: () => session.tellProblem(undefined),
    })
    watching.catch((error: unknown) => tellFarm(server, String((error as Error).message)))
  })
  server.server!.once('close', () => void session.close())
}

/** What pages are given: names, and values of those that they may have. */
function pictureOf({ exposure }: Session): { readonly shape: string; readonly values: string } {
  const { names, client } = exposure
  return {
    shape: JSON.stringify([names, [...client.values.keys()]]),
    values: JSON.stringify([...client.values.values()]),
  }
}
