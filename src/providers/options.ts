import { SecretsError } from '../core/errors.ts'
import { didYouMean } from '../core/nearest.ts'

/**
 * For factories whose options are all texts or durations: plain data has met no type checker, and a
 * mistyped option would otherwise be a default that nobody chose.
 * @param known each option and whether a number will do too.
 * @throws SecretsError CONFIG_INVALID
 */
export function checkOptions(
  type: string,
  options: object,
  known: Readonly<Record<string, 'text' | 'duration'>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined
    if (!kind) {
      const names = Object.keys(known)
      throw new SecretsError('CONFIG_INVALID', `${type} has no option ${name}.${didYouMean(name, names)}`, {
        hint: names.length > 0 ? `Its options: ${names.join(', ')}.` : 'It takes none.',
      })
    }
    const fits = typeof value === 'string' ? value !== '' : kind === 'duration' && typeof value === 'number'
    if (value !== undefined && !fits)
      throw new SecretsError(
        'CONFIG_INVALID',
        `The option ${name} of ${type} must be ${kind === 'text' ? 'text' : "a duration (ms or '5m')"}.`,
      )
  }
}
