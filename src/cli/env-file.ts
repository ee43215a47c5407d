import { parse } from 'dotenv'
import { SecretsError } from '../core/errors.ts'
import { readIfExists } from '../core/files.ts'
import { notFoundError } from './errors.ts'

/** @throws CliError `NOT_FOUND`; SecretsError for a file that cannot be read */
export async function readEnvFile(file: string): Promise<ReadonlyMap<string, string>> {
  const content = await readIfExists(file)
  if (!content) throw notFoundError(`There is no file ${file}.`, 'Name a .env file.')
  return new Map(Object.entries(parse(content)))
}

/**
 * One line (or several) that dotenv reads as exactly this value, and leaves what follows alone. Each way of
 * quoting is tried with dotenv itself, because it has no escapes that hold everywhere.
 */
function lineFor(name: string, value: string): string | undefined {
  const escaped = value.replaceAll('\r', '\\r').replaceAll('\n', '\\n')
  const ways = [value, `'${value}'`, `"${value}"`, `\`${value}\``, `"${escaped}"`]
  // Quotes that a badly closed value would take for its own end.
  const behind = { [`${name}.1`]: "'", [`${name}.2`]: '"', [`${name}.3`]: '`' }
  const lines = Object.entries(behind).map(([key, quote]) => `${key}=${quote}${quote}\n`)
  const expected = JSON.stringify([[name, value], ...Object.keys(behind).map((key) => [key, ''])])
  return ways
    .map((way) => `${name}=${way}`)
    .find((line) => JSON.stringify(Object.entries(parse(`${line}\n${lines.join('')}`))) === expected)
}

/**
 * The text of a .env file that reads back to the same values.
 * @throws SecretsError naming what no .env file can hold
 */
export function envText(values: ReadonlyMap<string, string>): string {
  const lines = [...values].map(([name, value]) => [name, lineFor(name, value)] as const)
  const impossible = lines.flatMap(([name, line]) => (line === undefined ? [name] : []))
  const text = lines.map(([, line]) => `${line}\n`).join('')
  const read = impossible.length > 0 ? {} : parse(text)
  const lost =
    impossible.length > 0 ? impossible : [...values.keys()].filter((name) => read[name] !== values.get(name))
  if (lost.length > 0)
    throw new SecretsError('WRONG_TYPE', `A .env file cannot hold ${lost.join(', ')} as it is.`, {
      hint: 'Leave it out with --only; `secrets run` hands over any value.',
    })
  return text
}
