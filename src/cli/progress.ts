import { noteColors } from './output.ts'

/** Work that ends sooner says nothing, in ms. */
const PATIENCE = 500
const ERASE = '\r\u001b[K'

let isQuiet = false
/** One line is enough: work inside of other work, or beside it, has none. */
let isBusy = false

/** For `--json`: what reads that has no use for a moving line. */
export function withoutProgress(): void {
  isQuiet = true
}

/**
 * Does the work; when it takes longer, tells a person at a terminal what is being waited for: one line on the
 * standard error, which is gone at the end. Nothing is written where the standard error is no terminal.
 * @param text names and counts, asked for anew each time; never a value
 */
export async function withProgress<T>(text: () => string, work: () => Promise<T>): Promise<T> {
  const { stderr } = process
  if (isQuiet || isBusy || stderr.isTTY !== true) return work()
  isBusy = true
  const since = Date.now()
  const write = stderr.write
  let isShown = false
  const erase = (): void => {
    if (isShown) write.call(stderr, ERASE)
    isShown = false
  }
  const show = (): void => {
    const seconds = Math.floor((Date.now() - since) / 1000)
    const line = `${text()} …${seconds < 1 ? '' : ` ${seconds} s`}`
    // Never over the edge: a second line would not be erased.
    write.call(stderr, `${ERASE}${noteColors.dim(line.slice(0, (stderr.columns || 80) - 1))}`)
    isShown = true
  }
  // Others write there too (warnings of the core, the address of a login), and must not write behind the line.
  stderr.write = ((...args: Parameters<typeof write>) => {
    erase()
    return write.apply(stderr, args)
  }) as typeof write
  const timer = setInterval(show, PATIENCE).unref()
  process.once('exit', erase)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    process.off('exit', erase)
    erase()
    stderr.write = write
    isBusy = false
  }
}
