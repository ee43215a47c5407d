import { CliError, EXIT, usageError } from './errors.ts'

/** Whether there is a person to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Everything that is asked goes to the standard error, so that the output stays the result's. */
const output = process.stderr

/** @throws CliError for a Ctrl-C, with the exit code of one */
function answered<T>(answer: T): Exclude<T, symbol> {
  if (typeof answer === 'symbol') throw new CliError('CANCELLED', EXIT.interrupted, 'Cancelled.')
  return answer as Exclude<T, symbol>
}

/** Asks without showing what is typed, not even its length. */
export async function askSecret(message: string): Promise<string> {
  const { password } = await import('@clack/prompts')
  return answered(await password({ message, mask: '', output })) ?? ''
}

export async function confirm(message: string): Promise<boolean> {
  const prompts = await import('@clack/prompts')
  return answered(await prompts.confirm({ message, initialValue: false, output }))
}

export async function choose<T extends string>(
  message: string,
  options: readonly { value: T; label: string; hint?: string }[],
  initialValues: readonly T[],
): Promise<T[]> {
  const { multiselect } = await import('@clack/prompts')
  const input = { message, options: [...options], initialValues: [...initialValues], output } as const
  return answered(await multiselect<T>(input as unknown as Parameters<typeof multiselect<T>>[0]))
}

/**
 * Lets a person say no; a script says yes with `--yes`.
 * @throws CliError when the answer is no, or there is nobody to ask and no `--yes`
 */
export async function approve(question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return
  if (!canAsk()) throw usageError(`${question} There is nobody to ask.`, 'Say yes with --yes.')
  if (!(await confirm(question))) throw new CliError('CANCELLED', EXIT.mend, 'Nothing was changed.')
}
