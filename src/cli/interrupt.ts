import { EXIT } from './errors.ts'

let whenInterrupted = (): void => process.exit(EXIT.interrupted)

/** What a Ctrl-C does from now on. Default: end at once, with 130. */
export function onInterrupt(action: () => void): void {
  whenInterrupted = action
}

/** From the start on: without a listener Node dies without removing what it has half written. */
export function watchInterrupt(): void {
  process.on('SIGINT', () => whenInterrupted())
}
