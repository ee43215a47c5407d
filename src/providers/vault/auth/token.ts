import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileHint, reasonOf, SecretsError } from '../../../core/errors.ts'
import type { AuthMethod, Login } from './method.ts'

/** A token that exists already. */
export interface TokenAuth {
  readonly method: 'token'
  /** Default: `VAULT_TOKEN`, `BAO_TOKEN`, `~/.vault-token`, `~/.bao-token`, looked for at the first request. */
  readonly token?: string | undefined
}

export const tokenMethod: AuthMethod<TokenAuth> = {
  renewHint: 'Log in again with `vault login` or `bao login`, or set VAULT_TOKEN to a valid token.',
  next: 'outside',
  async login(options) {
    const { VAULT_TOKEN, BAO_TOKEN } = process.env
    if (options.token) return usable(options.token, 'auth.token')
    if (VAULT_TOKEN) return usable(VAULT_TOKEN, 'VAULT_TOKEN')
    if (BAO_TOKEN) return usable(BAO_TOKEN, 'BAO_TOKEN')
    for (const name of ['.vault-token', '.bao-token']) {
      const token = await readToken(name)
      if (token) return usable(token, `~/${name}`)
    }
    throw new SecretsError('CREDENTIALS_MISSING', 'There is no Vault token.', {
      hint: 'Log in with `vault login` or `bao login`, set VAULT_TOKEN, or configure another auth method.',
    })
  },
}

async function readToken(name: string): Promise<string> {
  try {
    return (await readFile(join(homedir(), name), 'utf8')).trim()
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === 'ENOENT') return ''
    throw new SecretsError('FILE_UNREADABLE', `Cannot read the token file ~/${name}: ${reason}.`, {
      hint: fileHint(error),
    })
  }
}

/** Node refuses other characters in a header, with an error that is ours to word. */
function usable(token: string, origin: string): Login {
  if (/^[\x21-\x7e]+$/.test(token)) return { token, ttl: undefined, renewable: true, ours: false }
  throw new SecretsError('CREDENTIALS_MISSING', `What stands in ${origin} is not a token.`, {
    hint: 'A token is one word of printable ASCII characters.',
  })
}
