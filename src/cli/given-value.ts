import { usageError } from './errors.ts'
import { note, warn } from './output.ts'

/**
 * The value that a command is to store: the argument, what a person types without an echo, or the standard input.
 * @param name for the question
 */
export async function givenValue(name: string, argument: string | undefined): Promise<string> {
  if (argument !== undefined) {
    warn('The value stands in the history of your shell now. Leave it out to be asked, or pipe it in.')
    return argument
  }
  const { askSecret, canAsk } = await import('./prompt.ts')
  if (canAsk()) return askSecret(`Value of ${name}`)
  if (process.stdin.isTTY) note(`Reading the value of ${name} until Ctrl-D.`)
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
    return text.replace(/\r?\n$/, '')
  } catch {
    throw usageError('The value on the standard input is not UTF-8 text.', 'Encode bytes as base64 first.')
  }
}
