import { EXIT } from './errors.ts'

const end = (): void => process.exit(EXIT.interrupted)

let whenInterrupted = (): void => {
  // A second one does not wait for anything.
  whenInterrupted = end
  void import('../core/files.ts').then(({ locksTaken }) => locksTaken()).finally(end)
}

/** What a Ctrl-C does from now on. Default: end at once, with 130. */
export function onInterrupt(action: () => void): void {
  whenInterrupted = action
}

/** From the start on: without a listener Node dies without removing what it has half written. */
export function watchInterrupt(): void {
  process.on('SIGINT', () => whenInterrupted())
}

/**
 * Resolves at a Ctrl-C or a SIGTERM. To be called before a command says where it listens: whoever reads that line
 * may stop it at once.
 */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    onInterrupt(resolve)
    process.once('SIGTERM', () => resolve())
  })
}
