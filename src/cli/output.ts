import picocolors from 'picocolors'
import { fileHint, reasonOf } from '../core/errors.ts'
import { EXIT } from './errors.ts'

type Colors = ReturnType<typeof picocolors.createColors>

/** Colours for a person at a terminal, unless NO_COLOR (no-color.org) says otherwise. */
function colorsFor(stream: NodeJS.WriteStream): Colors {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  const forced = Boolean(FORCE_COLOR) && FORCE_COLOR !== '0'
  return picocolors.createColors(!NO_COLOR && (forced || (stream.isTTY === true && TERM !== 'dumb')))
}

/** For what goes to the standard output. */
export const colors: Colors = colorsFor(process.stdout)
/** For what goes to the standard error. */
export const noteColors: Colors = colorsFor(process.stderr)

let whenClosed = (stream: NodeJS.WriteStream): void => {
  if (stream === process.stdout) process.exit()
}

/**
 * What to do when nobody reads one of our outputs any more (`| head`). Default: end quietly where it is the
 * result's; without remarks the work goes on.
 */
export function onClosedOutput(action: (stream: NodeJS.WriteStream) => void): void {
  whenClosed = action
}

/** A closed pipe is no error of ours, and a full disk one of the user's; without this Node prints a stack. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return whenClosed(stream)
      process.exitCode = EXIT.mend
      if (stream === process.stdout)
        note(`${noteColors.red('error:')} Cannot write the output: ${reasonOf(error)}.\n  ${fileHint(error)}`)
    })
  }
}

/** The result of a command, to the standard output. */
export function print(text: string): void {
  if (text !== '') process.stdout.write(`${text}\n`)
}

/** Everything that is not the result (progress, remarks, warnings), to the standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function warn(text: string): void {
  note(`${noteColors.yellow('warning:')} ${text}`)
}

/**
 * The one result of a command, as a person or as a program wants it.
 * @param exit set before anything is written: a reader that goes away must not change it.
 */
export function result(json: boolean, data: unknown, text: () => string, exit = 0): void {
  process.exitCode = exit
  print(json ? JSON.stringify(data, undefined, 2) : text())
}

/** Names and versions come from elsewhere: what a terminal would obey is written out. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable))
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [colors.dim(line(head)), ...cells.map(line)].join('\n')
}

/** Enough to tell two values apart, of values long enough that the rest stays unknown. */
export function mask(value: string): string {
  const chars = [...value]
  if (chars.length <= 12) return '****'
  return printable(`${chars.slice(0, 4).join('')}…${chars.slice(-4).join('')}`)
}

/** `3 secrets`, `1 file`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}
