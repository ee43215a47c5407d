import { SecretsError } from '../../core/errors.ts'

/** What answers is no vault-env server, or speaks another version. */
export function malformedAnswer(url: string): SecretsError {
  return new SecretsError(
    'RESPONSE_MALFORMED',
    `The answer of ${url} is not one of the vault-env protocol.`,
    {
      hint: 'Is a vault-env server there?',
    },
  )
}
