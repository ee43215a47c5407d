import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { reasonOf, SecretsError } from '../../core/errors.ts'

/** What a file sets, but for the key. @throws SecretsError `FILE_UNREADABLE` */
export function readValues(file: string): Record<string, string> {
  try {
    const { VAULT_KEY: _, ...values } = parse(readFileSync(file))
    return values
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file}: ${reasonOf(error)}.`)
  }
}

/**
 * Text that the dotenv package reads back to the same values. It has no escape for quotes, so each value gets
 * a kind of quotes that does not stand in it.
 * @throws SecretsError `WRONG_TYPE` for a name or a value that cannot be written so
 */
export function serializeDotenv(values: Readonly<Record<string, string>>): string {
  return Object.keys(values)
    .sort()
    .map((name) => `${lineOf(name, values[name]!)}\n`)
    .join('')
}

function lineOf(name: string, value: string): string {
  const lines = [
    `${name}=${value}`,
    `${name}='${value}'`,
    `${name}=\`${value}\``,
    `${name}="${escaped(value)}"`,
  ]
  const line = lines.find((each) => parse(each)[name] === value && Object.keys(parse(each)).length === 1)
  if (line !== undefined) return line
  throw new SecretsError('WRONG_TYPE', `${name} cannot be written to a .env file.`, {
    hint: 'Its name is no name of a variable, or its value has all kinds of quotes in it.',
  })
}

/** Double quotes alone know `\n` and `\r`. */
function escaped(value: string): string {
  return value.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}
